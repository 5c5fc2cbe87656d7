"""The player behind the live page: its pace, its losses, and what it says of them."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

aiohttp = pytest.importorskip("aiohttp")

from live_support import status, until

from opendr_har_core import Frame
from opendr_har_core.errors import VideoError
from opendr_har_core.live.board import Board
from opendr_har_core.live.facts import LOST, PLAYING
from opendr_har_core.live.player import Player
from opendr_har_core.prediction import Hypothesis


class Echo:
    """Stands in for a Labelling: labels every frame."""

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
