"""Shared by tests of the live page: requests, sockets and waiting."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request

import pytest

aiohttp = pytest.importorskip("aiohttp")

import cv2
import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.live.state import LessonInfo
from opendr_har_core.live.teaching import Learned, LessonCancelledError

PICTURE = cv2.imencode(".jpg", np.full((48, 64, 3), (60, 140, 90), np.uint8))[1].tobytes()


def get(port, path="/", data=None, **headers):
    """(status, text, headers) of a request."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def talk(port, work, **options):
    """The result of the coroutine function `work` on a socket to the server."""

    async def run():
        address = f"http://127.0.0.1:{port}/ws"
        async with aiohttp.ClientSession() as session, session.ws_connect(address, **options) as socket:
            return await asyncio.wait_for(work(socket), 20)

    return asyncio.run(run())


async def first(socket):
    return await socket.receive()


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class PatientPupil:
    """A `Teaching` that learns everything; a lesson takes until `learn` is set."""

    def __init__(self, warnings=()):
        self.shown, self.warnings, self.learn = [], warnings, threading.Event()
        self.calls = 0

    def teach(self, label, seconds, track_id, progress, cancelled):
        while not self.learn.is_set():
            progress("recording", seconds / 2, "too dark")
            if cancelled.wait(0.05):
                raise LessonCancelledError
        self.add(label)
        return Learned(f"'{label}' has {len(self.shown)} lessons, of person '{track_id}'", self.warnings)

    def add(self, label):
        self.calls += 1
        self.shown.append(LessonInfo(label, str(self.calls)))

    def forget(self, label, id):
        if not any(each.label == label and id in ("", each.id) for each in self.shown):
            raise DataError("there is no such lesson")
        self.shown = [each for each in self.shown if each.label != label or (id and each.id != id)]

    def lessons(self):
        return list(self.shown)

    def thumbnail(self, lesson):
        return PICTURE if lesson in self.shown else None


def status(state):
    return json.loads(state.status(0))
