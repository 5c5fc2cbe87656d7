"""Access to the live page: host names, origins, tokens."""

from __future__ import annotations

import json

import pytest

aiohttp = pytest.importorskip("aiohttp")

from live_support import first, get, talk

from opendr_har_core.errors import HarError
from opendr_har_core.live.access import TRIES, Access, LiveSettings
from opendr_har_core.live.server import LiveServer
from opendr_har_core.live.state import LiveState

TOKEN = "correct-horse-battery"


def test_the_page_forbids_foreign_scripts(serve_page):
    _, port = serve_page()
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
def test_only_names_of_this_machine_are_answered(serve_page, host, status):
    _, port = serve_page()
    assert get(port, Host=host)[0] == status


def test_the_page_of_another_site_gets_no_socket(serve_page):
    _, port = serve_page()
    for origin in ("http://evil.example", "null", f"http://localhost:{port}", "file://"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            talk(port, first, headers={"Origin": origin})
        assert refused.value.status == 403
    hello = talk(port, first, headers={"Origin": f"http://127.0.0.1:{port}"})
    assert json.loads(hello.data)["kind"] == "hello"


def test_viewers_without_the_token_get_nothing(serve_page):
    _, port = serve_page(token=TOKEN)
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
    name = cookie.partition("=")[0]
    assert talk(port, first, headers={"Cookie": f"{name}={'0' * 64}"}).data == 1008


def test_a_viewer_of_two_pages_of_a_machine_stays_one_of_both(serve_page):
    ports = [serve_page(token=TOKEN + mark)[1] for mark in "12"]
    jar = {}
    for port, mark in zip(ports, "12"):
        cookie = get(port, "/token", (TOKEN + mark).encode())[2]["Set-Cookie"].split(";")[0]
        jar.update([cookie.split("=")])
    for port in ports:
        hello = talk(port, first, headers={"Cookie": "; ".join(map("=".join, jar.items()))})
        assert json.loads(hello.data)["kind"] == "hello"


def test_guessing_tokens_is_slow(serve_page):
    _, port = serve_page(token=TOKEN)
    answers = [get(port, "/token", b"guess")[0] for _ in range(TRIES + 2)]
    assert answers == [403] * TRIES + [429] * 2
    assert get(port, "/token", TOKEN.encode())[0] == 429  # even the right one, for a while
    assert get(port, "/token", b"x" * 5000)[0] == 413


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    access = Access(LiveSettings(token=TOKEN))
    assert [access.has_token(token, "here") for token in (TOKEN, "ünfug")] == [True, False]
    assert len(compared) == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "robot.local"])
def test_an_address_that_others_can_reach_gets_a_token(host):
    settings = LiveSettings(host=host)
    assert len(settings.token) >= 16
    assert f"#token={settings.token}" in settings.url
    assert not {"127.0.0.1", "localhost", "0.0.0.0"} & set(settings.url.split("/")[2].split(":"))
    assert LiveSettings(host=host, token=TOKEN).token == TOKEN
    assert LiveSettings().token == ""


def test_a_port_in_use_and_a_host_that_is_none_are_errors(serve_page):
    _, port = serve_page()
    with pytest.raises(HarError, match=f"can't be served on 127.0.0.1:{port}.*another port"):
        LiveServer(LiveSettings(port=port), LiveState("another")).start()
    with pytest.raises(HarError, match=r"can't be served on \.\.:0"):
        LiveServer(LiveSettings(host="..", port=0), LiveState("another")).start()
