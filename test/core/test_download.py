"""Downloads against a real HTTP server on this machine that misbehaves on purpose."""

from __future__ import annotations

import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opendr_har_core.download import download_weights, fetch
from opendr_har_core.errors import ConfigError, DownloadError


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("weights", bytes(range(256)) * 2000)
    return buffer.getvalue()


class Server:
    """Serves `content`; `cuts` says after how many bytes to drop the next connections; `status` is an error to give."""

    def __init__(self):
        self.content, self.cuts, self.status, self.ranges = archive(), [], None, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/x3d_{{size}}.pyth"

    def answer(self, request):
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        if self.status:
            request.send_error(self.status)
            return
        start = int(asked.split("=")[1].rstrip("-")) if asked else 0
        body = self.content[start:]
        request.send_response(206 if asked else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def test_a_file_arrives_whole_with_its_progress(server, tmp_path):
    seen = []
    path = download_weights("xs", tmp_path, lambda done, total: seen.append((done, total)), url=server.url)
    assert path.read_bytes() == server.content
    assert path.name == "x3d_xs.pyth"
    assert seen[-1] == (len(server.content), len(server.content))


def test_a_dropped_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cuts = [1000, 50_000]
    path = download_weights("s", tmp_path, url=server.url)
    assert path.read_bytes() == server.content
    assert server.ranges == [None, "bytes=1000-", "bytes=51000-"]


def test_an_interrupted_download_is_not_taken_for_a_file_and_goes_on_later(server, tmp_path):
    server.cuts = [1000]
    with pytest.raises(DownloadError, match="after 1 attempts: got 1000 of"):
        fetch(server.url, tmp_path / "x3d_xs.pyth", attempts=1)
    assert [file.name for file in tmp_path.iterdir()] == ["x3d_xs.pyth.part"]
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content
    assert server.ranges[-1] == "bytes=1000-"


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    download_weights("xs", tmp_path, url=server.url)
    download_weights("xs", tmp_path, url=server.url)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusing_server_is_an_error_that_says_so(server, tmp_path, status):
    server.status = status
    with pytest.raises(DownloadError, match=str(status)):
        fetch(server.url, tmp_path / "x3d_xs.pyth", attempts=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"<html>log in first</html>", b"PK\x03\x04 broken"])
def test_damaged_content_is_removed_and_reported(server, tmp_path, content):
    server.content = content
    with pytest.raises(DownloadError, match="damaged"):
        download_weights("xs", tmp_path, url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_size_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'xl'"):
        download_weights("xl", tmp_path)
