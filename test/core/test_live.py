"""The server behind the live page: who may look, what they are told, and that nobody holds anybody up."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

aiohttp = pytest.importorskip("aiohttp")

from opendr_har_core import Frame
from opendr_har_core.errors import ConfigError, HarError, VideoError
from opendr_har_core.live.access import TRIES, Access
from opendr_har_core.live.board import LONGEST_TEXT, Board
from opendr_har_core.live.facts import LOST, PLAYING, ModelFacts
from opendr_har_core.live.pictures import encode
from opendr_har_core.live.player import Player
from opendr_har_core.live.server import LiveServer, most_connections
from opendr_har_core.live.settings import LiveSettings, live_settings
from opendr_har_core.live.viewers import MOST_MESSAGES
from opendr_har_core.prediction import Hypothesis

TOKEN = "correct-horse-battery"
OWN = {"Origin": "http://127.0.0.1"}


@pytest.fixture
def serve():
    """Start servers: serve(**settings) -> (board, port)."""
    started = []

    def start(**settings):
        board = Board("a camera", ModelFacts("a model"))
        server = LiveServer(LiveSettings(port=0, **settings), board)
        port = server.start()
        started.append(server)
        return board, port

    yield start
    for server in started:
        server.stop()


def get(port, path="/", data=None, **headers):
    """(status, text, headers) of a request."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def talk(port, work, **options):
    """What the coroutine function `work` makes of a socket to the server."""

    async def run():
        address = f"http://127.0.0.1:{port}/ws"
        async with aiohttp.ClientSession() as session, session.ws_connect(address, **options) as socket:
            return await asyncio.wait_for(work(socket), 20)

    return asyncio.run(run())


async def first(socket):
    return await socket.receive()


def test_the_page_comes_with_headers_that_leave_no_room_for_foreign_scripts(serve):
    _, port = serve()
    for path in ("/", "/page.js", "/page.css", "/timeline.js"):
        status, text, headers = get(port, path)
        assert (status, bool(text)) == (200, True)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    page = get(port)[1]
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert get(port, "/../server.py")[0] == 404
    assert get(port, "/%2e%2e/server.py")[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8642", 200),
        ("127.0.0.1", 200),
        ("[::1]:8642", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.168.0.7", 403),
        ("a b", 403),
    ],
)
def test_only_names_of_this_machine_are_answered(serve, host, status):
    _, port = serve()
    assert get(port, Host=host)[0] == status


def test_another_sites_page_gets_no_socket(serve):
    _, port = serve()
    for origin in ("http://evil.example", "null", f"http://localhost:{port}", "file://"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            talk(port, first, headers={"Origin": origin})
        assert refused.value.status == 403
    hello = talk(port, first, headers={"Origin": f"http://127.0.0.1:{port}"})
    assert json.loads(hello.data)["kind"] == "hello"


def test_who_has_no_token_is_told_nothing(serve):
    _, port = serve(token=TOKEN)
    message = talk(port, first)
    assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 1008, "token")
    assert get(port, "/token", b"wrong-horse-battery")[0] == 403
    assert get(port, "/token", TOKEN.encode(), Origin="http://evil.example")[0] == 403
    status, _, headers = get(port, "/token", TOKEN.encode())
    assert status == 204
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    hello = talk(port, first, headers={"Cookie": cookie.split(";")[0]})
    assert json.loads(hello.data)["kind"] == "hello"
    assert talk(port, first, headers={"Cookie": "opendr_har_live=" + "0" * 64}).data == 1008


def test_guessing_is_slow(serve):
    _, port = serve(token=TOKEN)
    answers = [get(port, "/token", b"guess")[0] for _ in range(TRIES + 2)]
    assert answers == [403] * TRIES + [429] * 2
    assert get(port, "/token", TOKEN.encode())[0] == 429  # even the right one, for a while
    assert get(port, "/token", b"x" * 5000)[0] == 413


def test_tokens_are_compared_without_telling_how_much_was_right(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    access = Access(LiveSettings(token=TOKEN))
    assert access.has_token(TOKEN, "here") is True
    assert access.has_token("ünfug", "here") is False
    assert len(compared) == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "robot.local"])
def test_an_address_that_others_can_reach_needs_a_token(host):
    with pytest.raises(ConfigError, match="needs a token"):
        LiveSettings(host=host)
    settings, made_up = live_settings(host, "")
    assert made_up
    assert len(settings.token) >= 16
    assert f"#token={settings.token}" in settings.url
    assert live_settings("127.0.0.1", "") == (LiveSettings(), False)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"port": 70000}, "port is 70000"),
        ({"max_viewers": 0}, "max_viewers is 0"),
        ({"token": "short"}, "16 or more"),
        ({"host": ""}, "host is empty"),
        ({"picture_hz": 0}, "picture_hz is 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, named):
    with pytest.raises(ConfigError, match=named):
        LiveSettings(**wrong)


def test_a_port_that_is_taken_is_said(serve):
    _, port = serve()
    with pytest.raises(HarError, match=f"can't be served on 127.0.0.1:{port}.*another port"):
        LiveServer(LiveSettings(port=port), Board("another")).start()


def test_viewers_are_told_what_was_and_what_comes(serve):
    board, port = serve()
    board.labels([Hypothesis(3, "before", 0.75)])

    async def watch(socket):
        hello = json.loads((await socket.receive()).data)
        board.labels([Hypothesis(4, "after", 0.5)], provisional=True)
        board.event("began", "after", 0.5, 0.0)
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


def test_pictures_are_encoded_only_while_somebody_looks_and_once_for_all(serve, monkeypatch):
    encoded = []
    monkeypatch.setattr("opendr_har_core.live.pictures.encode", lambda *given: encoded.append(given) or encode(*given))
    board, port = serve(picture_side=64)
    frame = Frame(np.full((120, 160, 3), 99, np.uint8), 0)
    assert not board.wants_pictures
    board.picture(frame)
    time.sleep(0.3)
    assert not encoded

    async def both(first_socket):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as second:
            await first_socket.receive(), await second.receive()
            assert board.wants_pictures
            board.picture(frame)
            return [await picture(socket) for socket in (first_socket, second)]

    async def picture(socket):
        while True:
            message = await socket.receive()
            if message.type == aiohttp.WSMsgType.BINARY:
                return message.data

    one, other = talk(port, both)
    assert one == other
    assert len(encoded) == 1
    assert cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)


def test_a_page_in_the_background_gets_no_pictures(serve):
    board, port = serve()

    async def hide(socket):
        await socket.receive()
        await socket.send_str("pictures off")
        while board.wants_pictures:
            await asyncio.sleep(0.01)
        await socket.send_str("pictures on")
        while not board.wants_pictures:
            await asyncio.sleep(0.01)

    talk(port, hide)


def test_more_viewers_than_allowed_are_sent_away_with_a_reason(serve):
    _, port = serve(max_viewers=1)

    async def second(socket):
        await socket.receive()
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws") as other:
            return await other.receive()

    message = talk(port, second)
    assert (message.data, message.extra) == (1013, "too many viewers")


def test_a_page_that_talks_too_much_or_too_long_is_sent_away(serve):
    _, port = serve()

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
    assert json.loads(talk(port, first).data)["kind"] == "hello"  # others are not bothered


def test_a_viewer_who_does_not_read_holds_nobody_up(serve):
    board, port = serve()

    async def ignore(socket):
        start = time.monotonic()
        for index in range(20_000):
            board.labels([Hypothesis(0, "x" * 200, 0.5)])
            if index % 1000 == 0:
                await asyncio.sleep(0)
        return time.monotonic() - start

    assert talk(port, ignore) < 10
    assert json.loads(talk(port, first).data)["kind"] == "hello"


def test_what_waits_for_a_slow_viewer_is_little(serve):
    """Not megabytes in the system's buffers: it should see what is now, once it can."""
    board, port = serve(picture_hz=60.0)
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    sock.sendall(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    until(lambda: board.wants_pictures)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for index in range(60):
        board.picture(Frame(noise, index))
        time.sleep(0.02)
    waiting, sent, end = 0, len(encode(Frame(noise, 0), 640, 75)) * 60, time.monotonic() + 1.5
    while waiting < sent and time.monotonic() < end:
        waiting += len(sock.recv(1 << 16))  # four times a second there is at least a status
    sock.close()
    assert sent > 10_000_000
    assert waiting < 1_500_000


def test_a_viewer_who_takes_nothing_but_seems_alive_is_let_go(serve):
    """Pings are answered unasked, so that only what waits for it tells that it is not there."""
    board, port = serve(max_viewers=1)
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 10)
    sock.sendall(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    until(lambda: board.is_watched)
    end = time.monotonic() + 20
    while board.is_watched and time.monotonic() < end:
        for _ in range(200):
            board.labels([Hypothesis(0, "x" * 290, 0.5)])
        with suppress(OSError):
            sock.sendall(b"\x8a\x80\0\0\0\0")  # a pong
        time.sleep(0.05)
    gone = not board.is_watched
    sock.close()
    assert gone
    assert json.loads(talk(port, first).data)["kind"] == "hello"


def test_connections_are_limited_and_free_again(serve):
    _, port = serve()
    most = most_connections(LiveSettings())
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(most + 40)]
    until(lambda: sum(has_ended(sock) for sock in sockets) == 40)
    assert not answers(port)
    for sock in sockets:
        sock.close()
    until(lambda: answers(port))


def has_ended(sock):
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


def test_pictures_are_not_deflated_for_each_viewer(serve):
    _, port = serve()

    async def negotiated(socket):
        return socket.compress

    assert not talk(port, negotiated, compress=15)


def test_what_is_no_number_ends_no_page():
    board = Board("a camera")
    board.labels([Hypothesis(0, "walking", float("nan"))])
    board.event("ended", "walking", float("inf"), 1.0)
    told = json.loads(board.hello(), parse_constant=pytest.fail)
    assert told["labels"][0]["top"] == [["walking", 0.0, 0]]


def test_long_names_are_cut():
    board = Board("s" * 1000)
    assert len(json.loads(board.hello())["status"]["source"]["name"]) == LONGEST_TEXT


class Echo:
    """Stands in for a Labelling: labels every frame."""

    def __init__(self):
        self.stream = SimpleNamespace(status=SimpleNamespace(phase="running", step=9, warm_up=3, slow_camera=False))
        self.resets = 0

    def push(self, frame):
        return SimpleNamespace(top=[Hypothesis(0, "walking", 0.9)], provisional=False), ()

    def reset(self):
        self.resets += 1
        return ()


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def status(board):
    return json.loads(board.status(0))


def test_a_source_that_fails_is_lost_and_tried_again():
    plugged = threading.Event()
    image = np.zeros((8, 8, 3), np.uint8)

    def source(_):
        if not plugged.is_set():
            raise VideoError("no such camera")
        for index in range(10_000):
            if broken.is_set():
                raise RuntimeError("a bug")
            yield Frame(image, index * 10_000_000)
            time.sleep(0.01)

    broken = threading.Event()
    board, labelling = Board("a camera"), Echo()
    player = Player("a camera", source, labelling, board, is_paced=False)
    player.start()
    try:
        until(lambda: status(board)["source"]["state"] == LOST)
        assert "no such camera" in status(board)["source"]["text"]
        plugged.set()
        until(lambda: status(board)["source"]["state"] == PLAYING)
        until(lambda: status(board)["numbers"]["rate_out"] > 10)
        assert labelling.resets >= 1
        broken.set()
        until(lambda: "a bug" in status(board)["source"]["text"])
        broken.clear()
        until(lambda: status(board)["source"]["state"] == PLAYING)
    finally:
        player.stop()


def test_a_file_is_played_at_its_own_pace():
    image = np.zeros((8, 8, 3), np.uint8)
    seen = []

    class Noting(Echo):
        def push(self, frame):
            seen.append((time.monotonic(), frame.stamp_ns))
            return super().push(frame)

    frames = [Frame(image, index * 100_000_000) for index in range(12)]
    player = Player("a file", lambda _: frames, Noting(), Board("a file"), is_paced=True)
    player.start()
    until(lambda: len(seen) >= 12)
    player.stop()
    assert seen[11][0] - seen[0][0] == pytest.approx(1.1, abs=0.3)
