"""The open pages: queues of messages, and the newest camera image as JPEG, encoded once for all."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from typing import Callable, Deque, Optional, Set

import cv2
from aiohttp import WSCloseCode, WSMsgType, web

from opendr_har_core.errors import HarError
from opendr_har_core.live.access import LiveSettings
from opendr_har_core.streaming.stream import AnyFrame

# A viewer with more waiting messages is too slow, or gone; its page connects again and gets the current state.
MOST_WAITING = 400
# Limits on what a page may send: bytes of a message, messages per second.
LONGEST_MESSAGE, MOST_MESSAGES = 512, 20
PICTURES_ON, PICTURES_OFF = "pictures on", "pictures off"
JPEG_QUALITY = 75


class Subscriber:
    """One open page. It gets texts in order, and the newest picture whenever it has taken the last one."""

    def __init__(
        self, socket: web.WebSocketResponse, abort: Callable[[], None], command: Optional[Callable[[str], str]]
    ) -> None:
        """`abort` drops the connection immediately, for a socket that can't even be closed.

        `command` begins to do what a message of the page asks for, and returns why not, or "".
        """
        self.wants_pictures = True
        self._socket = socket
        self._abort = abort
        self._command = command
        self._texts: Deque[str] = deque()
        self._picture: Optional[bytes] = None
        self._news = asyncio.Event()

    def send(self, text: str) -> None:
        """Queue a message; drops the connection if sending has stalled."""
        if len(self._texts) > MOST_WAITING:
            self._texts.clear()
            self._abort()
            return
        self._texts.append(text)
        self._news.set()

    def show(self, picture: bytes) -> None:
        """Queue a JPEG in place of one that has not been sent yet."""
        if self.wants_pictures:
            self._picture = picture
            self._news.set()

    async def serve(self) -> None:
        """Send and receive until either side closes."""
        sending = asyncio.ensure_future(self._send())
        try:
            await self._receive()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def close(self) -> None:
        """Close the connection: the server stops."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server stops")

    async def _send(self) -> None:
        while not self._socket.closed:
            await self._news.wait()
            self._news.clear()
            while self._texts:
                await self._socket.send_str(self._texts.popleft())
            picture, self._picture = self._picture, None
            if picture is not None:
                await self._socket.send_bytes(picture)

    async def _receive(self) -> None:
        clock = asyncio.get_running_loop().time
        since, count = clock(), 0
        async for message in self._socket:
            if clock() - since > 1.0:
                since, count = clock(), 0
            count += 1
            if count > MOST_MESSAGES:
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many messages")
                return
            if message.data in (PICTURES_ON, PICTURES_OFF):
                self.wants_pictures = message.data == PICTURES_ON
            elif self._command is not None and message.type == WSMsgType.TEXT:
                refusal = self._command(message.data)
                if refusal:
                    self.send(json.dumps({"kind": "refused", "text": refusal}))


class Subscribers:
    """All open pages; any thread may call `publish` and `show` and ask, the rest is for the server's loop."""

    def __init__(self, settings: LiveSettings) -> None:
        """Call it on the server's loop."""
        self._settings = settings
        self._all: Set[Subscriber] = set()
        self._lock = threading.Lock()
        self._frame: Optional[AnyFrame] = None
        self._loop = asyncio.get_running_loop()
        self._frame_ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def want_pictures(self) -> bool:
        """Whether any page shows pictures."""
        return any(subscriber.wants_pictures for subscriber in tuple(self._all))

    def publish(self, text: str) -> None:
        """Send a message to all pages."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.send, text)

    def show(self, frame: AnyFrame) -> None:
        """Show a frame, in place of one that has not been encoded yet."""
        with self._lock:
            is_first, self._frame = self._frame is None, frame
        if is_first and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._frame_ready.set)

    def send(self, text: str) -> None:
        """As `publish`, on the loop."""
        for subscriber in self._all:
            subscriber.send(text)

    async def serve(self, subscriber: Subscriber, hello: Callable[[], str]) -> None:
        """Serve a page until it is closed; its first message is `hello()`, and no later one is missed."""
        self._all.add(subscriber)
        subscriber.send(hello())
        try:
            await subscriber.serve()
        finally:
            self._all.discard(subscriber)

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(subscriber.close() for subscriber in tuple(self._all)), return_exceptions=True)

    async def encode_pictures(self) -> None:
        """Encode the newest frames, off the recognizing thread and at a bounded rate, until cancelled."""
        self._frame_ready.set()  # a frame may have come before
        while True:
            await self._frame_ready.wait()
            self._frame_ready.clear()
            began = self._loop.time()
            with self._lock:
                frame, self._frame = self._frame, None
            if frame is not None:
                await self._show_encoded(frame)
            await asyncio.sleep(max(0.0, 1.0 / self._settings.picture_hz - (self._loop.time() - began)))

    async def _show_encoded(self, frame: AnyFrame) -> None:
        try:
            picture = await self._loop.run_in_executor(None, encode, frame, self._settings.picture_side)
        except (HarError, MemoryError, cv2.error):  # the recognizer reports a frame that can't be decoded
            return
        for subscriber in self._all:
            subscriber.show(picture)


def encode(frame: AnyFrame, side: int) -> bytes:
    """A JPEG whose longer side is at most `side` pixels; raises HarError if the frame can't be decoded."""
    rgb = frame.rgb
    scale = side / max(rgb.shape[:2])
    if scale < 1.0:
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return coded.tobytes()
