"""The calls through which files come in."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np

FRAMES = 40


def bundle(path: Path) -> None:
    """Open it and push a few frames, alone and two streams together."""
    from opendr_har_core import Frame, Recognizer
    from opendr_har_core.errors import BackendError

    recognizer = Recognizer.open(path, threads=1)
    streams = [recognizer.stream("every_frame"), recognizer.stream("every_frame", warm_start="repeat")]
    for index in range(4):
        frame = Frame(np.full((20, 30, 3), 40 * index, np.uint8), index)
        try:
            streams[0].push(frame)
            recognizer.push_many([(stream, Frame(frame.rgb, 10 + index)) for stream in streams])
        except BackendError:
            return  # a graph with other insides


def checkpoint(path: Path) -> None:
    """As published weights, as a checkpoint of training, and as what a network takes."""
    from opendr_har_core.errors import CheckpointError
    from opendr_har_core.networks.checkpoints import read_weights, to_slowfast_keys
    from opendr_har_core.training.checkpoint import read_checkpoint

    try:
        to_slowfast_keys(read_weights(path))
    except CheckpointError:
        read_checkpoint(path)


def resume(path: Path) -> None:
    """What `train --resume` reads before it begins."""
    from opendr_har_core.training.checkpoint import last_step, path_of_step, progress_of, read_checkpoint

    step = last_step(path.parent)
    path = path_of_step(path.parent, step)
    progress_of(read_checkpoint(path), path)


def model_json(path: Path) -> None:
    """A learner's folder, and its metadata alone."""
    from opendr_har_core.errors import ModelError
    from opendr_har_core.learners.model_folder import newest_model, read_record

    try:
        newest_model(path.parent, "x3d", "s")
    except ModelError:
        read_record(path)


def labels_csv(path: Path) -> None:
    from opendr_har_core.labels import LabelMap

    LabelMap.read_csv(path)


def annotations_csv(path: Path) -> None:
    """The table, and the files that it names: there are none here."""
    from opendr_har_core.datasets.annotations import AnnotationDataset
    from opendr_har_core.datasets.clips import ClipSpec

    AnnotationDataset(path, ["waving", "bending", "none"], ClipSpec(4, 2, 30.0, 32))


def split_json(path: Path) -> None:
    from opendr_har_core.datasets.kinetics_files import listed
    from opendr_har_core.datasets.names import ClassIds
    from opendr_har_core.labels import LabelMap

    root = path.parent
    (root / "splits").mkdir(exist_ok=True)
    shutil.copy(path, root / "splits" / path.name)
    try:
        listed(root, "train", ClassIds(LabelMap(["waving", "bending"])))
    finally:
        shutil.rmtree(root / "splits")


def config_yaml(path: Path) -> None:
    from opendr_har_core.cli.config_file import with_config
    from opendr_har_core.cli.main import parser

    with_config(parser().parse_args(["train", "--config", str(path)]))


def ros_parameters(path: Path) -> None:
    """ROS's own reader of parameter files, by the way of a node of ours; its refusal is no HarError, but is one."""
    import rclpy

    from opendr_har_core.errors import ConfigError

    context = rclpy.Context()
    no_logs = ["--disable-external-lib-logs", "--disable-stdout-logs"]
    try:
        rclpy.init(args=["--ros-args", "--params-file", str(path), *no_logs], context=context)
    except Exception as error:
        raise ConfigError(f"rclpy refuses {path}: {error}") from None
    rclpy.shutdown(context=context)


def bag(path: Path) -> None:
    """The times of all images, then some of the images."""
    from opendr_har_core.datasets.bag_topic import open_topic
    from opendr_har_core.recordings.bag_reader import open_images

    with open_images(path) as images:
        topic = images.topic
    times = open_topic(path, topic)
    for _ in times.frames([0.0, times.duration_sec / 2]):
        pass


def bag_folder(path: Path) -> None:
    """The index beside a recording that is sound."""
    from file_seeds import BAG

    folder = path.parent
    copies = [Path(shutil.copy(file, folder)) for file in sorted(BAG.get(folder).glob("*.db3"))]
    try:
        bag(folder)
    finally:
        for copy in copies:
            copy.unlink()


def bag_message(path: Path) -> None:
    """Serialised messages of both kinds, as a bag hands them over."""
    from rosbags.typesys import Stores, get_typestore

    from opendr_har_core.errors import DataError
    from opendr_har_core.recordings.bag_reader import COMPRESSED, RAW, RecordedImage

    reader = SimpleNamespace(deserialize=get_typestore(Stores.ROS2_HUMBLE).deserialize_cdr)
    data = path.read_bytes()
    for kind in (RAW, COMPRESSED):
        image = RecordedImage(kind, 0, data, reader)
        try:
            image.frame(image.message(), image.stamp_ns).rgb
        except DataError:
            if kind == COMPRESSED:
                raise


def video(path: Path) -> None:
    """In order, as `infer` reads it, and at chosen times, as training does."""
    from opendr_har_core.datasets.video_file import open_video
    from opendr_har_core.errors import VideoError
    from opendr_har_core.media.video import probe, read_video

    try:
        probe(path)
        for _ in islice(read_video(path), FRAMES):
            pass
    except VideoError:
        pass
    found = open_video(path)
    for _ in found.frames([0.0, 0.2, min(found.duration_sec, 1e6)]):
        pass


def picture(path: Path) -> None:
    from opendr_har_core.media.pictures import read_picture

    read_picture(path)


def cache_npy(path: Path) -> None:
    """A file of the cache of decoded clips: a damaged one is made again."""
    from opendr_har_core.datasets.cache import ClipCache

    folder = path.parent / "cache"
    cache = ClipCache(folder)
    try:
        cache.get("clip", _clip)
        for kept in folder.iterdir():
            shutil.copy(path, kept)
        assert cache.get("clip", _clip).dtype == np.uint8
    finally:
        shutil.rmtree(folder)


def _clip() -> np.ndarray:
    return np.ones((1, 2, 2, 3), np.uint8)


def cache_json(path: Path) -> None:
    from opendr_har_core.datasets.cache import ClipCache
    from opendr_har_core.datasets.index import open_videos

    folder = path.parent / "cache"
    cache = ClipCache(folder)
    try:
        shutil.copy(path, folder / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()}.json")
        open_videos([path], cache)
    finally:
        shutil.rmtree(folder)


def archive(path: Path) -> None:
    from opendr_har_core.datasets.archives import unpack_zip

    target = Path(tempfile.mkdtemp())
    try:
        unpack_zip(path, target, max_bytes=1 << 20, max_files=50)
    finally:
        shutil.rmtree(target)
