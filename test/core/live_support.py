"""Shared by tests of the live page: requests, sockets and waiting."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request

import pytest

aiohttp = pytest.importorskip("aiohttp")


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


def status(state):
    return json.loads(state.status(0))
