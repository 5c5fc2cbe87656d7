"""Serves the live page and a state's updates."""

from __future__ import annotations

import asyncio
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, Optional, Sequence

from aiohttp import WSCloseCode, web

from opendr_har_core.live.access import LiveSettings
from opendr_har_core.live.page_server import Job, PageServer
from opendr_har_core.live.state import LessonInfo, LiveState
from opendr_har_core.live.subscribers import LONGEST_MESSAGE, Subscriber, Subscribers
from opendr_har_core.live.teaching import TeachingControl

FILES = ("index.html", "page.css", "common.js", "page.js", "timeline.js", "teach.js")
STATUS_HZ = 4.0
# One or two pictures: those that wait in the system's buffers, megabytes by default, can't be replaced by newer ones.
SEND_BUFFER_BYTES = 64 << 10


class LiveServer(PageServer):
    """Serves the page of one state."""

    def __init__(self, settings: LiveSettings, state: LiveState, teaching: Optional[TeachingControl] = None) -> None:
        """`teaching` does what viewers ask for; without it they can only watch."""
        super().__init__(settings, FILES)
        self._state = state
        self._teaching = teaching
        self._subscribers: Subscribers

    def start(self) -> int:
        """Bind and return the port; raises HarError if that fails."""
        port = super().start()
        self._state.attach(self._subscribers)
        return port

    def stop(self) -> None:
        """Close all connections and stop."""
        self._state.attach(None)
        super().stop()

    def _begin(self, router: web.UrlDispatcher) -> Sequence[Job]:
        self._subscribers = Subscribers(self._settings)
        router.add_get("/ws", self._socket)
        router.add_get("/thumbnail", self._thumbnail)
        return self._subscribers.encode_pictures, self._send_status

    async def _end(self) -> None:
        await self._subscribers.close()

    async def _send_status(self) -> None:
        while True:
            if len(self._subscribers):
                self._subscribers.send(self._state.status(len(self._subscribers)))
            await asyncio.sleep(1.0 / STATUS_HZ)

    async def _thumbnail(self, request: web.Request) -> web.StreamResponse:
        """The picture of a lesson."""
        self._check_viewer(request)
        picture = None
        if self._teaching is not None:
            lesson = LessonInfo(request.query.get("label", ""), request.query.get("id", ""))
            picture = await self._loop.run_in_executor(None, self._teaching.thumbnail, lesson)
        if picture is None:
            raise web.HTTPNotFound(text="no picture")
        return web.Response(body=picture, content_type="image/jpeg")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._check_origin(request)
        if not self._is_viewer(request):
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


async def _refused(request: web.Request, code: int, why: bytes) -> web.StreamResponse:
    """Browsers tell a page why a socket was closed, but not why it was never opened."""
    socket: Any = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=code, message=why)
    return socket  # type: ignore[no-any-return]
