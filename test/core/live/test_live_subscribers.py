"""Messages and pictures to the viewers of the live page; slow viewers delay nobody."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import suppress

import cv2
import numpy as np
import pytest

aiohttp = pytest.importorskip("aiohttp")

from live_support import first, get, talk, until

from opendr_har_core import Frame
from opendr_har_core.live.state import LiveState
from opendr_har_core.live.subscribers import MOST_MESSAGES, encode
from opendr_har_core.prediction import Hypothesis


def test_viewers_get_the_history_and_updates(serve_page):
    state, port = serve_page()
    state.push_labels([Hypothesis(3, "before", 0.75)])

    async def watch(socket):
        hello = json.loads((await socket.receive()).data)
        state.push_labels([Hypothesis(4, "after", 0.5)], provisional=True)
        state.push_event("began", "after", 0.5, 0.0)
        found = {}
        while not {"labels", "event", "status"} <= set(found):
            message = await socket.receive()
            if message.type == aiohttp.WSMsgType.TEXT:
                value = json.loads(message.data)
                found[value["kind"]] = value
        return hello, found

    hello, found = talk(port, watch)
    assert [item["top"] for item in hello["labels"]] == [[["before", 0.75, 3]]]
    assert (found["labels"]["top"], found["labels"]["provisional"]) == ([["after", 0.5, 4]], True)
    assert (found["event"]["event"], found["event"]["label"]) == ("began", "after")
    assert found["status"]["viewers"] == 1


def test_pictures_are_encoded_once_for_all_viewers_and_only_for_viewers(serve_page, monkeypatch):
    encoded = []
    module = "opendr_har_core.live.subscribers"
    monkeypatch.setattr(f"{module}.encode", lambda *given: encoded.append(given) or encode(*given))
    state, port = serve_page(picture_side=64)
    assert not state.wants_pictures

    async def both(one):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as other:
            await one.receive(), await other.receive()
            assert state.wants_pictures
            state.push_frame(Frame(np.full((120, 160, 3), 99, np.uint8), 0))
            return [await picture(socket) for socket in (one, other)]

    async def picture(socket):
        while True:
            message = await socket.receive()
            if message.type == aiohttp.WSMsgType.BINARY:
                return message.data

    one, other = talk(port, both)
    assert one == other
    assert len(encoded) == 1
    assert cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)


def test_a_page_in_the_background_gets_no_pictures(serve_page):
    state, port = serve_page()

    async def hide(socket):
        await socket.receive()
        await socket.send_str("pictures off")
        while state.wants_pictures:
            await asyncio.sleep(0.01)
        await socket.send_str("pictures on")
        while not state.wants_pictures:
            await asyncio.sleep(0.01)

    talk(port, hide)


def test_too_many_viewers_are_refused_with_a_reason(serve_page):
    _, port = serve_page(max_viewers=1)

    async def second(socket):
        await socket.receive()
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as other:
            return await other.receive()

    message = talk(port, second)
    assert (message.data, message.extra) == (1013, "too many viewers")


def test_a_page_that_sends_too_much_is_disconnected(serve_page):
    _, port = serve_page()

    async def chatter(socket):
        for _ in range(MOST_MESSAGES + 5):
            await socket.send_str("hello")
        return await closed(socket)

    async def lecture(socket):
        await socket.send_str("x" * 10_000)
        return await closed(socket)

    async def closed(socket):
        while True:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return socket.close_code

    assert talk(port, chatter) == 1008
    assert talk(port, lecture) == 1009
    assert json.loads(talk(port, first).data)["kind"] == "hello"


def slow_viewer(port, buffer_bytes):
    """A WebSocket that does not read, with a small receive buffer."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    sock.sendall(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return sock


def test_little_waits_for_a_slow_viewer(serve_page):
    state, port = serve_page(picture_hz=60.0)
    sock = slow_viewer(port, 16 << 10)
    until(lambda: state.wants_pictures)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for index in range(60):
        state.push_frame(Frame(noise, index))
        time.sleep(0.02)
    waiting, sent, end = 0, len(encode(Frame(noise, 0), 640)) * 60, time.monotonic() + 1.5
    while waiting < sent and time.monotonic() < end:
        waiting += len(sock.recv(1 << 16))  # there are four status messages per second
    sock.close()
    assert sent > 10_000_000
    assert waiting < 1_500_000


def test_a_viewer_that_answers_pings_but_reads_nothing_is_disconnected(serve_page):
    state, port = serve_page(max_viewers=1)
    sock = slow_viewer(port, 4 << 10)
    until(lambda: state.is_watched)
    end = time.monotonic() + 20
    while state.is_watched and time.monotonic() < end:
        for _ in range(200):
            state.push_labels([Hypothesis(0, "x" * 290, 0.5)])
        with suppress(OSError):
            sock.sendall(b"\x8a\x80\0\0\0\0")  # a pong
        time.sleep(0.05)
    gone = not state.is_watched
    sock.close()
    assert gone
    assert json.loads(talk(port, first).data)["kind"] == "hello"


def ended(sock):
    """Whether the server has closed the connection."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def answers(port):
    with suppress(OSError):
        return get(port)[0] == 200
    return False


def test_connections_are_limited(serve_page):
    _, port = serve_page()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(132)]
    until(lambda: sum(map(ended, sockets)) == 40)  # 60, and 4 for each of 8 viewers, stay
    assert not answers(port)
    for sock in sockets:
        sock.close()
    until(lambda: answers(port))


def test_the_page_continues_after_an_unexpected_error(serve_page, monkeypatch, caplog):
    _, port = serve_page()
    status, failures = LiveState.status, iter([RuntimeError("out of order")])

    def fail_once(self, viewers):
        for error in failures:
            raise error
        return status(self, viewers)

    async def next_kind(socket):
        await socket.receive()  # hello
        return json.loads((await socket.receive()).data)["kind"]

    monkeypatch.setattr(LiveState, "status", fail_once)
    assert talk(port, next_kind) == "status"
    assert "the live page continues after an error" in caplog.text
