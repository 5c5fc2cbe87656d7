"""The player of the live page: pace, lost sources, and what it reports."""

from __future__ import annotations

import json
import math
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
from opendr_har_core.people.detector import Detections
from opendr_har_core.people.pipeline import PeoplePipeline, Person
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def play(recognizer):
    """Play frames to a tiny network: play(open_frames) -> state."""
    players = []

    def start(open_frames, is_paced=False, detector=None):
        pipeline = LabelPipeline(recognizer.stream("every_frame"), LabelSettings())
        if detector:
            stream = StreamSettings(sampling="every_frame")
            pipeline = PeoplePipeline(recognizer, detector, PeopleSettings(), stream, LabelSettings())
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


def test_a_slow_model_is_not_a_lost_source(play, monkeypatch):
    monkeypatch.setattr("opendr_har_core.live.player.SILENT_SEC", 0.2)

    class SlowDetector:
        def detect(self, rgb):
            time.sleep(0.5)
            return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    hung = threading.Event()

    def source(is_stopped):
        for index in range(10_000):
            while hung.is_set() and not is_stopped():
                time.sleep(0.01)
            yield Frame(np.zeros((72, 96, 3), np.uint8), index * 1_000_000_000)

    state = play(source, detector=SlowDetector())
    until(lambda: status(state)["source"]["state"] == PLAYING)
    end = time.monotonic() + 0.9
    while time.monotonic() < end:
        assert status(state)["source"]["state"] == PLAYING
        time.sleep(0.05)
    hung.set()
    until(lambda: status(state)["source"]["state"] == LOST)


def test_a_file_is_played_at_its_own_pace(play):
    seen = []

    def source(_):
        for index in range(12):
            seen.append(time.monotonic())
            yield Frame(IMAGE, index * 100_000_000)

    play(source, is_paced=True)
    until(lambda: len(seen) >= 12)
    assert seen[11] - seen[0] == pytest.approx(1.0, abs=0.3)


def test_people_are_shown_with_their_boxes_labels_and_events(play):
    class Detector:
        boxes = Detections(np.array([[10, 10, 30, 60], [60, 10, 80, 50]], np.float32), np.ones(2, np.float32))

        def detect(self, rgb):
            return self.boxes

    ended = threading.Event()

    def source(_):
        for index in range(10_000):
            if ended.is_set():
                return
            yield Frame(np.full((72, 96, 3), index % 256, np.uint8), index * 50_000_000)
            time.sleep(0.01)

    state = play(source, detector=Detector())
    hello = lambda: json.loads(state.hello())  # noqa: E731
    until(lambda: len(hello()["events"]) == 2)  # they take turns
    ended.set()
    until(lambda: hello()["events"][-1]["event"] == "ended")
    seen = hello()
    assert {event["track_id"] for event in seen["events"]} == {"1", "2"}
    assert {labels["track_id"] for labels in seen["labels"]} == {"1", "2"}


def test_a_new_viewer_gets_the_people_in_view():
    state = LiveState("a source")
    assert json.loads(state.hello())["people"] is None
    state.push_people([Person("7", (1.0, 2.0, math.nan, 4.04), None, False)], (72, 96))
    people = json.loads(state.hello())["people"]
    assert (people["size"], people["people"]) == ([72, 96], [{"track_id": "7", "box": [1.0, 2.0, 0.0, 4.0]}])
