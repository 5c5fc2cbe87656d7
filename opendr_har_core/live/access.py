"""Who may see the page: the names it answers to, the pages that may connect, and the token.

A page of another site can make a browser connect to this machine, under a name of its own that it lets point here (DNS
rebinding) or straight to a WebSocket, which no same-origin rule stops. So the name that was asked for must be one of
ours, and the page that asks must have come from under the same name.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import time
from collections import OrderedDict
from typing import Optional, Tuple
from urllib.parse import urlsplit

from opendr_har_core.live.settings import LiveSettings, is_loopback

COOKIE_USE = b"opendr-har live: cookie of a viewer"
# So many wrong tokens from one address in so many seconds, and it has to wait.
TRIES, TRIES_SEC = 5, 30.0
REMEMBERED = 1000


class Access:
    """Decides for one server."""

    def __init__(self, settings: LiveSettings) -> None:
        self._token = settings.token
        own = () if is_loopback(settings.host) else (socket.gethostname(), f"{socket.gethostname()}.local")
        self._names = {name.lower() for name in ("localhost", settings.host, *own, *settings.names)}
        self._any_address = not is_loopback(settings.host)
        self._tries = _Tries()

    @property
    def needs_token(self) -> bool:
        """Whether viewers have to know one."""
        return bool(self._token)

    @property
    def cookie(self) -> str:
        """What a viewer who knew the token keeps: not the token, as other ports of this host get cookies, too."""
        return hmac.new(self._token.encode(), COOKIE_USE, hashlib.sha256).hexdigest()

    def knows_host(self, host: Optional[str]) -> bool:
        """Whether a Host header names this server, under whatever port a tunnel gives it."""
        name = _host_name(host or "")
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # No name of another site resolves to a page that asks for a plain address.
        return self._any_address or address.is_loopback

    def knows_origin(self, origin: Optional[str], host: Optional[str]) -> bool:
        """Whether what asks is our own page; programs that are no browsers send no Origin, and have no cookies."""
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == (host or "").lower()

    def has_cookie(self, cookie: Optional[str]) -> bool:
        """Whether a viewer may see what the camera sees, going by its cookie."""
        return not self._token or (cookie is not None and _equal(cookie, self.cookie))

    def has_token(self, token: str, address: str) -> Optional[bool]:
        """Whether the token is right; None for an address that has tried too often."""
        if not self._tries.may(address):
            return None
        right = _equal(token, self._token)
        if not right:
            self._tries.failed(address)
        return right


class _Tries:
    """Wrong tokens of late, by address."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, Tuple[int, float]] = OrderedDict()

    def may(self, address: str) -> bool:
        count, since = self._failed.get(address, (0, 0.0))
        return count < TRIES or time.monotonic() - since > TRIES_SEC

    def failed(self, address: str) -> None:
        count, since = self._failed.pop(address, (0, 0.0))
        now = time.monotonic()
        self._failed[address] = (1, now) if now - since > TRIES_SEC else (count + 1, since)
        if len(self._failed) > REMEMBERED:
            self._failed.popitem(last=False)


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _host_name(host: str) -> str:
    """The name or address of a Host header, without brackets and port; "" where it is malformed."""
    try:
        return (urlsplit(f"//{host}").hostname or "") if not set(host) & set("/?#@\\ ") else ""
    except ValueError:
        return ""
