"""The player of the live page: pace, lost sources, and what it reports."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

aiohttp = pytest.importorskip("aiohttp")

from live_support import status, until

from opendr_har_core import Frame
from opendr_har_core.errors import VideoError
from opendr_har_core.live.player import Player
from opendr_har_core.live.state import LOST, PLAYING, LiveState
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings

IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def play(recognizer):
    """Play frames to a tiny network: play(open_frames) -> state."""
    players = []

    def start(open_frames, is_paced=False):
        pipeline = LabelPipeline(recognizer.stream("every_frame"), LabelSettings())
        state = LiveState("a source")
        players.append(Player("a source", open_frames, pipeline, state, is_paced))
        players[-1].start()
        return state

    yield start
    for player in players:
        player.stop()


def test_a_source_that_fails_is_lost_and_opened_again(play):
    plugged, broken = threading.Event(), threading.Event()

    def source(_):
        if not plugged.is_set():
            raise VideoError("no such camera")
        for index in range(10_000):
            if broken.is_set():
                raise RuntimeError("a bug")
            yield Frame(IMAGE, index * 10_000_000)
            time.sleep(0.01)

    state = play(source)
    until(lambda: status(state)["source"]["state"] == LOST)
    assert "no such camera" in status(state)["source"]["text"]
    plugged.set()
    until(lambda: status(state)["source"]["state"] == PLAYING)
    until(lambda: status(state)["metrics"]["rate_out"] > 10)
    broken.set()
    until(lambda: "a bug" in status(state)["source"]["text"])
    until(lambda: json.loads(state.hello())["events"][-1]["event"] == "ended")  # labels end with the source
    broken.clear()
    until(lambda: status(state)["source"]["state"] == PLAYING)


def test_a_file_is_played_at_its_own_pace(play):
    seen = []

    def source(_):
        for index in range(12):
            seen.append(time.monotonic())
            yield Frame(IMAGE, index * 100_000_000)

    play(source, is_paced=True)
    until(lambda: len(seen) >= 12)
    assert seen[11] - seen[0] == pytest.approx(1.0, abs=0.3)
