"""Serves a page to its viewers, in a thread of its own, and refuses everybody else."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Awaitable, Callable, Sequence

from aiohttp import web

from opendr_har_core.errors import HarError
from opendr_har_core.live.access import Access, LiveSettings

PAGE = Path(__file__).parent / "page"
COOKIE = "opendr_har_live"
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
Job = Callable[[], Awaitable[None]]


class PageServer:
    """Serves the files of a page and takes its token; subclasses add what the page asks for.

    `start` returns when the page can be opened.
    """

    def __init__(self, settings: LiveSettings, files: Sequence[str], longest: int = LONGEST_FORM) -> None:
        """`files` are in the folder of the pages, the first one is shown; requests have at most `longest` bytes."""
        self._settings = settings
        self._files = {"/": files[0], **{f"/{name}": name for name in files[1:]}}
        self._longest = longest
        self._access = Access(settings)
        self._cookie = COOKIE
        # Set by the thread, once it has bound.
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self._started: Future = Future()
        self._thread = threading.Thread(target=self._run, name="live page", daemon=True)

    def start(self) -> int:
        """Bind and return the port; raises HarError if that fails."""
        self._thread.start()
        try:
            port: int = self._started.result(START_SEC)
        except (OSError, UnicodeError) as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise HarError(f"the page can't be served on {where}: {error}; choose another port, 0 takes any") from None
        return port

    def stop(self) -> None:
        """Close all connections and stop."""
        if self._started.done() and not self._started.exception() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(STOP_SEC)

    def _begin(self, router: web.UrlDispatcher) -> Sequence[Job]:
        """Add handlers, on the server's loop; returns the jobs to run until the end."""
        raise NotImplementedError

    async def _end(self) -> None:
        """Close what viewers hold open."""

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (OSError, UnicodeError) as error:  # the latter for what can't be a name of a machine
            if not self._started.done():
                self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard], client_max_size=self._longest)
        for path in self._files:
            app.router.add_get(path, self._file)
        app.router.add_post("/token", self._token)
        jobs = self._begin(app.router)
        app.on_response_prepare.append(_add_headers)  # also to refusals
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        most = CONNECTIONS_SPARE + CONNECTIONS_EACH * self._settings.max_viewers
        accept = partial(_Gate, runner.server, most)
        tasks = [asyncio.ensure_future(_run_resiliently(job)) for job in jobs]
        listener = None
        try:
            listener = await self._loop.create_server(accept, self._settings.host, self._settings.port)
            port = listener.sockets[0].getsockname()[1]
            self._cookie = f"{COOKIE}_{port}"  # browsers give cookies to all ports of a machine
            self._started.set_result(port)
            await self._stopped.wait()
        finally:
            if listener is not None:
                listener.close()
            for task in tasks:
                task.cancel()
            await self._end()
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._access.knows_host(request.headers.get("Host")):
            return web.Response(status=403, text="this page is not known under that name; allow it with --names")
        return await handler(request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """The files of the page hold nothing secret: all data is for viewers."""
        return web.FileResponse(PAGE / self._files[request.path])

    async def _token(self, request: web.Request) -> web.StreamResponse:
        """Exchange the token for a cookie."""
        self._check_origin(request)
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
        response.set_cookie(self._cookie, self._access.cookie, httponly=True, samesite="Strict")
        return response

    def _check_origin(self, request: web.Request) -> None:
        if not self._access.knows_origin(request.headers.get("Origin"), request.headers.get("Host")):
            raise web.HTTPForbidden(text="request from another site")

    def _is_viewer(self, request: web.Request) -> bool:
        return self._access.has_cookie(request.cookies.get(self._cookie))

    def _check_viewer(self, request: web.Request) -> None:
        """Let in only our own page, with the token."""
        self._check_origin(request)
        if not self._is_viewer(request):
            raise web.HTTPForbidden(text="the token is missing")


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


async def _run_resiliently(job: Job) -> None:
    """Restart a job that fails, for instance for a moment without memory."""
    while True:
        try:
            await job()
        except Exception:
            LOG.exception("the live page continues after an error")
            await asyncio.sleep(RETRY_SEC)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
