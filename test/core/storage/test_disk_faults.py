"""Full and read-only disks: existing files stay, and nothing unfinished is left behind."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("torch")
import onnx
import torch
from head_cases import nearest_mean

from opendr_har_core.bundles.graphs.writer import write_model
from opendr_har_core.bundles.rewrite import write_with_head
from opendr_har_core.datasets.cache import ClipCache
from opendr_har_core.errors import HarError
from opendr_har_core.learners.model_folder import save_model
from opendr_har_core.media.video import probe, write_video
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.recordings.bag_writer import MCAP, SQLITE3, new_bag
from opendr_har_core.recordings.label_video import annotated_copy, label_video
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE, Recognizer
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.training.checkpoint import save_checkpoint
from opendr_har_core.training.evaluate import confusion_picture

MOMENTS = 6
PAGE = 4096


class Material:
    """Content to write, made once."""

    def __init__(self, folder):
        self.frames = list(render_clip("walking", 2.0, 15.0, (96, 128), seed=3))
        self.video = write_video(folder / "film.mp4", self.frames, 15.0)
        recognizer = Recognizer.open("default")
        self.labels = label_video(recognizer, self.video)
        self.spec, self.names = recognizer.spec, recognizer.labels
        self.bundle = onnx.load(str(DEFAULT_BUNDLE))
        self.network = X3D(x3d_config("xs"), num_classes=2)
        self.head = nearest_mean({"wave": np.zeros(432), "stop": np.ones(432)})
        self.tensors = {"model_state": {"weight": torch.zeros(200_000)}}


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


def a_model(material, folder):
    save_model(folder / "m", material.spec, material.names, material.network, DEFAULT_BUNDLE, {})


def an_annotated_video(material, folder):
    with annotated_copy(folder / "a.mp4") as copy:
        copy.start(probe(material.video))
        for frame in material.frames:
            copy.write(frame)


def a_bag(storage):
    def write(material, folder):
        from rosbags.typesys import Stores, get_typestore

        store = get_typestore(Stores.ROS2_HUMBLE)
        message = store.types["std_msgs/msg/String"]("x" * 5000)
        with new_bag(folder / f"bag_{len(list(folder.glob('bag_*')))}", storage, "kilted") as writer:
            connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
            for index in range(40):
                writer.write(connection, index, store.serialize_cdr(message, "std_msgs/msg/String"))

    return write


WRITERS = {
    "a bundle": lambda material, folder: write_model(material.bundle, folder / "b.onnx"),
    "a bundle with a head": lambda material, folder: write_with_head(DEFAULT_BUNDLE, material.head, folder / "h.onnx"),
    "a folder of a learner": a_model,
    "a checkpoint": lambda material, folder: save_checkpoint(material.tensors, folder / "last.ckpt"),
    "a video": lambda material, folder: write_video(folder / "v.mp4", material.frames, 15.0),
    "an annotated video": an_annotated_video,
    "segments": lambda material, folder: material.labels.write_segments(folder / "s.csv"),
    "scores": lambda material, folder: material.labels.write_scores(folder / "c.csv"),
    "labels": lambda material, folder: material.labels.write_json(folder / "l.json"),
    "a confusion matrix": lambda material, folder: confusion_picture(np.eye(3), ["a", "b", "c"], folder / "p.png"),
    "a bag, MCAP": a_bag(MCAP),
    "a bag, SQLite": a_bag(SQLITE3),
}


def content(folder):
    """The content of all files below, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def room_for(size):
    """Limit the length of files, so that writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", WRITERS)
def test_a_write_that_fails_at_any_byte_keeps_the_old_file(kind, material, tmp_path, record_property):
    WRITERS[kind](material, tmp_path)
    before = content(tmp_path)
    largest = max(map(len, before.values()))
    rng = np.random.default_rng(1)
    for size in [0, 1, largest - 1, *rng.integers(2, largest - 1, MOMENTS)]:
        with room_for(int(size)), pytest.raises(HarError) as refused:
            WRITERS[kind](material, tmp_path)
        assert str(tmp_path) in str(refused.value)
        assert content(tmp_path) == before, f"after a limit of {size} of {largest} bytes"
    record_property("moments", 3 + MOMENTS)
    WRITERS[kind](material, tmp_path)


def test_a_cache_without_room_stores_nothing_and_still_works(tmp_path):
    cache, clip = ClipCache(tmp_path), np.arange(30_000, dtype=np.uint8).reshape(1, 100, 100, 3)
    for size in (0, 100, 20_000):
        with room_for(size):
            np.testing.assert_array_equal(cache.get("a clip", lambda: clip), clip)
        assert content(tmp_path) == {}
    np.testing.assert_array_equal(cache.get("a clip", lambda: clip), clip)
    assert len(content(tmp_path)) == 1
