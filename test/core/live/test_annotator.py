"""A recording that is annotated, its models and its server, without a browser."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("rosbags")
from bag_cases import FRAMES, write_bag
from live_support import get, until

from opendr_har_core import Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.errors import DataError, VideoError
from opendr_har_core.live.access import LiveSettings
from opendr_har_core.live.annotator import Annotator
from opendr_har_core.live.annotator_server import AnnotatorServer
from opendr_har_core.media.video import write_video
from opendr_har_core.recordings.label_video import label_video
from opendr_har_core.recordings.segment_table import Marked

RAISE, WALK = Marked(0.0, 3.0, "raising both arms"), Marked(3.0, 6.0, "walking")


@pytest.fixture(scope="module")
def models():
    return {"default": Recognizer.open("default")}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp("bags") / "scene")


@pytest.fixture
def annotate(tmp_path, bag):
    """Start annotators: annotate(models={}, recording=bag, label=label_video) -> Annotator of annotations.csv."""
    started = []

    def start(models=None, recording=bag, label=label_video):
        classes = ["raising both arms", "walking"]
        started.append(Annotator(recording, None, tmp_path / "annotations.csv", classes, models or {}, label))
        return started[-1]

    yield start
    for annotator in started:
        annotator.stop()


def write(annotator, *segments):
    return annotator.write(annotator.state()["revision"], segments)


def finished(annotator, count=1):
    def is_done():
        rows = annotator.state()["rows"]
        return len(rows) == count and all(row["phase"] in ("ready", "failed") for row in rows)

    until(is_done, 60)
    return annotator.state()["rows"]


def test_a_page_learns_about_the_recording(annotate):
    annotator = annotate()
    write(annotator, RAISE)
    hello = annotator.hello()
    assert (hello["duration"], len(hello["times"]), hello["times"][:3]) == (6.0, 60, [0.0, 0.1, 0.2])
    assert hello["segments"] == (RAISE,)
    picture = cv2.imdecode(np.frombuffer(annotator.picture(31), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(picture.astype(int) - FRAMES[31].rgb).mean() < 6
    assert annotator.picture(31) == annotator.picture(31)
    with pytest.raises(VideoError):
        annotator.picture(60)


def test_a_page_that_is_opened_gets_what_others_have_written(annotate, tmp_path):
    annotator = annotate()
    old = write(annotator, RAISE)["revision"]
    (tmp_path / "annotations.csv").write_text("path,start,end,label\nelsewhere.mp4,1,2,sit\n")
    with pytest.raises(DataError, match="somebody else"):
        write(annotator, WALK)
    hello = annotator.hello()
    assert hello["segments"] == ()
    with pytest.raises(DataError, match="another page"):
        annotator.write(old, [WALK])
    annotator.write(hello["revision"], [WALK])
    assert "elsewhere.mp4" in (tmp_path / "annotations.csv").read_text()


@pytest.mark.parametrize("kind", ["bag", "video"])
def test_figures_equal_those_of_the_score_command(annotate, models, kind, bag, tmp_path, capsys):
    recording = bag if kind == "bag" else write_video(tmp_path / "scene.mp4", FRAMES, 10.0)
    annotator = annotate(models, recording)
    write(annotator, RAISE._replace(end=2.5), Marked(4.0, 6.0, "Walking"))
    (row,) = finished(annotator)
    labels = label_video(models["default"], recording)
    labels.write_json(tmp_path / "scene.labels.json")
    truth = str(tmp_path / "annotations.csv")
    assert main(["score", str(tmp_path / "scene.labels.json"), "--truth", truth, "--json", "--quiet"]) == 0
    assert row["figures"] == json.loads(capsys.readouterr().out)["overall"]
    assert row["figures"]["accuracy"] > 20
    assert [item[2] for item in row["segments"]] == [item.label for item in labels.segments]
    assert write(annotator)["rows"][0]["figures"] is None


def test_segments_teach_a_bundle_that_labels_the_recording(annotate, models, bag, tmp_path):
    annotator = annotate(models)
    with pytest.raises(DataError, match="nothing to teach"):
        annotator.teach()
    write(
        annotator,
        RAISE._replace(label="first half"),
        WALK._replace(label="second half", end=5.95),
        Marked(5.95, 6.0, "x"),
    )
    annotator.teach()
    with pytest.raises(DataError, match="wait"):
        annotator.teach()
    _, row = finished(annotator, 2)
    until(lambda: annotator.state()["teaching"]["phase"] == "ready")
    teaching = annotator.state()["teaching"]
    assert "first half (1), second half (1)" in teaching["text"]
    assert any("'x' from 5.95 to 6.0 s is too short" in text for text in teaching["warnings"])
    assert (row["name"], row["is_taught"]) == ("annotations.onnx", True)
    assert {item[2] for item in row["segments"]} <= {"first half", "second half"}
    taught = Recognizer.open(tmp_path / "annotations.onnx")
    assert set(taught.labels) == {"first half", "second half"}
    assert [item.label for item in label_video(taught, bag).segments] == [i[2] for i in row["segments"]]


def test_an_image_that_is_not_later_than_the_one_before_does_not_cut_an_example(annotate, models, tmp_path):
    def jump(message, index):
        message.header.stamp.sec -= 2 * (index == 29)

    annotator = annotate(models, write_bag(tmp_path / "bag", change=jump))
    write(annotator, Marked(1.5, 3.0, "walk"))
    annotator.teach()
    until(lambda: annotator.state()["teaching"]["phase"] != "working", 60)
    assert "has learned walk (1)" in annotator.state()["teaching"]["text"]


def test_a_model_that_fails_is_a_row_with_the_reason(annotate, models):
    def label(*_, **__):
        raise DataError("the recording is too short")

    (row,) = finished(annotate(models, label=label))
    assert (row["phase"], row["text"]) == ("failed", "the recording is too short")


@pytest.fixture
def serve(annotate):
    started = []

    def start(annotator, **settings):
        started.append(AnnotatorServer(LiveSettings(port=0, **settings), annotator))
        return started[-1].start()

    yield start
    for server in started:
        server.stop()


def test_the_server_shows_and_saves(annotate, serve):
    annotator = annotate()
    port = serve(annotator)
    hello = json.loads(get(port, "/session")[1])
    body = {"revision": hello["revision"], "segments": [WALK]}
    status, text, _ = get(port, "/segments", json.dumps(body).encode())
    assert (status, json.loads(text)["segments"]) == (200, [list(WALK)])
    assert json.loads(get(port, "/state")[1])["revision"] == annotator.state()["revision"]
    assert get(port, "/segments", json.dumps(body).encode())[:2] == (
        409,
        "another page has changed the segments; reload this page to go on with them",
    )
    parts = ("[1, 2]", '["1", 2, "a"]', '[true, 2, "a"]', "[0, 1, null]", '[0, 1, ["a"]]', f'[0, 1{"0" * 400}, "a"]')
    for wrong in ("", "[]", "{}", "[" * 100_000, *(f'{{"revision": "", "segments": [{part}]}}' for part in parts)):
        assert get(port, "/segments", wrong.encode())[0] == 400
    assert get(port, "/segments", b"\xff")[0] == 400
    for wrong in ("", "?n=", "?n=-1", "?n=1.5", "?n=x", "?n=" + "9" * 50):
        assert get(port, f"/frame{wrong}")[0] == 400
    assert get(port, "/frame?n=60")[0] == 409
    assert get(port, "/teach", b"")[0] == 409
    assert get(port, "/segments", b"x" * (5 << 20))[0] == 413


def test_the_server_answers_only_its_viewers(annotate, serve):
    port = serve(annotate(), token="correct-horse-battery")
    assert get(port)[0] == 200
    for path, data in (
        ("/session", None),
        ("/state", None),
        ("/frame?n=0", None),
        ("/segments", b"{}"),
        ("/teach", b""),
    ):
        assert get(port, path, data)[:2] == (403, "the token is missing")
        assert get(port, path, data, Host="evil.example")[0] == 403
    cookie = get(port, "/token", b"correct-horse-battery")[2]["Set-Cookie"].split(";")[0]
    status, _, headers = get(port, "/state", Cookie=cookie)
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert get(port, "/teach", b"", Cookie=cookie, Origin="http://evil.example")[:2] == (
        403,
        "request from another site",
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--to", "a.txt"], "expected a file named"),
        (["--to", "missing/a.csv"], "can't be written"),
        (["--to", "a.csv", "--model", "none"], "name the classes"),
        (["--to", "a.csv", *["--model", "default"] * 3], "at most 2"),
        (["--to", "a.csv", "--classes", "wave,,walk"], "non-empty"),
        (["--to", "a.csv", "--topic", "/nothing"], "no topic '/nothing'"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, reason, bag, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["annotate", str(bag), "--port", "0", *arguments]) != 0
    assert reason in capsys.readouterr().err
