"""Serves the page and what a board says, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from pathlib import Path
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, Awaitable, Callable, Optional

from aiohttp import WSCloseCode, web

from opendr_har_core.errors import HarError
from opendr_har_core.live.access import Access
from opendr_har_core.live.connections import LimitedRunner, most_connections
from opendr_har_core.live.jpeg import Pictures
from opendr_har_core.live.settings import LiveSettings
from opendr_har_core.live.state import Board
from opendr_har_core.live.subscribers import LONGEST_MESSAGE, Viewer, Viewers
from opendr_har_core.streaming.stream import AnyFrame

PAGE = Path(__file__).parent / "page"
FILES = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/timeline.js": "timeline.js"}
COOKIE = "opendr_har_live"
STATUS_HZ = 4.0
# A picture or two.
ON_THE_WAY_BYTES = 64 << 10
LONGEST_FORM = 1024
START_SEC, STOP_SEC, AGAIN_SEC = 10.0, 5.0, 1.0
LOG = logging.getLogger(__name__)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LiveServer:
    """The audience of one board; `start` returns when the page can be opened."""

    def __init__(self, settings: LiveSettings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._access = Access(settings)
        self._viewers = Viewers()
        self._pictures = Pictures(settings, self._viewers.show)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._ended: Optional[asyncio.Event] = None
        self._started: Future = Future()
        self._thread = threading.Thread(target=self._run, name="live page", daemon=True)

    def start(self) -> int:
        """Bind and return the port; raises HarError where that fails."""
        self._thread.start()
        try:
            port: int = self._started.result(START_SEC)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise HarError(f"the page can't be served on {where}: {error}; choose another port, 0 takes any") from None
        self._board.attach(self)
        return port

    def stop(self) -> None:
        """Send everybody away and end."""
        self._board.attach(None)
        if self._loop is not None and self._ended is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(STOP_SEC)

    # What a board asks of its audience, from any thread.

    @property
    def is_watching(self) -> bool:
        """Whether anybody is there."""
        return len(self._viewers) > 0

    @property
    def wants_pictures(self) -> bool:
        """Whether anybody looks at the pictures."""
        return self._viewers.want_pictures

    def tell(self, message: str) -> None:
        """A message for everybody."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._viewers.tell, message)

    def show(self, frame: AnyFrame) -> None:
        """The newest frame."""
        self._pictures.put(frame)

    # The server's own thread.

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            if not self._started.done():
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard], client_max_size=LONGEST_FORM)
        for path in FILES:
            app.router.add_get(path, self._file)
        app.router.add_post("/token", self._token)
        app.router.add_get("/ws", self._socket)
        app.on_response_prepare.append(_add_headers)  # to what is refused, too
        most = most_connections(self._settings)
        runner = LimitedRunner(most, app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        tasks = []
        try:
            site = web.TCPSite(runner, self._settings.host, self._settings.port)
            await site.start()
            tasks = [asyncio.ensure_future(_for_ever(work)) for work in (self._pictures.run, self._tell_status)]
            self._started.set_result(runner.addresses[0][1])
            await self._ended.wait()
        finally:
            for task in tasks:
                task.cancel()
            await self._viewers.close()
            await runner.cleanup()

    async def _tell_status(self) -> None:
        while True:
            if len(self._viewers):
                self._viewers.tell(self._board.status(len(self._viewers)))
            await asyncio.sleep(1.0 / STATUS_HZ)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._access.knows_host(request.headers.get("Host")):
            return web.Response(status=403, text="this page is not known under that name")
        return await handler(request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """The page's files hold nothing secret: everything to be seen comes over the socket."""
        return web.FileResponse(PAGE / FILES[request.path])

    async def _token(self, request: web.Request) -> web.StreamResponse:
        """A viewer shows the token and gets a cookie for it."""
        if not self._same_origin(request):
            raise web.HTTPForbidden(text="the page asks from another site")
        try:
            given = await request.text()
        except (LookupError, UnicodeDecodeError):
            raise web.HTTPBadRequest(text="the token is no text") from None
        right = self._access.has_token(given.strip(), request.remote or "")
        if right is None:
            raise web.HTTPTooManyRequests(text="too many wrong tokens; wait half a minute")
        if not right:
            raise web.HTTPForbidden(text="wrong token")
        response = web.Response(status=204)
        response.set_cookie(COOKIE, self._access.cookie, httponly=True, samesite="Strict")
        return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self._same_origin(request):
            raise web.HTTPForbidden(text="the page asks from another site")
        if not self._access.has_cookie(request.cookies.get(COOKIE)):
            return await _refused(request, WSCloseCode.POLICY_VIOLATION, b"token")
        if len(self._viewers) >= self._settings.max_viewers:
            return await _refused(request, WSCloseCode.TRY_AGAIN_LATER, b"too many viewers")
        # JPEGs do not get smaller by deflation, which would take its time for each viewer.
        socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=LONGEST_MESSAGE, compress=False)
        await socket.prepare(request)
        _keep_little_on_the_way(request)
        viewer = Viewer(socket, request.transport.abort if request.transport else lambda: None)
        self._viewers.add(viewer)
        viewer.tell(self._board.hello())
        try:
            await viewer.serve()
        finally:
            self._viewers.remove(viewer)
        return socket

    def _same_origin(self, request: web.Request) -> bool:
        return self._access.knows_origin(request.headers.get("Origin"), request.headers.get("Host"))


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Begin again where it fails, as where there is no memory for a moment: a page without pictures tells nobody."""
    while True:
        try:
            await work()
        except Exception:
            LOG.exception("the live page goes on after an error")
            await asyncio.sleep(AGAIN_SEC)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _keep_little_on_the_way(request: web.Request) -> None:
    """Pictures that wait in the system's buffers can't be replaced by newer ones: by default that can be megabytes."""
    socket = None if request.transport is None else request.transport.get_extra_info("socket")
    if socket is not None:
        socket.setsockopt(SOL_SOCKET, SO_SNDBUF, ON_THE_WAY_BYTES)


async def _refused(request: web.Request, code: int, why: bytes) -> web.StreamResponse:
    """Browsers tell pages why a socket was closed, but not why it was never opened."""
    socket: Any = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=code, message=why)
    return socket  # type: ignore[no-any-return]
