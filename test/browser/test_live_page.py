"""The live page in a real browser."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("playwright.sync_api")
from live_support import until
from playwright.sync_api import expect

from opendr_har_core import Frame, Recognizer
from opendr_har_core.errors import VideoError
from opendr_har_core.live.access import LiveSettings
from opendr_har_core.live.player import Player
from opendr_har_core.live.server import LiveServer
from opendr_har_core.live.state import LiveState, ModelInfo, SourceInfo, StreamInfo
from opendr_har_core.people.pipeline import Person
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.synthetic.scene import render_at

SEED, FPS = 25, 10.0
LONG_MS = 30_000


class Camera:
    """Plays one action indefinitely, another on request, and can be unplugged."""

    def __init__(self, action):
        times = np.arange(int(4 * FPS)) / FPS
        self._films = {name: list(render_at(name, times, (120, 160), SEED)) for name in ("jumping jacks", action)}
        self.action = action
        self.unplugged = threading.Event()

    def __call__(self, _):
        start = time.monotonic()
        index = 0
        while True:
            if self.unplugged.is_set():
                raise VideoError("somebody pulled the plug")
            film = self._films[self.action]
            yield Frame(film[index % len(film)].rgb, round((time.monotonic() - start) * NANOSECONDS))
            index += 1
            time.sleep(1 / FPS)


@pytest.fixture
def camera():
    return Camera("walking")


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default")


@pytest.fixture
def live(camera, recognizer):
    """A page that shows the camera: its server, whose port is `live.port`."""
    stream = recognizer.stream()
    state = LiveState("a test camera", ModelInfo.of(stream))
    player = Player("a test camera", camera, LabelPipeline(stream, LabelSettings()), state, is_paced=False)
    server = LiveServer(LiveSettings(port=0), state)
    server.port, server.state = server.start(), state
    player.start()
    yield server
    player.stop()
    server.stop()


@pytest.fixture
def state():
    """A page whose state the test sets."""
    state = LiveState("a test", ModelInfo("a model", "weights of a test"))
    server = LiveServer(LiveSettings(port=0), state)
    state.port = server.start()
    yield state
    server.stop()


def url(port):
    return f"http://127.0.0.1:{port}/"


def test_labels_follow_the_camera(tab, live, camera):
    page = tab(url(live.port))
    expect(page.locator("#warm")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#label")).to_have_text("walking", timeout=LONG_MS)
    assert page.locator("#bars li").count() == 5
    until(lambda: page.locator("#picture").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [160, 120])
    expect(page.locator("#events li").first).to_contain_text("walking began")
    camera.action = "jumping jacks"
    expect(page.locator("#label")).to_have_text("jumping jacks", timeout=LONG_MS)
    expect(page.locator("#events")).to_contain_text("walking ended")
    expect(page.locator("#model")).to_contain_text("9 classes, first label ")
    expect(page.locator("#latency")).to_contain_text("ms")
    expect(page.locator("#source")).to_have_text("a test camera")
    expect(page.locator("#bars .score").first).to_contain_text("%")
    until(lambda: is_painted(page))


def test_it_shows_the_label_delay_and_provisional_labels(tab, state):
    page = tab(url(state.port))
    expect(page.locator("#delay")).to_have_text("\u2013", timeout=LONG_MS)
    state.set_model(ModelInfo("cox3d_s", classes=400, first_label_sec=8.0, label_delay_sec=5.6))
    expect(page.locator("#delay")).to_have_text("5.6 s: the model waits for later frames", timeout=LONG_MS)
    expect(page.locator("#now-title")).to_have_text("About 5.6 s ago")
    state.set_model(ModelInfo("cox3d_s", classes=400, first_label_sec=0.0, label_delay_sec=0.0))
    expect(page.locator("#delay")).to_have_text("none: labels are about the newest frame", timeout=LONG_MS)
    expect(page.locator("#now-title")).to_have_text("Now")
    state.set_status(stream=StreamInfo("provisional", 3, 12))
    state.push_labels([Hypothesis(0, "walking", 0.9)], provisional=True)
    expect(page.locator("#warm-text")).to_have_text("Labels are provisional: 3 of 13 frames", timeout=LONG_MS)
    expect(page.locator("#label")).to_have_text("walking (provisional)")


def is_painted(page):
    """Whether the timeline has a coloured pixel."""
    return page.locator("#timeline").evaluate(
        """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(
            (red, i, data) => i % 4 == 0 && data[i + 3] > 200 && Math.abs(red - data[i + 2]) > 60)"""
    )


def test_a_second_tab_gets_the_history(tab, live):
    first = tab(url(live.port))
    expect(first.locator("#label")).to_have_text("walking", timeout=LONG_MS)
    second = tab(url(live.port))
    expect(second.locator("#events")).to_contain_text("walking began", timeout=LONG_MS)
    for page in (first, second):
        expect(page.locator("#viewers")).to_have_text("2", timeout=LONG_MS)
        expect(page.locator("#picture")).to_be_visible()
    second.close()
    expect(first.locator("#viewers")).to_have_text("1", timeout=LONG_MS)


def test_a_lost_camera_is_shown_and_recovers(tab, live, camera):
    page = tab(url(live.port))
    expect(page.locator("#label")).to_have_text("walking", timeout=LONG_MS)
    camera.unplugged.set()
    expect(page.locator("#state-text")).to_have_text("source lost", timeout=LONG_MS)
    expect(page.locator("#lost")).to_contain_text("somebody pulled the plug")
    expect(page.locator("#events")).to_contain_text("walking ended")
    camera.unplugged.clear()
    expect(page.locator("#state-text")).to_have_text("live", timeout=LONG_MS)
    expect(page.locator("#lost")).to_be_hidden()


def test_the_page_reconnects_to_a_restarted_server(tab):
    state = LiveState("before")
    server = LiveServer(LiveSettings(port=0), state)
    port = server.start()
    page = tab(url(port))
    state.push_labels([Hypothesis(0, "old label", 0.9)])
    expect(page.locator("#label")).to_have_text("old label", timeout=LONG_MS)
    server.stop()
    expect(page.locator("#state")).to_have_attribute("data-state", "disconnected", timeout=LONG_MS)
    server = LiveServer(LiveSettings(port=port), LiveState("after"))
    server.start()
    try:
        expect(page.locator("#source")).to_have_text("after", timeout=LONG_MS)
        expect(page.locator("#label")).not_to_have_text("old label")
    finally:
        server.stop()


def test_names_are_shown_as_text(tab, state):
    page = tab(url(state.port))
    name = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    state.push_labels([Hypothesis(0, name, 0.9)])
    state.push_event("began", name, 0.9, 0.0)
    state.set_status(source=SourceInfo(name, "lost", name))
    for place in ("#label", "#bars", "#events", "#source", "#lost", "#legend"):
        expect(page.locator(place)).to_contain_text(name, timeout=LONG_MS)
    assert page.title() == "opendr-har live"
    assert page.locator("#main script, #main #events img, #label img").count() == 0


def person(track_id, label, left, score=0.9):
    prediction = Prediction(
        0, (Hypothesis(0, label, score), Hypothesis(1, "other", 1 - score)), np.zeros(2, np.float32)
    )
    return Person(track_id, (left, 40.0, left + 100.0, 440.0), prediction, is_new=True)


def crowd(state):
    state.push_frame(Frame(np.full((480, 640, 3), 90, np.uint8), 0))
    state.push_people([person("1", "walking", 20.0), person("2", "waving both hands", 250.0)], (480, 640))


@pytest.mark.parametrize("by", ["box", "list"])
def test_a_click_on_a_person_shows_the_history_of_the_labels(tab, state, by):
    page = tab(url(state.port))
    expect(page.locator("#source")).to_have_text("a test", timeout=LONG_MS)
    expect(page.locator("#people")).to_be_hidden()
    crowd(state)
    state.push_event("began", "walking", 0.9, 0.0, "1")
    expect(page.locator("#people button")).to_have_text(["1walking90 %", "2waving both hands90 %"], timeout=LONG_MS)
    expect(page.locator("#label")).to_have_text("1: walking")
    expect(page.locator("#events li")).to_contain_text("1: walking began")
    expect(page.locator("#boxes g")).to_have_count(2)
    picture, box = page.locator("#picture").bounding_box(), page.locator("#boxes rect").last.bounding_box()
    assert box["x"] - picture["x"] == pytest.approx(20 / 640 * picture["width"], abs=6)
    assert box["height"] == pytest.approx(400 / 480 * picture["height"], abs=6)
    (page.locator("#boxes g").first if by == "box" else page.locator("#people button").last).click()
    expect(page.locator("#label")).to_have_text("2: waving both hands")
    expect(page.locator("#course-title")).to_have_text("The last minute of person 2")
    expect(page.locator("#people button").last).to_have_attribute("aria-pressed", "true")
    state.push_people([person("1", "bending", 20.0), person("2", "jumping", 250.0)], (480, 640))
    expect(page.locator("#label")).to_have_text("2: jumping", timeout=LONG_MS)
    expect(page.locator("#legend li")).to_have_text(["waving both hands", "jumping"])
    page.reload()
    expect(page.locator("#people button")).to_have_text(["1bending90 %", "2jumping90 %"], timeout=LONG_MS)
    page.locator("#people button").first.click()
    expect(page.locator("#legend li")).to_have_text(["walking", "bending"])


def test_people_who_leave_are_not_listed(tab, state):
    page = tab(url(state.port))
    crowd(state)
    expect(page.locator("#people button")).to_have_count(2, timeout=LONG_MS)
    state.push_people([person("2", "jumping", 250.0)], (480, 640))
    expect(page.locator("#people button")).to_have_text(["2jumping90 %"], timeout=LONG_MS)
    expect(page.locator("#label")).to_have_text("2: jumping")
    state.push_people([], (480, 640))
    expect(page.locator("#people button")).to_have_count(0, timeout=LONG_MS)
    expect(page.locator("#boxes")).to_be_hidden()


def test_the_token_comes_from_the_address_or_a_form(tab):
    token = "correct-horse-battery"
    server = LiveServer(LiveSettings(port=0, token=token), LiveState("secret camera"))
    port = server.start()
    try:
        page = tab(url(port) + f"#token={token}")
        expect(page.locator("#source")).to_have_text("secret camera", timeout=LONG_MS)
        assert token not in page.url
        other = tab(url(port))
        expect(other.locator("#ask")).to_be_visible(timeout=LONG_MS)
        assert "secret camera" not in other.content()
        other.get_by_label("This page needs its token").fill("wrong-horse-battery")
        other.get_by_role("button", name="Show").click()
        expect(other.locator("#ask-error")).to_have_text("wrong token", timeout=LONG_MS)
        other.get_by_label("This page needs its token").fill(token)
        other.get_by_role("button", name="Show").click()
        expect(other.locator("#source")).to_have_text("secret camera", timeout=LONG_MS)
    finally:
        server.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_can_be_switched(tab, state, scheme):
    page, ground = tab(url(state.port), color_scheme=scheme), "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate(ground) != before
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") != scheme


def test_the_page_fits_a_phone(tab, state):
    page = tab(url(state.port), viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    state.push_labels([Hypothesis(0, "a label " * 12, 0.9), Hypothesis(1, "unbroken" * 20, 0.1)])
    state.push_event("began", "unbroken" * 20, 0.9, 0.0)
    expect(page.locator("#bars li")).to_have_count(2, timeout=LONG_MS)
    state.push_people([person(str(number), "unbroken" * 20, 60.0 * number) for number in range(8)], (480, 640))
    expect(page.locator("#people button")).to_have_count(8, timeout=LONG_MS)
    assert page.locator("#people button").first.bounding_box()["height"] >= 40
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("#theme").bounding_box()["width"] >= 40  # a finger's width
