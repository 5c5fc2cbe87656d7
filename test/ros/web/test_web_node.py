"""The web node over DDS: it shows what a recognizer publishes, and subscribes to images only while it has viewers."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import urllib.request
from urllib.parse import urlencode

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("opendr_har_msgs")
from opendr_har_msgs.action import Teach
from opendr_har_msgs.msg import Lesson
from opendr_har_msgs.srv import Forget, Lessons
from people_support import detection
from rclpy.action import ActionServer, CancelResponse
from recognizer_support import EVERY_FRAME, RELIABLE, Camera, Flood, clip
from vision_msgs.msg import Detection2DArray

from opendr_har_core import Recognizer
from opendr_har_ros.web.node import parse_number, parse_stream


class Page(threading.Thread):
    """A viewer without a browser that keeps what it receives."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self._port = port
        self.texts, self.pictures = [], []
        self.closing = threading.Event()
        self.start()

    def run(self):
        asyncio.run(self._watch())

    def send(self, **command):
        asyncio.run_coroutine_threadsafe(self._socket.send_str(json.dumps(command)), self._loop).result(10)

    async def _watch(self):
        address = f"http://127.0.0.1:{self._port}/ws"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            self._loop, self._socket = asyncio.get_running_loop(), socket
            while not self.closing.is_set():
                message = await socket.receive()
                if message.type == aiohttp.WSMsgType.BINARY:
                    self.pictures.append(message.data)
                elif message.type == aiohttp.WSMsgType.TEXT:
                    self.texts.append(json.loads(message.data))
                else:
                    return

    def of(self, kind):
        return [text for text in self.texts if text["kind"] == kind]

    def close(self):
        self.closing.set()
        self.join(10)


def source(page):
    """The source in the page's latest status."""
    return page.of("status")[-1]["source"] if page.of("status") else {"state": "", "text": ""}


def port_of(node):
    node.wait_for_output("the page is at")
    return int(re.search(r"http://127\.0\.0\.1:(\d+)/", node.output)[1])


def images_wanted(client):
    return client.node.count_subscribers("/image_raw")


def test_a_page_shows_a_recognizers_labels_images_and_numbers(client, start):
    start("recognizer", EVERY_FRAME)
    web = start("web", {"port": 0})
    port = port_of(web)
    with Flood(client):
        client.until(lambda: images_wanted(client) == 1, what="the recognizer's subscription")
        page = Page(port)
        client.until(lambda: images_wanted(client) == 2, what="a subscription for the page")
        client.until(lambda: page.of("labels") and page.pictures, what="a label and a picture")
        client.until(
            lambda: any(text["metrics"]["rate_out"] > 0 for text in page.of("status")), what="numbers of the recognizer"
        )
        (label, score, _) = page.of("labels")[-1]["top"][0]
        assert label
        assert 0 < score <= 1
        assert page.pictures[0].startswith(b"\xff\xd8")
        status = page.of("status")[-1]
        assert status["source"]["state"] == "playing"
        assert "/image_raw" in status["source"]["name"]
        told = page.of("hello") + page.of("model")
        spec = Recognizer.open("default").spec
        models = [text["model"] for text in told if text["model"]]
        assert any((m["name"], m["label_delay_sec"]) == (spec.name, round(spec.delay_sec, 1)) for m in models)
        page.close()
        client.until(lambda: images_wanted(client) == 1, what="the end of the page's subscription")
    assert web.interrupt() == 0


def test_a_page_shows_the_boxes_and_new_labels_of_people(client, start):
    publisher = client.node.create_publisher(Detection2DArray, "people/people", 10)
    page = Page(port_of(start("web", {"port": 0, "recognizer": "people"})))
    client.until(lambda: images_wanted(client) == 1, what="a subscription for the page")
    camera = Camera(client)
    camera.send(clip()[0])
    client.until(lambda: page.pictures, what="a picture")
    waving, bending = (detection((10, 20, 50, 100), "7", 0.75, name) for name in ("waving", "bending"))
    for item in (waving, waving, bending):  # the second message repeats the label
        publisher.publish(Detection2DArray(detections=[item]))
        client.spin(0.1)
    client.until(lambda: len(page.of("people")) == 3, what="people")
    assert page.of("people")[-1]["people"] == [{"track_id": "7", "box": [10.0, 20.0, 50.0, 100.0]}]
    assert tuple(page.of("people")[-1]["size"]) == clip()[0].size
    assert [(text["track_id"], text["top"][0][0]) for text in page.of("labels")] == [("7", "waving"), ("7", "bending")]
    page.close()


@pytest.mark.slow
def test_a_page_marks_provisional_labels(client, start, tiny_bundle):
    start("recognizer", {**RELIABLE, "model": tiny_bundle("cox3d", "none"), "min_frames": 1, "sampling": "every_frame"})
    camera = Camera(client)
    camera.wait_for_recognizer()  # before the page subscribes to the images, too
    page = Page(port_of(start("web", {"port": 0})))
    client.until(lambda: source(page)["state"], what="the recognizer's diagnostics")
    client.spin(3.0)  # the recognizer may not yet have seen the page's subscriptions
    for index, frame in enumerate(clip()[:4]):
        camera.send(frame)
        client.until(lambda index=index: len(page.of("labels")) > index, what="a label")
    assert [text["provisional"] for text in page.of("labels")] == [True] * 3 + [False]
    page.close()


@pytest.mark.slow
def test_a_recognizer_that_was_killed_is_lost_until_it_is_back(client, start):
    recognizer = start("recognizer", EVERY_FRAME)
    page = Page(port_of(start("web", {"port": 0})))
    with Flood(client):
        client.until(lambda: source(page)["state"] == "playing", what="the numbers of a recognizer that runs")
        recognizer.process.kill()
        client.until(lambda: "is silent" in source(page)["text"], what="the loss")
        assert source(page)["state"] == "lost"
        start("recognizer", EVERY_FRAME)
        client.until(lambda: source(page)["state"] == "playing", what="the return")
    page.close()


class Pupil:
    """What a recognizer that can be taught offers, in the test's own process."""

    def __init__(self, client):
        self.client, self.goals, self.taught, self.refusal = client, [], [], ""
        node = client.node
        self._servers = [
            ActionServer(node, Teach, "recognizer/teach", self._teach, cancel_callback=lambda _: CancelResponse.ACCEPT),
            node.create_service(Forget, "recognizer/forget", self._forget),
            node.create_service(Lessons, "recognizer/lessons", self._list),
        ]

    async def _teach(self, goal):
        self.goals.append(goal.request)
        goal.publish_feedback(Teach.Feedback(state="recording", seconds=1.0, quality="too dark"))
        if goal.request.label == "endless":
            while not goal.is_cancel_requested:
                await pause()
            goal.canceled()
            return Teach.Result(message="canceled")
        if self.refusal:
            goal.abort()
            return Teach.Result(message=self.refusal)
        self.taught.append(Lesson(label=goal.request.label, id=f"id {len(self.goals)}", thumbnail=b"a jpeg"))
        goal.succeed()
        return Teach.Result(success=True, message="learned", warnings=["show two more"])

    def _forget(self, request, response):
        self.taught = [each for each in self.taught if each.label != request.label or request.id not in ("", each.id)]
        response.success = True
        return response

    def _list(self, request, response):
        response.success, response.lessons = True, self.taught if request.thumbnails else []
        return response

    def close(self):
        for server in self._servers[1:]:
            self.client.node.destroy_service(server)
        self._servers[0].destroy()


class pause:  # noqa: N801
    """Lets the executor do something else."""

    def __await__(self):
        yield


def test_a_recognizer_is_taught_from_the_page(client, start):
    page = Page(port_of(web := start("web", {"port": 0, "camera": "left"})))
    client.until(lambda: page.of("hello"), what="the page")
    assert page.of("hello")[0]["taught"] is None
    pupil = Pupil(client)
    client.until(lambda: page.of("lessons"), what="the recognizer's lessons")

    def end_of(command):
        page.texts.clear()
        page.send(**command)
        return client.until(
            lambda: next((text for text in page.of("teaching") if text["phase"] == "idle"), None), what="the end"
        )

    lesson = {"do": "teach", "label": "挥手 <b>", "seconds": 4, "track_id": "7"}
    end = end_of(lesson)
    assert (end["text"], end["warnings"], end["is_failed"]) == ("learned", ["show two more"], False)
    (goal,) = pupil.goals
    assert (goal.label, goal.seconds, goal.camera, goal.track_id) == ("挥手 <b>", 4.0, "left", "7")
    assert page.of("lessons")[-1]["taught"]["lessons"] == [["挥手 <b>", "id 1"]]
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port_of(web)}/thumbnail?{urlencode({'label': '挥手 <b>', 'id': 'id 1'})}", timeout=10
    ) as answer:
        assert answer.read() == b"a jpeg"
    pupil.refusal = "nothing moves in the images"
    assert end_of(lesson)["text"] == pupil.refusal
    page.send(**{**lesson, "label": "endless"})
    client.until(lambda: len(pupil.goals) == 3, what="the lesson")
    client.until(lambda: page.of("teaching")[-1]["text"] == "too dark", what="its progress")
    assert page.of("teaching")[-1]["left_sec"] == 3.0
    end = end_of({"do": "cancel"})
    assert "cancelled" in end["text"]
    end_of({"do": "undo"})
    assert page.of("lessons")[-1]["taught"]["lessons"] == []
    pupil.close()
    client.until(lambda: page.of("lessons")[-1]["taught"] is None, what="the end of teaching")
    page.close()


@pytest.mark.slow
def test_a_lesson_of_the_page_is_on_the_topic_and_after_kill_9_still_known(client, start, tmp_path):
    parameters = {**EVERY_FRAME, "lessons": str(tmp_path / "lessons")}
    recognizer = start("recognizer", parameters)
    page = Page(port_of(start("web", {"port": 0})))
    with Flood(client):
        client.until(lambda: page.of("lessons"), what="the recognizer's lessons")
        page.send(do="teach", label="hello", seconds=3, track_id="")
        end = client.until(
            lambda: next((text for text in page.of("teaching") if text["text"] and text["phase"] == "idle"), None),
            60.0,
            "the end of the lesson",
        )
        assert "learned 'hello' from 1 example" in end["text"]
        client.until(lambda: page.of("labels")[-1]["top"][0][0] == "hello", what="the label")
        recognizer.process.kill()
        client.until(lambda: source(page)["state"] == "lost", what="the loss")
        page.texts.clear()
        start("recognizer", parameters)
        client.until(
            lambda: page.of("labels") and page.of("labels")[-1]["top"][0][0] == "hello",
            60.0,
            "the label after a restart",
        )
    page.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0", "token": "short"}, "16 or more"),
        pytest.param({"transport": "pigeons"}, "expected one of", marks=pytest.mark.slow),
        ({"host": "not.an.address.invalid", "token": "correct-horse-battery"}, "can't be served"),
    ],
)
def test_a_page_that_cannot_be_served_is_reported_in_one_line_with_exit_code_2(start, given, said):
    node = start("web", given)
    assert node.wait() == 2
    assert said in node.output


def test_an_address_for_others_is_printed_with_a_token_that_is_not_logged(start):
    node = start("web", {"host": "0.0.0.0", "port": 0})
    node.wait_for_output("#token=")
    assert "the page is at http://127" not in node.output
    assert not [line for line in node.output.splitlines() if "[INFO]" in line and "token" in line]
    assert node.interrupt() == 0


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "many", "", None])
def test_diagnostic_values_that_are_not_numbers_are_zero(text):
    assert parse_number(text) == 0.0


@pytest.mark.parametrize("text", ["warming \u00b2/3", "warming 1/" + "9" * 5000, "warming /", "running", ""])
def test_a_stream_that_is_not_warming_up_is_none(text):
    assert parse_stream(text) is None
