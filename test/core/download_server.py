"""A real HTTP server on this machine that misbehaves on purpose."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("weights", bytes(range(256)) * 2000)
    return buffer.getvalue()


class Server:
    """Serves `content`, or an error `status`.

    `cuts` are the numbers of bytes after which the next connections are dropped; the first `stalls` connections become
    silent after 1000 bytes; with `pause_sec` content comes in small pieces; without `resumes` always from the
    beginning; without `announces` without its length.
    """

    def __init__(self):
        self.content, self.cuts, self.status, self.ranges = archive(), [], None, []
        self.stalls, self.pause_sec, self.resumes, self.announces = 0, 0.0, True, True
        self.released = threading.Event()
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
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.resumes else 0
        if start >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            request.end_headers()
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        if self.announces:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.stalls:
            self.stalls -= 1
            request.wfile.write(body[:1000])
            self.released.wait(20)
        elif self.pause_sec:
            for offset in range(0, len(body), 100_000):
                request.wfile.write(body[offset : offset + 100_000])
                time.sleep(self.pause_sec)
        else:
            request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)

    def close(self):
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
