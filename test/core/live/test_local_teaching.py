"""Teaching the recognizer of a player: of the whole picture, of a person, and what ends a lesson."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

pytest.importorskip("aiohttp")

from live_support import until

from opendr_har_core import Frame, Recognizer
from opendr_har_core.errors import DataError, VideoError
from opendr_har_core.live.local_teaching import LocalTeaching
from opendr_har_core.live.player import Player
from opendr_har_core.live.state import LiveState
from opendr_har_core.live.teaching import LessonCancelledError
from opendr_har_core.people.detector import Detections
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.teaching.lessons import Lessons
from opendr_har_core.teaching.teacher import Teacher

FPS, SIZE, SECONDS = 10, (96, 96), 2.5
FILM = [frame.rgb for frame in render_clip("waving both hands", 4.0, FPS, SIZE, 1)]


class Pair:
    """Finds a person in the left and one in the right third of the picture."""

    def detect(self, rgb):
        boxes = np.array([[20, 4, 76, 92], [212, 4, 268, 92]], np.float32)
        return Detections(boxes, np.ones(2, np.float32))


class Stage:
    """A source in which the left person waves and the right one stands still, faster than real time."""

    def __init__(self):
        self.fails = threading.Event()

    def __call__(self, is_stopped):
        for index in range(1_000_000):
            if self.fails.is_set():
                raise VideoError("the plug is pulled")
            if is_stopped():
                return
            moving = FILM[index % len(FILM)]
            yield Frame(np.hstack([moving, FILM[0], FILM[0]]) if self.is_wide else moving, index * 1_000_000_000 // FPS)
            time.sleep(0.002)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default")


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def begin(recognizer, stage, tmp_path):
    """begin(has_people=False) -> (teaching, state) of a player that runs."""
    players = []

    def start(has_people=False):
        stage.is_wide = has_people
        teacher = Teacher(recognizer, Lessons(tmp_path / "lessons"))
        taught = recognizer.with_head(teacher.head(teacher.examples()))
        pipeline = LabelPipeline(taught.stream(), LabelSettings())
        if has_people:
            pipeline = PeoplePipeline(taught, Pair(), PeopleSettings(), StreamSettings(), LabelSettings())
        state = LiveState("a source")
        players.append(Player("a source", stage, pipeline, state, is_paced=False))
        players[-1].start()
        return LocalTeaching(Teacher(recognizer, Lessons(tmp_path / "lessons")), players[-1]), state

    yield start
    for player in players:
        player.stop()


def teach(teaching, label, track_id="", cancelled=None):
    said = []
    learned = teaching.teach(
        label, SECONDS, track_id, lambda *progress: said.append(progress), cancelled or threading.Event()
    )
    return learned, said


def latest(state, track_id=""):
    """The newest label."""
    labels = [each for each in json.loads(state.hello())["labels"] if each["track_id"] == track_id]
    return labels[-1]["top"][0][0] if labels else None


def test_what_is_taught_is_shown_at_once_and_after_a_restart_until_it_is_forgotten(begin):
    teaching, state = begin()
    until(lambda: latest(state) == "waving both hands")
    learned, said = teach(teaching, "hello")
    assert learned.text == "learned 'hello' from 1 example; show it 2 more times"
    assert said[-1] == ("learning", SECONDS, "")
    until(lambda: latest(state) == "hello")
    (lesson,) = teaching.lessons()
    assert teaching.thumbnail(lesson).startswith(b"\xff\xd8")
    assert teaching.thumbnail(lesson._replace(id="another")) is None
    restarted, state = begin()
    until(lambda: latest(state) == "hello")
    restarted.forget("hello", lesson.id)
    until(lambda: latest(state) == "waving both hands")
    assert restarted.lessons() == []


def test_the_chosen_person_is_taught(begin):
    teaching, state = begin(has_people=True)
    until(lambda: latest(state, "1") and latest(state, "2"))
    with pytest.raises(DataError, match="nothing moves"):
        teach(teaching, "hello", "2")
    with pytest.raises(DataError, match="person 7 is not in view"):
        teach(teaching, "hello", "7")
    assert teaching.lessons() == []
    teach(teaching, "hello", "1")
    until(lambda: latest(state, "1") == "hello")


def test_a_lesson_ends_with_its_cancellation_or_the_source_and_nothing_is_kept(begin, stage):
    teaching, _ = begin()
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(LessonCancelledError):
        teach(teaching, "hello", cancelled=cancelled)
    stage.fails.set()
    with pytest.raises(DataError, match=r"no image arrives|too short"):
        teach(teaching, "hello")
    assert teaching.lessons() == []
