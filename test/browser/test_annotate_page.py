"""The annotator in a real browser."""

from __future__ import annotations

import csv

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("playwright.sync_api")
pytest.importorskip("rosbags")
from bag_cases import FRAMES, write_bag
from playwright.sync_api import expect

from opendr_har_core import Recognizer
from opendr_har_core.live.access import LiveSettings
from opendr_har_core.live.annotator import Annotator
from opendr_har_core.live.annotator_server import AnnotatorServer
from opendr_har_core.recordings.label_video import label_video

LONG_MS = 30_000
CLASSES = ("raising both arms", "walking", "no activity")
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def models():
    return {name: Recognizer.open(name) for name in ("default", "continual")}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp("bags") / f"scene {HOSTILE.replace('/', '')}")


@pytest.fixture
def annotate(tmp_path, bag):
    """Serve annotators of six seconds at 10 Hz: annotate(models={}, classes, **settings) -> address."""
    started = []

    def start(models=None, classes=CLASSES, **settings):
        annotator = Annotator(bag, None, tmp_path / "annotations.csv", classes, models or {}, label_video)
        server = AnnotatorServer(LiveSettings(port=0, **settings), annotator)
        started.append((server, annotator))
        return f"http://127.0.0.1:{server.start()}/"

    yield start
    for server, annotator in started:
        server.stop()
        annotator.stop()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def opened(page):
    """The page, once it shows the recording."""
    expect(page.locator("#place")).to_have_text("0:00.00 of 0:06.00, frame 0 of 60", timeout=LONG_MS)
    return page


def saved(folder):
    """The rows of the CSV without paths."""
    with (folder / "annotations.csv").open(newline="") as file:
        return [(float(row["start"]), float(row["end"]), row["label"]) for row in csv.DictReader(file)]


def expect_saved(page, count):
    expect(page.locator("#segments-title")).to_have_text(f"Segments: {count}", timeout=LONG_MS)
    expect(page.locator("#state-text")).to_contain_text("saved in", timeout=LONG_MS)


def test_five_segments_in_a_bag_with_the_keyboard(tab, annotate, tmp_path, bag):
    page = opened(tab(annotate()))
    second = "Shift+ArrowRight"
    press(page, "1", "m", second, "m")  # 0 to 1 s
    press(page, "2", "m", second, "ArrowRight", "ArrowRight", "m")  # 1 to 2.2 s, as the next one begins where it ends
    press(page, second, "m", second, "m")  # 3.2 to 4.2 s
    press(page, "ArrowRight", "3", "m", "ArrowRight", "ArrowRight", "ArrowRight", "m")  # 4.3 to 4.6 s
    press(page, second, "1", "m", "End", "m")  # 5.6 s to the end
    expect_saved(page, 5)
    five = [
        (0.0, 1.0, "raising both arms"),
        (1.0, 2.2, "walking"),
        (3.2, 4.2, "walking"),
        (4.3, 4.6, "no activity"),
        (5.6, 6.0, "raising both arms"),
    ]
    assert saved(tmp_path) == five
    with (tmp_path / "annotations.csv").open(newline="") as file:
        assert {(tmp_path / row["path"]).resolve() for row in csv.DictReader(file)} == {bag.resolve()}
    again = opened(tab(page.url))
    expect(again.locator("#segments li")).to_have_count(5)


def test_segments_are_changed_and_changes_undone(tab, annotate, tmp_path):
    page = opened(tab(annotate()))
    second = "Shift+ArrowRight"
    press(page, second, "m", second, second, "m")  # 1 to 3 s
    press(page, second, "e", "Home", "ArrowRight", "b")
    expect(page.locator("#segments button")).to_have_text(["0:00.10 \u2013 0:04.00raising both arms"])
    press(page, second, "2", "c")
    expect(page.locator("#segments button")).to_have_text(["0:00.10 \u2013 0:04.00walking"])
    press(page, "m")
    expect(page.locator("#hint")).to_contain_text("A segment is marked here")
    press(page, "x")
    expect_saved(page, 0)
    press(page, "z", "z", "Control+z")
    expect(page.locator("#segments button")).to_have_text(["0:01.00 \u2013 0:04.00raising both arms"])
    press(page, "y")
    expect_saved(page, 1)
    assert saved(tmp_path) == [(0.1, 4.0, "raising both arms")]
    press(page, "End", "m", "Home", "m")  # backwards, over the other one
    expect_saved(page, 2)
    assert saved(tmp_path)[1] == (4.0, 6.0, "walking")


def test_a_class_is_found_by_its_name(tab, annotate):
    classes = [f"class {number}" for number in range(398)] + [HOSTILE, "walking"]
    page = opened(tab(annotate(classes=classes)))
    expect(page.locator("#classes button")).to_have_count(400)
    press(page, "/")
    page.keyboard.type("onerror")
    expect(page.locator("#classes button")).to_have_text([f"1{HOSTILE}"])
    press(page, "Enter", "m", "Shift+ArrowRight", "m")
    expect(page.locator("#segments button")).to_have_text([f"0:00.00 \u2013 0:01.00{HOSTILE}"])
    expect(page.locator("#recording")).to_contain_text("scene <img src=x onerror=")
    expect_saved(page, 1)
    assert page.title() == "opendr-har annotate"
    assert page.locator("main img").count() == 1


@pytest.mark.slow
def test_models_suggest_are_compared_and_taught(tab, annotate, models, tmp_path):
    page = opened(tab(annotate(models)))
    expect(page.locator("#rows small")).to_have_text(["", "accept from here", ""], timeout=LONG_MS)
    suggested = page.evaluate("rows[0].segments")
    start, end, label = suggested[-1]
    press(page, "End", "a")
    expect_saved(page, 1)
    assert saved(tmp_path) == [(start, end, label)] == [(start, 6.0, "walking")]
    press(page, "z", "r", "A")
    expect_saved(page, len([item for item in page.evaluate("rows[1].segments") if item[2] in CLASSES]))
    expect(page.locator("#scores th")).to_have_text(["default", "continual"])
    accuracy = page.locator("#scores td:nth-child(6)")
    expect(accuracy.last).not_to_have_text("\u2013", timeout=LONG_MS)
    other, accepted = map(float, accuracy.all_inner_texts())
    assert other < accepted
    page.get_by_role("button", name="Teach a model from the segments").click()
    expect(page.locator("#taught")).to_contain_text("annotations.onnx has learned", timeout=LONG_MS)
    expect(page.locator("#scores th")).to_have_text(["default", "continual", "annotations.onnx"])
    expect(page.locator("#caution")).to_be_visible()
    expect(page.locator("#warnings")).to_contain_text("no longer known")
    assert (tmp_path / "annotations.onnx").exists()


def test_what_cannot_be_saved_is_said_and_kept(tab, annotate, tmp_path):
    address = annotate()
    page, other = opened(tab(address)), opened(tab(address))
    press(page, "m", "Shift+ArrowRight", "m")
    expect_saved(page, 1)
    press(other, "m", "ArrowRight", "m")
    expect(other.locator("#state-text")).to_contain_text("not saved: another page has changed", timeout=LONG_MS)
    expect(other.locator("#segments li")).to_have_count(1)
    (tmp_path / "annotations.csv").write_text("path,start,end,label\nother.mp4,1,2,sit\n")
    press(page, "ArrowLeft", "x")
    expect(page.locator("#state-text")).to_contain_text("somebody else has changed", timeout=LONG_MS)
    assert "other.mp4" in (tmp_path / "annotations.csv").read_text()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    press(opened(page), "m", "ArrowRight", "m")
    expect_saved(page, 1)
    assert saved(tmp_path) == [(1.0, 2.0, "sit"), (0.0, 0.1, "raising both arms")]


def test_it_goes_on_after_answers_that_break_off(tab, annotate, tmp_path):
    page = opened(tab(annotate()))
    for path in ("segments", "frame?n=10", "state"):
        page.route(f"**/{path}", lambda route: route.fulfill(body="{", headers={"Content-Length": "9"}), times=1)
    press(page, "m", "Shift+ArrowRight", "m")
    expect(page.locator("#state-text")).to_contain_text("not saved: no connection", timeout=LONG_MS)
    press(page, "ArrowRight", "m", "ArrowRight", "m")
    expect_saved(page, 2)
    assert [label for *_, label in saved(tmp_path)] == ["raising both arms"] * 2
    expect(page.locator("#lost")).to_be_hidden(timeout=LONG_MS)


def test_pictures_follow_the_playhead(tab, annotate):
    page = opened(tab(annotate()))
    picture = page.locator("#picture")
    expect(picture).to_have_js_property("naturalWidth", FRAMES[0].size[1], timeout=LONG_MS)
    before = picture.get_attribute("src")
    press(page, "End", *["Shift+ArrowLeft"] * 2, "Space")
    expect(page.locator("#place")).to_contain_text("frame 59 of 60", timeout=LONG_MS)
    expect(page.locator("#do-play")).to_contain_text("Play")
    assert picture.get_attribute("src") != before
    box = page.get_by_role("slider").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
    expect(page.locator("#place")).to_contain_text("0:03.00 of")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "0:03.00")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("begin a segment of the class, and end it")


def test_only_the_newest_frame_is_asked_for(tab, annotate):
    page = opened(tab(annotate()))
    asked = []

    def hold_the_first(route):
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    page.route("**/frame?n=*", hold_the_first)
    press(page, *["ArrowRight"] * 10)
    expect(page.locator("#place")).to_contain_text("frame 10 of 60")
    with page.expect_response("**/frame?n=10"):
        asked[0].continue_()
    assert [route.request.url.partition("=")[2] for route in asked] == ["1", "10"]


def test_the_token_opens_the_page(tab, annotate):
    token = "correct-horse-battery"
    address = annotate(token=token)
    page = tab(address)
    expect(page.locator("#ask")).to_be_visible(timeout=LONG_MS)
    page.get_by_label("This page needs its token").fill(token)
    page.get_by_role("button", name="Show").click()
    opened(page)
    assert token not in opened(tab(f"{address}#token={token}")).url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(tab, annotate, scheme):
    page = opened(
        tab(
            annotate(classes=["unbroken" * 20, "a label " * 12]),
            viewport={"width": 360, "height": 740},
            color_scheme=scheme,
            is_mobile=True,
            has_touch=True,
        )
    )
    for name in ("Mark", "+1 s", "End"):
        page.get_by_role("button", name=name, exact=True).tap()
    expect_saved(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for button in page.locator("main button:visible").all():
        assert button.bounding_box()["height"] >= 40  # a finger's width
