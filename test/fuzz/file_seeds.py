"""Small valid files of every kind that the package reads, made here."""

from __future__ import annotations

import io
import json
import pickle
import random
import zipfile
from pathlib import Path
from typing import Dict, List

import numpy as np

SIDE, CLASSES, WINDOW = 8, 3, 3
LABELS = ["waving", "bending", "none"]


class _Kept:
    """A bag that several inputs are read beside."""

    def __init__(self) -> None:
        self._folders: Dict[str, Path] = {}

    def get(self, folder: Path) -> Path:
        del folder
        return self._folders["bag"]

    def put(self, folder: Path) -> None:
        self._folders["bag"] = folder


BAG = _Kept()


def bundles(folder: Path) -> List[bytes]:
    """A tiny network over clips, and one that steps."""
    del folder
    return [_bundle(continual) for continual in (False, True)]


def _bundle(continual: bool) -> bytes:
    from opendr_har_core.bundles.metadata import BundleMetadata
    from opendr_har_core.labels import LabelMap

    metadata = BundleMetadata(spec(continual), LabelMap(LABELS), "a test", "0" * 64, {"a": 1} if continual else {})
    return model(continual, metadata.to_properties()).SerializeToString()


def spec(continual: bool):
    """What the tiny network is."""
    from opendr_har_core.spec import ModelSpec

    return ModelSpec("cox3d" if continual else "x3d", "tiny", SIDE, WINDOW, 2, WINDOW - 1, CLASSES)


def model(continual: bool, properties: Dict[str, str]):
    """The tiny network as an ONNX model: means over the picture, one layer, and a state of two steps."""
    from opendr_har_core.bundles.graphs.writer import GraphWriter

    writer = GraphWriter()
    rng = np.random.default_rng(0)
    frames = writer.input("frames", "uint8", [SIDE, SIDE, 3] if continual else [WINDOW, SIDE, SIDE, 3])
    values = writer.apply("Cast", frames, name="values", to=1)
    axes = [1, 2] if continual else [1, 2, 3]
    means = writer.apply("ReduceMean", values, name="means", axes=axes, keepdims=0)
    if continual:
        past = [writer.input(f"state.a.{index}", "float32", [3]) for index in range(2)]
        means = writer.apply("Sum", means, *past, name="sum")
        half = writer.weight("half", np.array([0.5], np.float32))
        writer.output("next.a", writer.apply("Mul", means, half, name="kept"), [3])
    scores = writer.linear(means, "head", rng.standard_normal((CLASSES, 3)).astype(np.float32))
    writer.output("probabilities", writer.apply("Softmax", scores, name="softmax", axis=1), [CLASSES])
    return writer.model(properties, ("test", "1"))


def as_bundle(data: bytes) -> bytes:
    """Metadata spoilt as words, in a model that is sound."""
    import onnx

    rng = random.Random(data)
    sound = onnx.load_from_string(bundles(Path())[len(data) % 2])
    from mutations import mutated

    chosen = rng.choice(sound.metadata_props)
    chosen.value = mutated(chosen.value.encode(), rng, True).decode("utf-8", "replace")
    return sound.SerializeToString()


def checkpoints(folder: Path) -> List[bytes]:
    """Tensors in both of PyTorch's formats."""
    import torch

    torch.manual_seed(0)
    weights = {f"blocks.{index}.weight": torch.randn(4, 3) for index in range(4)}
    weights["half"] = torch.ones(2, dtype=torch.float16)
    contents = [weights, {"model_state": weights}, {"state_dict": weights, "epoch": 3}]
    return [_saved(content, new) for content in contents for new in (True, False)] + training_checkpoints(folder)


def training_checkpoints(folder: Path) -> List[bytes]:
    """What our own training leaves behind."""
    del folder
    import torch

    from opendr_har_core.training.checkpoint import Progress

    content = {
        "format": 1,
        "model_state": {"a": torch.ones(2, 2)},
        "progress": Progress(step=7, epoch=1).to_dict(),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "precision": {},
        "metrics": [{"total": torch.tensor(1.0)}, {"total": torch.tensor(0.5)}],
        "settings": {"steps": 9},
    }
    return [_saved(content, True)]


def _saved(content: object, new: bool) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=new)
    return buffer.getvalue()


def pickles(folder: Path) -> List[bytes]:
    """The pickle inside of a file of weights."""
    with zipfile.ZipFile(io.BytesIO(checkpoints(folder)[2])) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        return [archive.read(name), pickle.dumps({"a": [1, 2.0, "x" * 300, (None, True)]}, protocol=2)]


def zipped_pickle(data: bytes) -> bytes:
    """A file of weights that is sound but for its pickle."""
    with zipfile.ZipFile(io.BytesIO(checkpoints(Path())[2])) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, data if name.endswith("data.pkl") else content)
    return buffer.getvalue()


def model_json(folder: Path) -> List[bytes]:
    """Our metadata and OpenDR's."""
    del folder
    ours = {
        "model_paths": ["model_m.pth", "model_m.onnx"],
        "framework": "pytorch",
        "format": "pth",
        "has_data": False,
        "optimized": True,
        "inference_params": {"backbone": "s", "network_head": "classification", "threshold": 0.0},
        "optimizer_info": {"lr": 0.1},
        "version": 2,
        "spec": spec(False).to_dict(),
        "labels": LABELS,
    }
    theirs = {name: ours[name] for name in list(ours)[:7]}
    return [json.dumps(value, indent=4).encode() for value in (ours, {**theirs, "model_paths": "model_m.pth"})]


def labels_csv(folder: Path) -> List[bytes]:
    """Class names, plain and quoted."""
    del folder
    rows = [f"{index},{name}" for index, name in enumerate([*LABELS, '"a, b"', "größer"])]
    return ["\n".join(["id,name", *rows]).encode(), "\r\n".join(["id,name", *rows, ""]).encode("utf-8-sig")]


def annotations_csv(folder: Path) -> List[bytes]:
    """Stretches of videos."""
    del folder
    return [b"path,start,end,label\na.mp4,0.5,2,waving\nsub/b.mp4,,,bending\nc.mp4, 1, ,none\n"]


def split_json(folder: Path) -> List[bytes]:
    """Kinetics' annotations."""
    del folder
    entry = {"annotations": {"label": "waving", "segment": [1.0, 11.0]}, "duration": 10.0, "subset": "train", "url": ""}
    return [json.dumps({"abc": entry, "de-f": {**entry, "subset": "validate"}}).encode()]


def config_yaml(folder: Path) -> List[bytes]:
    """Options of a job."""
    del folder
    return [
        b"data: clips\nepochs: 3\nlr: 0.01\nnetwork: cox3d\nsize: s\nlabels: names.csv\n# end\noutput: [a, 'b c']\n"
    ]


def ros_parameters(folder: Path) -> List[bytes]:
    """The parameter files that come with the nodes."""
    del folder
    config = Path(__file__).resolve().parents[2] / "config"
    return [path.read_bytes() for path in sorted(config.glob("*.yaml"))]


def bags_db3(folder: Path) -> List[bytes]:
    """Recordings in SQLite, of raw and of compressed images."""
    return [_bag(folder / f"db3_{kind}", False, kind) for kind in (False, True)]


def bags_mcap(folder: Path) -> List[bytes]:
    """The same in MCAP, and one in compressed chunks."""
    return [_bag(folder / f"mcap_{kind}", True, kind) for kind in (False, True)]


def _bag(path: Path, mcap: bool, compressed: bool) -> bytes:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    plugin = StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3
    with Writer(path, version=8, storage_plugin=plugin) as writer:
        connection = writer.add_connection("/camera", kind, typestore=store)
        for index, data in enumerate(_messages(store, compressed)):
            writer.write(connection, 1_000_000_000 + index * 100_000_000, data)
    return next(path.glob("*.mcap" if mcap else "*.db3")).read_bytes()


def _messages(store, compressed: bool) -> List[bytes]:
    import cv2
    from image_seeds import pixels

    picture = pixels(8, 10)
    found = []
    for index in range(4):
        types = store.types
        header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](1, index * 100_000_000), "front")
        if compressed:
            data = cv2.imencode(".png", picture)[1].ravel()
            message = types["sensor_msgs/msg/CompressedImage"](header, "png", data)
        else:
            message = types["sensor_msgs/msg/Image"](header, 8, 10, "bgr8", 0, 30, picture.ravel())
        found.append(bytes(store.serialize_cdr(message, message.__msgtype__)))
    return found


def bag_messages(folder: Path) -> List[bytes]:
    """Messages as they lie in a bag."""
    del folder
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    return [_messages(store, compressed)[0] for compressed in (False, True)]


def bag_yaml(folder: Path) -> List[bytes]:
    """The index of a recording."""
    if not (folder / "beside").exists():
        _bag(folder / "beside", False, False)
    BAG.put(folder / "beside")
    return [(folder / "beside" / "metadata.yaml").read_bytes()]


def videos_mp4(folder: Path) -> List[bytes]:
    """MPEG-4 and H.264 in MP4."""
    return [_video(folder / f"{codec}.mp4", codec) for codec in ("mpeg4", "libx264")]


def videos_avi(folder: Path) -> List[bytes]:
    """MPEG-4 and JPEGs in AVI."""
    return [_video(folder / f"{codec}.avi", codec) for codec in ("mpeg4", "mjpeg")]


def videos_mkv(folder: Path) -> List[bytes]:
    """H.264 and VP8 in Matroska."""
    return [_video(folder / f"{codec}.mkv", codec) for codec in ("libx264", "libvpx")]


def _video(path: Path, codec: str) -> bytes:
    import av
    from image_seeds import pixels

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = 48, 32
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(12):
            picture = np.ascontiguousarray(np.roll(pixels(32, 48), 3 * index, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    path.unlink()
    return content


def pictures(folder: Path) -> List[bytes]:
    """All formats that picture files may have."""
    del folder
    import cv2
    from image_seeds import pixels
    from image_seeds import seeds as compressed

    names = (".bmp", ".ppm", ".pgm", ".webp")
    coded = [cv2.imencode(name, pixels() if name != ".pgm" else pixels()[..., 0])[1].tobytes() for name in names]
    return [*compressed(), *coded]


def cached_clips(folder: Path) -> List[bytes]:
    """Arrays, and what else NumPy reads."""
    del folder
    found = []
    for write, value in ((np.save, np.ones((2, 3, 4, 3), np.uint8)), (np.savez, np.ones((1, 2, 2, 3), np.uint8))):
        buffer = io.BytesIO()
        write(buffer, value)
        found.append(buffer.getvalue())
    return found


def cached_index(folder: Path) -> List[bytes]:
    """What was found before."""
    del folder
    return [json.dumps({"/a/b.mp4|1|2": [1.5, 0], "c": [2.0, None]}).encode()]


def archives(folder: Path) -> List[bytes]:
    """Zip archives, stored and deflated."""
    del folder
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("splits/train.json", b"{}" * 50)
            archive.writestr("data/train/a/b.mp4", bytes(range(256)) * 4)
        found.append(buffer.getvalue())
    return found
