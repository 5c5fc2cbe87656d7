"""How many connections there may be at once: a robot out of file descriptors can't do anything else, either."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from opendr_har_core.live.settings import LiveSettings

# Each viewer needs a few, for the page's files and for its socket; others are asking for the token.
CONNECTIONS_EACH, CONNECTIONS_SPARE = 4, 60


def most_connections(settings: LiveSettings) -> int:
    """How many there may be at once."""
    return CONNECTIONS_SPARE + CONNECTIONS_EACH * settings.max_viewers


class LimitedRunner(web.AppRunner):
    """Takes at most so many connections at once."""

    def __init__(self, most: int, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._most = most

    @property
    def server(self) -> Any:
        """What makes a protocol for each connection."""
        return self._accept if super().server is not None else None

    def _accept(self) -> asyncio.BaseProtocol:
        return _Door(super().server, self._most)


class _Door(asyncio.Protocol):
    """Lets a connection in to `server`, or ends it without a word: only when it is made are those before it counted."""

    def __init__(self, server: Any, most: int) -> None:
        self._server = server
        self._most = most

    def connection_made(self, transport: Any) -> None:
        """Another protocol takes over."""
        if len(self._server.connections) >= self._most:
            transport.abort()
            return
        protocol = self._server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
