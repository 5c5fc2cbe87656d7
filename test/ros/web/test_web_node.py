"""The web node over DDS: it shows what a recognizer publishes, and asks for images only while somebody looks."""

from __future__ import annotations

import asyncio
import json
import re
import threading

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
aiohttp = pytest.importorskip("aiohttp")
from recognizer_support import RELIABLE, Camera, Flood, clip

from opendr_har_core import Recognizer
from opendr_har_ros.web.parameters import WEB


class Page(threading.Thread):
    """A viewer without a browser: keeps what it is told until it is closed."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self._port = port
        self.texts, self.pictures = [], []
        self.closing = threading.Event()
        self.start()

    def run(self):
        asyncio.run(self._watch())

    async def _watch(self):
        address = f"http://127.0.0.1:{self._port}/ws"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
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
    """What the page was told last of the source."""
    return page.of("status")[-1]["source"] if page.of("status") else {"state": "", "text": ""}


def port_of(node):
    node.wait_for_output("the page is at")
    return int(re.search(r"http://127\.0\.0\.1:(\d+)/", node.output)[1])


def images_wanted(client):
    return client.node.count_subscribers("/image_raw")


def test_a_page_shows_labels_pictures_and_numbers_of_a_recognizer(client, start):
    start("recognizer", {"image_qos": "reliable", "sampling": "every_frame"})
    web = start("web", {"port": 0})
    port = port_of(web)
    with Flood(client):
        client.until(lambda: images_wanted(client) == 1, what="the recognizer's subscription")
        page = Page(port)
        client.until(lambda: images_wanted(client) == 2, what="a subscription for the page")
        client.until(lambda: page.of("labels") and page.pictures, what="a label and a picture")
        client.until(
            lambda: any(text["numbers"]["rate_out"] > 0 for text in page.of("status")), what="numbers of the recognizer"
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
    assert "Traceback" not in web.output


def test_a_page_marks_provisional_labels(client, start, tiny_bundle):
    start("recognizer", {**RELIABLE, "model": tiny_bundle("cox3d", "none"), "min_frames": 1, "sampling": "every_frame"})
    page = Page(port_of(start("web", {"port": 0})))
    camera = Camera(client)
    camera.wait_for_recognizer()
    client.until(lambda: source(page)["state"], what="the recognizer's diagnostics")
    client.spin(0.5)  # the recognizer may not yet have seen the page's subscriptions
    for index, frame in enumerate(clip()[:4]):
        camera.send(frame)
        client.until(lambda index=index: len(page.of("labels")) > index, what="a label")
    assert [text["provisional"] for text in page.of("labels")] == [True] * 3 + [False]
    page.close()


def test_a_recognizer_that_is_gone_is_said_and_one_that_comes_back_is_shown(client, start):
    recognizer = start("recognizer", {"image_qos": "reliable", "sampling": "every_frame"})
    page = Page(port_of(start("web", {"port": 0})))
    with Flood(client):
        client.until(lambda: source(page)["state"] == "playing", what="the numbers of a recognizer that runs")
        recognizer.process.kill()
        client.until(lambda: "nothing is heard" in source(page)["text"], what="the loss")
        assert source(page)["state"] == "lost"
        start("recognizer", {"image_qos": "reliable", "sampling": "every_frame"})
        client.until(lambda: source(page)["state"] == "playing", what="the return")
    page.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0", "token": "short"}, "16 or more"),
        ({"port": -1}, "port"),
        ({"transport": "pigeons"}, "expected one of"),
        ({"host": "not.an.address.invalid", "token": "correct-horse-battery"}, "can't be served"),
    ],
)
def test_what_can_not_be_served_is_one_line_and_code_2(start, given, said):
    node = start("web", given)
    assert node.wait() == 2
    assert said in node.output
    assert "Traceback" not in node.output


def test_an_address_for_others_gets_a_token_that_is_printed_and_not_logged(start):
    node = start("web", {"host": "0.0.0.0", "port": 0})
    node.wait_for_output("#token=")
    assert not [line for line in node.output.splitlines() if "[INFO]" in line and "token" in line]
    assert node.interrupt() == 0


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "many", "", None])
def test_numbers_that_are_none_are_zero(text):
    from opendr_har_ros.web.node import _number

    assert _number(text) == 0.0


def test_its_parameter_file_has_all_parameters_with_their_defaults():
    from pathlib import Path

    import yaml

    text = (Path(__file__).resolve().parents[3] / "config" / "web.yaml").read_text()
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert values == {parameter.name: parameter.default for parameter in WEB}
    for parameter in WEB:
        assert f"# {parameter.description}" in text
