"""Teaching on the live page, in a real browser."""

from __future__ import annotations

import itertools
import json
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("playwright.sync_api")
from live_support import PatientPupil, until
from playwright.sync_api import expect

from opendr_har_core import Frame, Recognizer
from opendr_har_core.live.access import LiveSettings
from opendr_har_core.live.local_teaching import LocalTeaching
from opendr_har_core.live.player import Player
from opendr_har_core.live.server import LiveServer
from opendr_har_core.live.state import LiveState, ModelInfo
from opendr_har_core.live.teaching import TeachingControl
from opendr_har_core.media.video import read_video
from opendr_har_core.people.pipeline import Person
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.teaching.lessons import Lessons
from opendr_har_core.teaching.teacher import Teacher

LONG_MS = 30_000
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
HOSTILE = [
    "<img src=x onerror=\"document.title='taken'\">",
    "</script><script>document.title='taken'</script>",
    "👩🏽‍🚀" * 5,
]


@pytest.fixture
def pupil():
    return PatientPupil(warnings=["'wave' and 'stop' are hard to tell apart: show two more of each"])


@pytest.fixture
def state(pupil):
    """A page on which `pupil` is taught."""
    state = LiveState("a test", ModelInfo("a model"))
    control = TeachingControl(pupil, state)
    server = LiveServer(LiveSettings(port=0), state, control)
    state.url = f"http://127.0.0.1:{server.start()}/"
    control.refresh()
    yield state
    control.cancel()
    server.stop()


# What the page shows over the picture, in order.
NOTE_CUES = """() => {
  globalThis.cues = [];
  const cue = document.getElementById("cue");
  const note = () => cue.textContent && cue.textContent !== cues.at(-1) && cues.push(cue.textContent);
  new MutationObserver(note).observe(cue, { childList: true });
}"""


def teach(page, label):
    page.get_by_label("Name").fill(label)
    page.get_by_role("button", name="Teach").click()


def test_a_gesture_is_taught_listed_and_undone(tab, state, pupil):
    page, other = tab(state.url), tab(state.url)
    state.push_frame(Frame(np.full((120, 160, 3), 90, np.uint8), 0))
    expect(page.locator("#no-lessons")).to_contain_text("Nothing taught yet", timeout=LONG_MS)
    for viewer in (page, other):
        viewer.evaluate(NOTE_CUES)
    teach(page, "wave")
    for viewer in (page, other):
        expect(viewer.locator("#cue")).to_have_text("● wave", timeout=LONG_MS)
        assert viewer.evaluate("cues") == ["3", "2", "1", "● wave"]
        expect(viewer.locator("#lesson-error")).to_have_text("too dark")
        expect(viewer.locator("#lesson-text")).to_contain_text("Show “wave”")
        assert viewer.locator("#lesson-bar").evaluate("bar => bar.value") == 0.5
    pupil.learn.set()
    expect(page.locator("#lesson-text")).to_have_text("'wave' has 1 lessons, of person ''", timeout=LONG_MS)
    expect(page.locator("#lesson-warnings li")).to_have_text(pupil.warnings)
    expect(page.locator("#lesson-error")).to_have_text("")
    expect(page.locator("#cue")).to_be_hidden()
    for label in ("stop", "wave"):
        teach(page, label)
        expect(page.locator("#lesson-do")).to_have_text("Cancel", timeout=LONG_MS)
        expect(page.locator("#lesson-do")).to_have_text("Teach", timeout=LONG_MS)
    for viewer in (page, other):
        expect(viewer.locator("#lessons h3")).to_have_text(["wave (2)", "stop (1)"], timeout=LONG_MS)
        expect(viewer.locator("#known option")).to_have_count(2)
    until(lambda: page.locator("#lessons img").first.evaluate("image => image.naturalWidth") == 64)
    page.get_by_role("button", name="Undo").click()
    expect(other.locator("#lessons h3")).to_have_text(["wave (1)", "stop (1)"], timeout=LONG_MS)
    for viewer in (page, other):
        viewer.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove all lessons of wave").click()
    expect(page.locator("#lessons h3")).to_have_text(["stop (1)"], timeout=LONG_MS)
    other.get_by_role("button", name="Remove lesson 1 of stop").click()
    expect(page.locator("#lessons > li")).to_have_count(0, timeout=LONG_MS)
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()


class Projector:
    """A source that shows a video over and over, another one on request; its clock waits for a busy machine."""

    FPS = 10

    def __init__(self, folder, clips):
        self._films = {clip: self._film(folder / f"{clip}.avi") for clip in clips}
        self.clip = clips[0]

    def _film(self, path):
        frames = [cv2.resize(frame.rgb, (320, 240), interpolation=cv2.INTER_AREA) for frame in read_video(path)]
        return frames[:: 30 // self.FPS]

    def __call__(self, is_stopped):
        for index in itertools.count():
            if is_stopped():
                return
            film = self._films[self.clip]
            yield Frame(film[index % len(film)], index * NANOSECONDS // self.FPS)
            time.sleep(1 / self.FPS)


@pytest.mark.slow
def test_gestures_of_one_person_are_known_of_another_until_they_are_undone(tab, shared, tmp_path):
    clips = ("PS7A1P3T1", "PS7A2P3T1", "PS7A1P1T1", "PS7A2P1T1")
    projector = Projector(shared / "videos" / "gestures_rgb", clips)
    recognizer, lessons = Recognizer.open("default"), Lessons(tmp_path / "lessons")
    pipeline = LabelPipeline(recognizer.stream(), LabelSettings())
    state = LiveState("a test", ModelInfo.of(pipeline.stream))
    player = Player("a test", projector, pipeline, state, is_paced=False)
    control = TeachingControl(LocalTeaching(Teacher(recognizer, lessons), player), state)
    server = LiveServer(LiveSettings(port=0), state, control)
    page = tab(f"http://127.0.0.1:{server.start()}/")
    player.start()
    control.refresh()
    try:
        for clip, label in zip(clips[:2], ("first", "second")):
            projector.clip = clip
            teach(page, label)
            expect(page.locator("#lesson-text")).to_contain_text(f"learned '{label}' from 1 example", timeout=LONG_MS)
            expect(page.locator("#lesson-error")).to_have_text("")
        until(lambda: page.locator("#lessons img").first.evaluate("image => image.naturalWidth") > 0)
        for clip, label in zip(clips[2:], ("first", "second")):
            projector.clip = clip
            expect(page.locator("#label")).to_have_text(label, timeout=LONG_MS)
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#lessons h3")).to_have_text(["first (1)"], timeout=LONG_MS)
        expect(page.locator("#label")).not_to_have_text("second", timeout=LONG_MS)
        assert lessons.labels() == ["first"]
    finally:
        control.cancel()
        player.stop()
        server.stop()


def test_the_keyboard_teaches_cancels_and_removes(tab, state, pupil):
    page = tab(state.url)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_label("Name").focus(timeout=LONG_MS)
    page.keyboard.type("wave")
    page.keyboard.press("Enter")
    expect(page.locator("#lesson-do")).to_have_text("Cancel", timeout=LONG_MS)
    for _ in range(2):  # past the duration
        page.keyboard.press("Tab")
    expect(page.locator("#lesson-do")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#lesson-error")).to_contain_text("cancelled", timeout=LONG_MS)
    expect(page.locator("#lesson-do")).to_be_focused()
    pupil.learn.set()
    page.keyboard.press("Enter")
    expect(page.locator("#lessons h3")).to_have_text("wave (1)", timeout=LONG_MS)
    for _ in range(3):  # past undo and "remove all"
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove lesson 1 of wave")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#lessons > li")).to_have_count(0, timeout=LONG_MS)
    expect(page.get_by_label("Name")).to_be_focused()


def test_hostile_names_are_text(tab, state, pupil):
    page = tab(state.url)
    pupil.learn.set()
    for label in HOSTILE:
        teach(page, label)
        expect(page.locator("#lessons h3").last).to_have_text(f"{label} (1)", timeout=LONG_MS)
        expect(page.locator("#lesson-do")).to_have_text("Teach", timeout=LONG_MS)
    teach(page, "  ")
    expect(page.locator("#lesson-error")).to_have_text("type a name for the gesture first", timeout=LONG_MS)
    teach(page, "x" * 10_000)
    expect(page.locator("#lessons h3").last).to_have_text("x" * 60 + " (1)", timeout=LONG_MS)
    page.evaluate('socket.send(\'{"do": "format"}\')')
    expect(page.locator("#lesson-error")).to_contain_text("the message has no 'do'", timeout=LONG_MS)
    page.evaluate(f"socket.send({json.dumps('x' * 10_000)})")  # not even a command: the server hangs up
    expect(page.locator("#state")).to_have_attribute("data-state", "disconnected", timeout=LONG_MS)
    expect(page.locator("#state")).to_have_attribute("data-state", "waiting", timeout=LONG_MS)
    expect(page.locator("#lessons h3")).to_have_count(4)
    assert page.title() == "opendr-har live"
    assert page.locator("#teach script, #lessons h3 img").count() == 0


def test_the_chosen_person_is_taught(tab, state, pupil):
    page = tab(state.url)
    expect(page.locator("#lesson-do")).to_have_text("Teach", timeout=LONG_MS)
    box = (0.0, 0.0, 50.0, 100.0)
    state.push_people([Person(id, box, None, is_new=False) for id in ("1", "2")], (100, 100))
    expect(page.locator("#lesson-do")).to_have_text("Teach person 1", timeout=LONG_MS)
    page.locator("#people button").last.click()
    pupil.learn.set()
    teach(page, "wave")
    expect(page.locator("#lesson-text")).to_contain_text("of person '2'", timeout=LONG_MS)


def test_a_page_without_teaching_shows_none_of_it(tab):
    server = LiveServer(LiveSettings(port=0), LiveState("a test"))
    page = tab(f"http://127.0.0.1:{server.start()}/")
    try:
        expect(page.locator("#source")).to_have_text("a test", timeout=LONG_MS)
        expect(page.locator("#teach")).to_be_hidden()
    finally:
        server.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_teaching_fits_a_phone(tab, state, pupil, scheme):
    page = tab(state.url, color_scheme=scheme, **PHONE)
    pupil.learn.set()
    for _ in range(7):
        pupil.add("unbroken" * 20)
    teach(page, "W" * 60)
    expect(page.locator("#cue")).to_have_text("3", timeout=LONG_MS)
    expect(page.locator("#lessons h3")).to_have_text(["unbroken" * 20 + " (7)", "W" * 60 + " (1)"], timeout=LONG_MS)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for button in page.locator("#teach button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 40  # a finger's width
    contrast = page.locator("#lesson-do").evaluate(CONTRAST)
    assert contrast >= 4.5


# Of an element's text, by WCAG 2.
CONTRAST = """element => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const { color, backgroundColor } = getComputedStyle(element);
  const [dark, bright] = [light(color), light(backgroundColor)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}"""
