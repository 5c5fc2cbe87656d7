"""Serves the live page and a state's updates, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, Awaitable, Callable, Optional

from aiohttp import WSCloseCode, web

from opendr_har_core.errors import HarError
from opendr_har_core.live.access import Access, LiveSettings
from opendr_har_core.live.state import LessonInfo, LiveState
from opendr_har_core.live.subscribers import LONGEST_MESSAGE, Subscriber, Subscribers
from opendr_har_core.live.teaching import TeachingControl

PAGE = Path(__file__).parent / "page"
FILES = {"/": "index.html", **{f"/{name}": name for name in ("page.css", "page.js", "timeline.js", "teach.js")}}
COOKIE = "opendr_har_live"
STATUS_HZ = 4.0
# One or two pictures: those that wait in the system's buffers, megabytes by default, can't be replaced by newer ones.
SEND_BUFFER_BYTES = 64 << 10
LONGEST_FORM = 1024
# Each viewer needs a few, for the page's files and its socket; the spare ones are for those who enter the token.
CONNECTIONS_EACH, CONNECTIONS_SPARE = 4, 60
START_SEC, STOP_SEC, RETRY_SEC = 10.0, 5.0, 1.0
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
    """Serves the page of one state; `start` returns when the page can be opened."""

    def __init__(self, settings: LiveSettings, state: LiveState, teaching: Optional[TeachingControl] = None) -> None:
        """`teaching` does what viewers ask for; without it they can only watch."""
        self._settings = settings
        self._state = state
        self._teaching = teaching
        self._access = Access(settings)
        # Set by the thread, once it has bound.
        self._subscribers: Subscribers
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._started: Future = Future()
        self._thread = threading.Thread(target=self._run, name="live page", daemon=True)

    def start(self) -> int:
        """Bind and return the port; raises HarError if that fails."""
        self._thread.start()
        try:
            port: int = self._started.result(START_SEC)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise HarError(f"the page can't be served on {where}: {error}; choose another port, 0 takes any") from None
        self._state.attach(self._subscribers)
        return port

    def stop(self) -> None:
        """Close all connections and stop."""
        self._state.attach(None)
        if self._started.done() and not self._started.exception() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(STOP_SEC)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            if not self._started.done():
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._subscribers = Subscribers(self._settings)
        app = web.Application(middlewares=[self._guard], client_max_size=LONGEST_FORM)
        for path in FILES:
            app.router.add_get(path, self._file)
        app.router.add_post("/token", self._token)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/thumbnail", self._thumbnail)
        app.on_response_prepare.append(_add_headers)  # also to refusals
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        most = CONNECTIONS_SPARE + CONNECTIONS_EACH * self._settings.max_viewers
        accept = partial(_Gate, runner.server, most)
        jobs = (self._subscribers.encode_pictures, self._send_status)
        tasks = [asyncio.ensure_future(_run_resiliently(job)) for job in jobs]
        listener = None
        try:
            listener = await self._loop.create_server(accept, self._settings.host, self._settings.port)
            self._started.set_result(listener.sockets[0].getsockname()[1])
            await self._stopped.wait()
        finally:
            if listener is not None:
                listener.close()
            for task in tasks:
                task.cancel()
            await self._subscribers.close()
            await runner.cleanup()

    async def _send_status(self) -> None:
        while True:
            if len(self._subscribers):
                self._subscribers.send(self._state.status(len(self._subscribers)))
            await asyncio.sleep(1.0 / STATUS_HZ)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._access.knows_host(request.headers.get("Host")):
            return web.Response(status=403, text="this page is not known under that name; allow it with --names")
        return await handler(request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """The files of the page hold nothing secret: all data comes over the socket."""
        return web.FileResponse(PAGE / FILES[request.path])

    async def _token(self, request: web.Request) -> web.StreamResponse:
        """Exchange the token for a cookie."""
        if not self._is_same_origin(request):
            raise web.HTTPForbidden(text="request from another site")
        try:
            given = await request.text()
        except (LookupError, UnicodeDecodeError):
            raise web.HTTPBadRequest(text="the token is not text") from None
        is_right = self._access.has_token(given.strip(), request.remote or "")
        if is_right is None:
            raise web.HTTPTooManyRequests(text="too many wrong tokens; wait half a minute")
        if not is_right:
            raise web.HTTPForbidden(text="wrong token")
        response = web.Response(status=204)
        response.set_cookie(COOKIE, self._access.cookie, httponly=True, samesite="Strict")
        return response

    async def _thumbnail(self, request: web.Request) -> web.StreamResponse:
        """The picture of a lesson."""
        if not self._access.has_cookie(request.cookies.get(COOKIE)):
            raise web.HTTPForbidden(text="the token is missing")
        picture = None
        if self._teaching is not None:
            lesson = LessonInfo(request.query.get("label", ""), request.query.get("id", ""))
            picture = await self._loop.run_in_executor(None, self._teaching.thumbnail, lesson)
        if picture is None:
            raise web.HTTPNotFound(text="no picture")
        return web.Response(body=picture, content_type="image/jpeg")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self._is_same_origin(request):
            raise web.HTTPForbidden(text="request from another site")
        if not self._access.has_cookie(request.cookies.get(COOKIE)):
            return await _refused(request, WSCloseCode.POLICY_VIOLATION, b"token")
        if len(self._subscribers) >= self._settings.max_viewers:
            return await _refused(request, WSCloseCode.TRY_AGAIN_LATER, b"too many viewers")
        # Deflating JPEGs would cost time for each viewer and save nothing.
        socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=LONGEST_MESSAGE, compress=False)
        await socket.prepare(request)
        if request.transport is not None:
            request.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)
        abort = request.transport.abort if request.transport else lambda: None
        subscriber = Subscriber(socket, abort, self._teaching.take if self._teaching else None)
        await self._subscribers.serve(subscriber, self._state.hello)
        return socket

    def _is_same_origin(self, request: web.Request) -> bool:
        return self._access.knows_origin(request.headers.get("Origin"), request.headers.get("Host"))


class _Gate(asyncio.Protocol):
    """Hands a new connection over to `server`, or drops it: without a limit they would use up the file descriptors."""

    def __init__(self, server: Any, most: int) -> None:
        self._server = server
        self._most = most

    def connection_made(self, transport: Any) -> None:
        if len(self._server.connections) >= self._most:
            transport.abort()
            return
        protocol = self._server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


async def _run_resiliently(job: Callable[[], Awaitable[None]]) -> None:
    """Restart a job that fails, for instance for a moment without memory."""
    while True:
        try:
            await job()
        except Exception:
            LOG.exception("the live page continues after an error")
            await asyncio.sleep(RETRY_SEC)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _refused(request: web.Request, code: int, why: bytes) -> web.StreamResponse:
    """Browsers tell a page why a socket was closed, but not why it was never opened."""
    socket: Any = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=code, message=why)
    return socket  # type: ignore[no-any-return]
