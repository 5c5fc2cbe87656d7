"""The player behind the live page: its pace, its losses, and what it says of them."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

aiohttp = pytest.importorskip("aiohttp")

from live_support import status, until

from opendr_har_core import Frame, Recognizer
from opendr_har_core.errors import VideoError
from opendr_har_core.live.player import Player
from opendr_har_core.live.schema import LOST, PLAYING, model_facts
from opendr_har_core.live.state import Board
from opendr_har_core.prediction import Hypothesis
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings


class Echo:
    """Stands in for a LabelPipeline: labels every frame."""

    def __init__(self):
        self.stream = SimpleNamespace(status=SimpleNamespace(phase="running", step=9, warm_up=3, slow_camera=False))
        self.resets = 0

    def push(self, frame):
        return SimpleNamespace(top=[Hypothesis(0, "walking", 0.9)], provisional=False), ()

    def reset(self):
        self.resets += 1
        return ()


def test_a_source_that_fails_is_lost_and_tried_again():
    plugged = threading.Event()
    image = np.zeros((8, 8, 3), np.uint8)

    def source(_):
        if not plugged.is_set():
            raise VideoError("no such camera")
        for index in range(10_000):
            if broken.is_set():
                raise RuntimeError("a bug")
            yield Frame(image, index * 10_000_000)
            time.sleep(0.01)

    broken = threading.Event()
    board, labelling = Board("a camera"), Echo()
    player = Player("a camera", source, labelling, board, is_paced=False)
    player.start()
    try:
        until(lambda: status(board)["source"]["state"] == LOST)
        assert "no such camera" in status(board)["source"]["text"]
        plugged.set()
        until(lambda: status(board)["source"]["state"] == PLAYING)
        until(lambda: status(board)["numbers"]["rate_out"] > 10)
        assert labelling.resets >= 1
        broken.set()
        until(lambda: "a bug" in status(board)["source"]["text"])
        broken.clear()
        until(lambda: status(board)["source"]["state"] == PLAYING)
    finally:
        player.stop()


@pytest.mark.parametrize(
    ("kind", "settings", "first_label_sec", "label_delay_sec"),
    [
        (("x3d",), {}, 1.2, 0.0),
        (("cox3d", "full"), {}, 12.4, 11.2),
        (("cox3d", "full"), {"warm_start": "repeat"}, 0.0, 11.2),
        (("cox3d", "none"), {"min_frames": 1}, 0.0, 0.0),
        (("cox3d", "none"), {"min_frames": 3}, 0.8, 0.0),
    ],
)
def test_viewers_are_told_when_the_first_label_comes_and_how_old_labels_are(
    tiny_bundle, kind, settings, first_label_sec, label_delay_sec
):
    facts = model_facts(Recognizer.open(tiny_bundle(*kind)).stream(**settings))
    assert facts.first_label_sec == pytest.approx(first_label_sec)
    assert facts.label_delay_sec == pytest.approx(label_delay_sec)


def test_the_labels_of_a_model_without_lookahead_are_provisional_until_its_window_is_full(tiny_bundle):
    stream = Recognizer.open(tiny_bundle("cox3d", "none")).stream("every_frame", min_frames=1)
    frames = [Frame(np.zeros((8, 8, 3), np.uint8), index * 100_000_000) for index in range(5)]
    board = Board("a film")
    player = Player("a film", lambda _: frames, LabelPipeline(stream, LabelSettings()), board, is_paced=False)
    player.start()
    try:
        until(lambda: len(json.loads(board.hello())["labels"]) >= 5)
    finally:
        player.stop()
    told = [label["provisional"] for label in json.loads(board.hello())["labels"]]
    assert told[:5] == [True, True, True, False, False]


def test_a_file_is_played_at_its_own_pace():
    image = np.zeros((8, 8, 3), np.uint8)
    seen = []

    class Noting(Echo):
        def push(self, frame):
            seen.append((time.monotonic(), frame.stamp_ns))
            return super().push(frame)

    frames = [Frame(image, index * 100_000_000) for index in range(12)]
    player = Player("a file", lambda _: frames, Noting(), Board("a file"), is_paced=True)
    player.start()
    until(lambda: len(seen) >= 12)
    player.stop()
    assert seen[11][0] - seen[0][0] == pytest.approx(1.1, abs=0.3)
