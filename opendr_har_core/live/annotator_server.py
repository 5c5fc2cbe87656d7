"""Serves the page of an annotator."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Callable, Sequence

from aiohttp import web

from opendr_har_core.errors import HarError
from opendr_har_core.live.access import LiveSettings
from opendr_har_core.live.annotator import Annotator
from opendr_har_core.live.page_server import Job, PageServer
from opendr_har_core.recordings.segment_table import Marked

FILES = ("annotate.html", "page.css", "annotate.css", "common.js", "timeline.js", "segments.js", "annotate.js")
# Some ten thousand segments.
LONGEST_TABLE = 4 << 20


class AnnotatorServer(PageServer):
    """Serves one annotator, as JSON and JPEG; what can't be done is refused with status 409 and the reason as text."""

    def __init__(self, settings: LiveSettings, annotator: Annotator) -> None:
        super().__init__(settings, FILES, LONGEST_TABLE)
        self._annotator = annotator

    def _begin(self, router: web.UrlDispatcher) -> Sequence[Job]:
        router.add_get("/session", partial(self._answer, self._annotator.hello))
        router.add_get("/state", partial(self._answer, self._annotator.state))
        router.add_get("/frame", self._frame)
        router.add_post("/segments", self._segments)
        router.add_post("/teach", partial(self._answer, self._annotator.teach))
        return ()

    async def _segments(self, request: web.Request) -> web.StreamResponse:
        self._check_viewer(request)
        try:
            values = json.loads(await request.text())
            segments = [_marked(*segment) for segment in values["segments"]]
            write = partial(self._annotator.write, str(values["revision"]), segments)
        except (LookupError, TypeError, ValueError, RecursionError, OverflowError):
            raise web.HTTPBadRequest(text="expected JSON: revision, and segments of start, end, label") from None
        return await self._answer(write, request)

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        number = request.query.get("n", "")
        if not number.isascii() or not number.isdigit() or len(number) > 12:
            raise web.HTTPBadRequest(text="expected n, the number of a frame")
        return await self._answer(partial(self._annotator.picture, int(number)), request)

    async def _answer(self, work: Callable[[], Any], request: web.Request) -> web.StreamResponse:
        """Do some work for a viewer, off the server's thread."""
        self._check_viewer(request)
        try:
            found = await self._loop.run_in_executor(None, work)
        except HarError as error:
            raise web.HTTPConflict(text=str(error)) from None
        if isinstance(found, bytes):
            return web.Response(body=found, content_type="image/jpeg")
        return web.json_response(found)


def _marked(start: Any, end: Any, label: Any) -> Marked:
    if not {type(start), type(end)} <= {int, float} or not isinstance(label, str):
        raise TypeError(label)
    return Marked(float(start), float(end), label)
