"""Everything that reads files: valid examples and the call that must take, or refuse with a HarError, any content."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Callable, List

import numpy as np

SIDE, WINDOW = 8, 3
LABELS = ["waving", "bending", "none"]


@dataclass(frozen=True)
class Reader:
    """A kind of file: its name, valid contents, and what reads it; `modules` are needed packages."""

    file: str
    examples: Callable[[Path], List[bytes]]
    read: Callable[[Path], object]
    is_text: bool = False
    modules: tuple = ()


def bundles(folder=None):
    """A tiny clip network and a tiny continual one: means over the picture, and a state of two steps."""
    return [bundle(is_continual) for is_continual in (False, True)]


def bundle(is_continual):
    from opendr_har_core.bundles.graphs.writer import GraphWriter
    from opendr_har_core.bundles.metadata import BundleMetadata
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.spec import ModelSpec

    writer, rng = GraphWriter(), np.random.default_rng(0)
    frames = writer.input("frames", "uint8", [SIDE, SIDE, 3] if is_continual else [WINDOW, SIDE, SIDE, 3])
    values = writer.apply("Cast", frames, name="values", to=1)
    means = writer.apply("ReduceMean", values, name="means", axes=[1, 2] if is_continual else [1, 2, 3], keepdims=0)
    if is_continual:
        past = [writer.input(f"state.a.{index}", "float32", [3]) for index in range(2)]
        means = writer.apply("Sum", means, *past, name="sum")
        half = writer.weight("half", np.array([0.5], np.float32))
        writer.output("next.a", writer.apply("Mul", means, half, name="kept"), [3])
    scores = writer.linear(means, "head", rng.standard_normal((len(LABELS), 3)).astype(np.float32))
    writer.output("probabilities", writer.apply("Softmax", scores, name="softmax", axis=1), [len(LABELS)])
    spec = ModelSpec("cox3d" if is_continual else "x3d", "tiny", SIDE, WINDOW, 2, WINDOW - 1, len(LABELS))
    metadata = BundleMetadata(spec, LabelMap(LABELS), "a test", "0" * 64, {"a": 1} if is_continual else {})
    return writer.model(metadata.to_properties(), ("test", "1")).SerializeToString()


def open_bundle(path):
    from opendr_har_core import Frame, Recognizer

    stream = Recognizer.open(path, threads=1).stream("every_frame")
    for index in range(4):
        stream.push(Frame(np.full((20, 30, 3), 40 * index, np.uint8), index))


def bundle_metadata(folder):
    import onnx

    return [item.value.encode() for item in onnx.load_from_string(bundle(True)).metadata_props]


def open_bundle_metadata(path):
    """The text replaces each property of a valid bundle in turn."""
    import onnx

    from opendr_har_core import Recognizer
    from opendr_har_core.errors import HarError

    text = path.read_bytes().decode("utf-8", "replace")
    for index in range(len(bundle_metadata(path.parent))):
        model = onnx.load_from_string(bundle(True))
        model.metadata_props[index].value = text
        path.write_bytes(model.SerializeToString())
        try:
            Recognizer.open(path, threads=1)
        except HarError:
            continue


def checkpoints(folder):
    import torch

    weights = {f"blocks.{index}.weight": torch.ones(4, 3) for index in range(4)}
    progress = {"step": 7, "epoch": 1}
    training = {"format": 1, "model_state": weights, "progress": progress, "settings": {"steps": 9}, "metrics": []}
    contents = []
    for content in (weights, {"model_state": weights}, {"state_dict": weights, "epoch": 3}, training):
        for is_zip in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=is_zip)
            contents.append(buffer.getvalue())
    return contents


@lru_cache(maxsize=1)
def small_network() -> Any:
    from opendr_har_core.networks.config import X3DConfig
    from opendr_har_core.networks.x3d import X3D

    tiny = X3DConfig("tiny", image_size=16, frames=2, stride=1, stage_depths=(1,), stage_widths=(8,), stem_width=8)
    return X3D(tiny, 2)


def read_checkpoint(path):
    from opendr_har_core.errors import CheckpointError
    from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
    from opendr_har_core.networks.checkpoints import load_weights
    from opendr_har_core.training.checkpoint import progress_of, read_checkpoint

    with suppress(CheckpointError):  # weights of another network
        load_weights(small_network(), path)
    try:
        NetworkFacts.read(path)
    except CheckpointError:
        progress_of(read_checkpoint(path), path)


def model_json(folder):
    values = {
        "model_paths": ["model_m.pth", "model_m.onnx"],
        "framework": "pytorch",
        "format": "pth",
        "has_data": False,
        "optimized": True,
        "inference_params": {"backbone": "s", "network_head": "classification", "threshold": 0.0},
        "optimizer_info": {"lr": 0.1},
        "version": 2,
        "labels": LABELS,
    }
    return [json.dumps(values, indent=4).encode()]


def read_model_json(path):
    from opendr_har_core.errors import ModelError
    from opendr_har_core.learners.model_folder import newest_model, read_record

    try:
        newest_model(path.parent, "x3d", "s")
    except ModelError:
        read_record(path)


def read_labels(path):
    from opendr_har_core.labels import LabelMap

    LabelMap.read_csv(path)


def read_annotations(path):
    from opendr_har_core.datasets.annotations import AnnotationDataset
    from opendr_har_core.datasets.clips import ClipSpec

    AnnotationDataset(path, LABELS, ClipSpec(4, 2, 30.0, 32))


def read_split(path):
    from opendr_har_core.datasets.kinetics import listed
    from opendr_har_core.datasets.names import ClassIds
    from opendr_har_core.labels import LabelMap

    (path.parent / "splits").mkdir()
    try:
        shutil.copy(path, path.parent / "splits" / path.name)
        listed(path.parent, "train", ClassIds(LabelMap(LABELS[:2])))
    finally:
        shutil.rmtree(path.parent / "splits")


def bags(folder, storage="SQLITE3"):
    from pictures import pixels
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store, kind = get_typestore(Stores.ROS2_HUMBLE), "sensor_msgs/msg/Image"
    path = Path(tempfile.mkdtemp(dir=folder)) / "bag"
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage]) as writer:
        connection = writer.add_connection("/camera", kind, typestore=store)
        for index in range(4):
            stamp = store.types["builtin_interfaces/msg/Time"](1, index * 100_000_000)
            header = store.types["std_msgs/msg/Header"](stamp, "front")
            message = store.types[kind](header, 8, 10, "bgr8", 0, 30, pixels(8, 10).ravel())
            writer.write(connection, 10**9 + index * 10**8, store.serialize_cdr(message, kind))
    return [next(file for file in path.iterdir() if file.suffix != ".yaml").read_bytes()]


def read_bag(path):
    from opendr_har_core.errors import ImageError
    from opendr_har_core.recordings.bag_reader import open_images

    with open_images(path) as topic:
        for image in topic.images():
            try:
                image.frame(image.message(), image.recorded_ns).rgb
            except ImageError:
                continue


def videos(codec, suffix):
    def encode(folder):
        import av
        from pictures import pixels

        path = folder / f"example{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height = 48, 32
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for index in range(12):
                picture = np.ascontiguousarray(np.roll(pixels(32, 48), 3 * index, axis=1))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        return [path.read_bytes()]

    return encode


def read_clip(path):
    """In order, as `infer` reads it, and at chosen times, as training does."""
    from opendr_har_core.datasets.video_file import open_video
    from opendr_har_core.errors import VideoError
    from opendr_har_core.media.video import read_video

    try:
        for _ in islice(read_video(path), 40):
            pass
    except VideoError:
        pass
    found = open_video(path)
    for _ in found.frames([0.0, 0.2, min(found.duration_sec, 1e6)]):
        pass


def pictures(folder):
    import cv2
    from pictures import pixels, seeds

    return [*seeds(), *(cv2.imencode(name, pixels())[1].tobytes() for name in (".bmp", ".ppm", ".webp"))]


def read_image(path):
    from opendr_har_core.media.pictures import read_picture

    read_picture(path)


def cached_clips(folder):
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 3, 4, 3), np.uint8))
    return [buffer.getvalue()]


def read_cache(path):
    from opendr_har_core.datasets.cache import ClipCache

    folder = path.parent / "cache"
    try:
        cache = ClipCache(folder)
        for _ in range(2):
            assert cache.get("clip", lambda: np.ones((1, 2, 2, 3), np.uint8)).dtype == np.uint8
            for kept in folder.iterdir():
                shutil.copy(path, kept)
    finally:
        shutil.rmtree(folder)


def archives(folder):
    contents = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("splits/train.json", b"{}" * 50)
            archive.writestr("data/train/a/b.mp4", bytes(range(256)) * 4)
        contents.append(buffer.getvalue())
    return contents


def read_archive(path):
    from opendr_har_core.datasets.kinetics import unpack_zip

    with tempfile.TemporaryDirectory(dir=path.parent) as target:
        unpack_zip(path, Path(target), max_bytes=1 << 20, max_files=50)


def constant(*contents):
    return lambda folder: list(contents)


SPLIT = json.dumps({"abc": {"annotations": {"label": "waving", "segment": [1.0, 11.0]}, "subset": "train"}}).encode()
TABLE = b"path,start,end,label\na.mp4,0.5,2,waving\nsub/b.mp4,,,bending\nc.mp4, 1, ,none\n"
TORCH, BAGS = ("torch",), ("rosbags",)
READERS = {
    "bundle": Reader("model.onnx", bundles, open_bundle, modules=("onnx",)),
    "bundle metadata": Reader("model.onnx", bundle_metadata, open_bundle_metadata, True, ("onnx",)),
    "checkpoint": Reader("weights.pth", checkpoints, read_checkpoint, modules=TORCH),
    "model json": Reader("model.json", model_json, read_model_json, True, TORCH),
    "labels": Reader("labels.csv", constant(b'id,name\n0,waving\n1,"a, b"\n'), read_labels, True),
    "annotations": Reader("table.csv", constant(TABLE), read_annotations, True, TORCH),
    "split": Reader("train.json", constant(SPLIT), read_split, True, TORCH),
    "bag db3": Reader("bag.db3", bags, read_bag, modules=BAGS),
    "bag mcap": Reader("bag.mcap", lambda folder: bags(folder, "MCAP"), read_bag, modules=BAGS),
    "video mp4": Reader("clip.mp4", videos("mpeg4", ".mp4"), read_clip, modules=TORCH),
    "video avi": Reader("clip.avi", videos("mjpeg", ".avi"), read_clip, modules=TORCH),
    "video mkv": Reader("clip.mkv", videos("libx264", ".mkv"), read_clip, modules=TORCH),
    "picture": Reader("picture.jpg", pictures, read_image),
    "cache": Reader("clip.npy", cached_clips, read_cache, modules=TORCH),
    "archive": Reader("archive.zip", archives, read_archive, modules=TORCH),
}
