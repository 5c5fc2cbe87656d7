"""The people who look at the page: what is on its way to each, and no more than each can take."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Callable, Deque, Optional, Set

from aiohttp import WSCloseCode, web

# A viewer who has so many messages waiting is too slow, or gone; the page connects again and is told all anew.
MOST_WAITING = 400
# What a page may say, and how often, in messages a second.
LONGEST_MESSAGE, MOST_MESSAGES = 256, 20
PICTURES_ON, PICTURES_OFF = "pictures on", "pictures off"


class Viewer:
    """One open page. Texts reach it in order; of the pictures it gets the newest whenever it has taken the last."""

    def __init__(self, socket: web.WebSocketResponse, abort: Callable[[], None]) -> None:
        """`abort` ends the connection at once, for a socket that can't even be closed any more."""
        self.wants_pictures = True
        self._socket = socket
        self._abort = abort
        self._texts: Deque[str] = deque()
        self._picture: Optional[bytes] = None
        self._news = asyncio.Event()

    def tell(self, text: str) -> None:
        """Queue a message; one that is too slow is let go, also where sending the last has no end."""
        if len(self._texts) > 2 * MOST_WAITING:
            self._texts.clear()
            self._abort()
            return
        self._texts.append(text)
        self._news.set()

    def show(self, picture: bytes) -> None:
        """A JPEG; it replaces one that has not been sent yet."""
        if self.wants_pictures:
            self._picture = picture
            self._news.set()

    async def serve(self) -> None:
        """Send and listen until either side has had enough."""
        sending = asyncio.ensure_future(self._send())
        try:
            await self._listen()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def close(self) -> None:
        """The server ends."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")

    async def _send(self) -> None:
        while not self._socket.closed:
            await self._news.wait()
            self._news.clear()
            if len(self._texts) > MOST_WAITING:
                await self._socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow")
                return
            while self._texts:
                await self._socket.send_str(self._texts.popleft())
            picture, self._picture = self._picture, None
            if picture is not None:
                await self._socket.send_bytes(picture)

    async def _listen(self) -> None:
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


class Viewers:
    """All of them; used on the server's loop only, but for the two questions."""

    def __init__(self) -> None:
        self._all: Set[Viewer] = set()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def want_pictures(self) -> bool:
        """Whether any does."""
        return any(viewer.wants_pictures for viewer in tuple(self._all))

    def add(self, viewer: Viewer) -> None:
        """Somebody has come."""
        self._all.add(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Somebody has gone."""
        self._all.discard(viewer)

    def tell(self, text: str) -> None:
        """A message for everybody."""
        for viewer in self._all:
            viewer.tell(text)

    def show(self, picture: bytes) -> None:
        """A JPEG for all who want pictures."""
        for viewer in self._all:
            viewer.show(picture)

    async def close(self) -> None:
        """Send everybody away."""
        await asyncio.gather(*(viewer.close() for viewer in tuple(self._all)), return_exceptions=True)
