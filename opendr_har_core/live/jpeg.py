"""The newest camera image as a JPEG: made once for all viewers, off the recognizing thread, at a bounded rate."""

from __future__ import annotations

import asyncio
import threading
from typing import Callable, Optional

import cv2

from opendr_har_core.errors import HarError
from opendr_har_core.live.settings import LiveSettings
from opendr_har_core.streaming.stream import AnyFrame


class Pictures:
    """Takes frames from any thread, gives JPEGs to `show` on the loop it runs on."""

    def __init__(self, settings: LiveSettings, show: Callable[[bytes], None]) -> None:
        self._settings = settings
        self._show = show
        self._lock = threading.Lock()
        self._newest: Optional[AnyFrame] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._ready: Optional[asyncio.Event] = None

    def put(self, frame: AnyFrame) -> None:
        """The newest frame replaces one that nobody has got round to."""
        with self._lock:
            is_news, self._newest = self._newest is None, frame
        if is_news and self._loop is not None and self._ready is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ready.set)

    async def run(self) -> None:
        """Until it is cancelled."""
        self._loop, self._ready = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()  # a frame may have come before
        pause = 1.0 / self._settings.picture_hz
        while True:
            await self._ready.wait()
            self._ready.clear()
            began = self._loop.time()
            with self._lock:
                frame, self._newest = self._newest, None
            if frame is not None:
                coded = await self._loop.run_in_executor(None, self._coded, frame)
                if coded is not None:
                    self._show(coded)
            await asyncio.sleep(max(0.0, pause - (self._loop.time() - began)))

    def _coded(self, frame: AnyFrame) -> Optional[bytes]:
        try:
            return encode(frame, self._settings.picture_side, self._settings.jpeg_quality)
        except HarError:  # a frame that can't be decoded; the recognizer says so itself
            return None


def encode(frame: AnyFrame, side: int, quality: int) -> bytes:
    """A JPEG whose longer side is at most `side` pixels."""
    rgb = frame.rgb
    scale = side / max(rgb.shape[:2])
    if scale < 1.0:
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return coded.tobytes()
