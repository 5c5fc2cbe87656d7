"""Everything that reads files: valid examples and the call that must take, or refuse with a HarError, any content."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
from pictures import pixels, seeds

from opendr_har_core.errors import CheckpointError, ImageError, ModelError, VideoError

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


def core(name: str) -> Any:
    """A name of the package, "module.name", imported when it is needed: some modules need torch."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(f"opendr_har_core.{module}"), attribute)


def bundles(folder=None):
    """A tiny clip network and a tiny continual one: means over the picture, and a state of two steps."""
    return [bundle(is_continual) for is_continual in (False, True)]


def bundle(is_continual):
    writer, rng = core("bundles.graphs.writer.GraphWriter")(), np.random.default_rng(0)
    frames = writer.input("frames", "uint8", [SIDE, SIDE, 3] if is_continual else [WINDOW, SIDE, SIDE, 3])
    values = writer.apply("Cast", frames, name="values", to=1)
    means = writer.apply("ReduceMean", values, name="means", axes=[1, 2] if is_continual else [1, 2, 3], keepdims=0)
    if is_continual:
        past = [writer.input(f"state.a.{index}", "float32", [3]) for index in range(2)]
        means = writer.apply("Sum", means, *past, name="sum")
        half = writer.weight("half", np.array([0.5], np.float32))
        writer.output("next.a", writer.apply("Mul", means, half, name="kept"), [3])
    writer.output("features", means, [3])
    scores = writer.linear(means, "head", rng.standard_normal((len(LABELS), 3)).astype(np.float32))
    writer.output("probabilities", writer.apply("Softmax", scores, name="softmax", axis=1), [len(LABELS)])
    architecture = "cox3d" if is_continual else "x3d"
    spec = core("spec.ModelSpec")(architecture, "tiny", SIDE, WINDOW, 2, WINDOW - 1, len(LABELS))
    delays = {"a": 1} if is_continual else {}
    label_map = core("labels.LabelMap")
    means = np.array([[0, 0, 0], [9, 9, 9]], np.float32)
    head = core("bundles.head.Head")(label_map(["wave", "stop"]), means, (0, 1), np.zeros((0, 3), np.float32))
    metadata = core("bundles.metadata.BundleMetadata")(
        spec, label_map(LABELS), "a test", "0" * 64, delays, features=3, head=head
    )
    return writer.model(metadata.to_properties(), ("test", "1")).SerializeToString()


def open_bundle(path):
    stream = core("streaming.recognizer.Recognizer").open(path, threads=1).stream("every_frame")
    for index in range(4):
        stream.push(core("frame.Frame")(np.full((20, 30, 3), 40 * index, np.uint8), index))


def bundle_metadata(folder=None):
    import onnx

    return [item.value.encode() for item in onnx.load_from_string(bundle(True)).metadata_props]


def open_bundle_metadata(path):
    """The text replaces each property of a valid bundle in turn."""
    import onnx

    content = path.read_bytes().decode("utf-8", "replace")
    for index in range(len(bundle_metadata())):
        model = onnx.load_from_string(bundle(True))
        model.metadata_props[index].value = content
        path.write_bytes(model.SerializeToString())
        with suppress(ModelError):
            core("streaming.recognizer.Recognizer").open(path, threads=1)


def checkpoints(folder):
    import torch

    weights = {f"blocks.{index}.weight": torch.ones(4, 3) for index in range(4)}
    progress = {"step": 7, "epoch": 1}
    training = {"format": 1, "model_state": weights, "progress": progress, "settings": {"steps": 9}, "metrics": []}
    contents = []
    for content in (weights, {"state_dict": weights, "epoch": 3}, training):
        for is_zip in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=is_zip)
            contents.append(buffer.getvalue())
    return contents


def read_checkpoint(path):
    try:
        core("networks.checkpoint_metadata.NetworkFacts").read(path)
    except CheckpointError:
        checkpoint = core("training.checkpoint.read_checkpoint")(path)
        core("training.checkpoint.progress_of")(checkpoint, path)


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
    try:
        core("learners.model_folder.newest_model")(path.parent, "x3d", "s")
    except ModelError:
        core("learners.model_folder.read_record")(path)


def read_annotations(path):
    core("datasets.annotations.AnnotationDataset")(path, LABELS, core("datasets.clips.ClipSpec")(4, 2, 30.0, 32))


def read_split(path):
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        (Path(folder) / "splits").mkdir()
        shutil.copy(path, Path(folder) / "splits" / path.name)
        ids = core("labels.ClassIds")(core("labels.LabelMap")(LABELS[:2]))
        core("datasets.kinetics.listed")(Path(folder), "train", ids)


def bags(storage):
    def write(folder):
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

    return write


def read_bag(path):
    with core("recordings.bag_reader.open_images")(path) as topic:
        for image in topic.images():
            with suppress(ImageError):
                image.frame(image.message(), image.recorded_ns).rgb


def videos(codec, suffix):
    def encode(folder):
        import av

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
    with suppress(VideoError):
        list(islice(core("media.video.read_video")(path), 40))
    found = core("datasets.video_file.open_video")(path)
    list(found.frames([0.0, 0.2, min(found.duration_sec, 1e6)]))


def pictures(folder):
    import cv2

    return [*seeds(), *(cv2.imencode(name, pixels())[1].tobytes() for name in (".bmp", ".ppm", ".webp"))]


def cached_clips(folder):
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 3, 4, 3), np.uint8))
    return [buffer.getvalue()]


def read_cache(path):
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        cache = core("datasets.cache.ClipCache")(folder)
        cache.get("clip", lambda: np.ones((1, 2, 2, 3), np.uint8))
        (kept,) = Path(folder).iterdir()
        shutil.copy(path, kept)
        assert cache.get("clip", lambda: np.ones((1, 2, 2, 3), np.uint8)).dtype == np.uint8


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
    with tempfile.TemporaryDirectory(dir=path.parent) as target:
        core("datasets.kinetics.unpack_zip")(path, Path(target), max_bytes=1 << 20, max_files=50)


def text(file, content, read, *modules):
    return Reader(file, lambda folder: [content], read, True, modules)


SPLIT = json.dumps({"abc": {"annotations": {"label": "waving", "segment": [1.0, 11.0]}, "subset": "train"}}).encode()
TABLE = b"path,start,end,label\na.mp4,0.5,2,waving\nsub/b.mp4,,,bending\nc.mp4, 1, ,none\n"
TORCH, BAGS = ("torch",), ("rosbags",)
READERS = {
    "bundle": Reader("model.onnx", bundles, open_bundle, modules=("onnx",)),
    "bundle metadata": Reader("model.onnx", bundle_metadata, open_bundle_metadata, True, ("onnx",)),
    "checkpoint": Reader("weights.pth", checkpoints, read_checkpoint, modules=TORCH),
    "model json": Reader("model.json", model_json, read_model_json, True, TORCH),
    "labels": text("a.csv", b'id,name\n0,waving\n1,"a, b"\n', lambda path: core("labels.LabelMap").read_csv(path)),
    "annotations": text("table.csv", TABLE, read_annotations, "torch"),
    "split": text("train.json", SPLIT, read_split, "torch"),
    "bag db3": Reader("bag.db3", bags("SQLITE3"), read_bag, modules=BAGS),
    "bag mcap": Reader("bag.mcap", bags("MCAP"), read_bag, modules=BAGS),
    "video mp4": Reader("clip.mp4", videos("mpeg4", ".mp4"), read_clip, modules=TORCH),
    "video avi": Reader("clip.avi", videos("mjpeg", ".avi"), read_clip, modules=TORCH),
    "video mkv": Reader("clip.mkv", videos("libx264", ".mkv"), read_clip, modules=TORCH),
    "picture": Reader("picture.jpg", pictures, core("media.pictures.read_picture")),
    "cache": Reader("clip.npy", cached_clips, read_cache, modules=TORCH),
    "archive": Reader("archive.zip", archives, read_archive, modules=TORCH),
}
