"""How the live page is served, and who may see it: host names, origins and the token.

A page of another site can make a browser connect to this machine, under a name of its own that it resolves to this
address (DNS rebinding) or directly to a WebSocket, which no same-origin rule stops. So the requested host name must be
one of ours, and the requesting page must come from the same name.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
import time
from collections import Counter
from dataclasses import dataclass
from typing import Optional, Tuple
from urllib.parse import urlsplit

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting

LOOPBACK = "127.0.0.1"
# Guessing at 5 tries per half minute would outlast the robot.
SHORTEST_TOKEN = 16
TRIES, TRIES_SEC = 5, 30.0
COOKIE_USE = b"opendr-har live: cookie of a viewer"


@dataclass(frozen=True)
class LiveSettings:
    """How the page is served; an address that other machines can reach gets a token. Raises ConfigError."""

    host: str = setting(
        LOOPBACK, "Address to serve the page on; 0.0.0.0 makes it reachable from other machines, with a token."
    )
    port: int = setting(8642, "Port to serve on; 0 takes any free port.", least=0, most=65535)
    token: str = setting(
        "", "Token that viewers need, 16 characters or more; generated if the address needs one and none is given."
    )
    names: Tuple[str, ...] = setting((), "Further host names of this machine that viewers may use.")
    max_viewers: int = setting(8, "Pages that may be open at the same time.", least=1, most=1000)
    picture_hz: float = setting(10.0, "Maximum rate of the pictures on a page.", unit="Hz", least=0.1, most=60)
    picture_side: int = setting(640, "Longer side of these pictures.", unit="pixels", least=64, most=4096)

    def __post_init__(self) -> None:
        check(self)
        if not self.host:
            raise ConfigError(f"host is empty, expected an address such as {LOOPBACK} or 0.0.0.0")
        if self.token and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii() or " " in self.token):
            raise ConfigError(f"the token must have {SHORTEST_TOKEN} or more ASCII characters and no space")
        if not self.token and not is_loopback(self.host):
            object.__setattr__(self, "token", secrets.token_urlsafe(24))

    @property
    def url(self) -> str:
        """Address of the page for its viewers, with the token as a fragment, which browsers do not send."""
        host = self.host if self.host not in ("0.0.0.0", "::") else own_address()
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/" + (f"#token={self.token}" if self.token else "")


class Access:
    """Decides who may see the page of one server."""

    def __init__(self, settings: LiveSettings) -> None:
        self._token = settings.token
        own = () if is_loopback(settings.host) else (socket.gethostname(), f"{socket.gethostname()}.local")
        self._names = {name.lower() for name in ("localhost", settings.host, *own, *settings.names)}
        self._any_address = not is_loopback(settings.host)
        # Wrong tokens by address since a time.
        self._failed: Counter[str] = Counter()
        self._since = 0.0

    @property
    def cookie(self) -> str:
        """The cookie of a viewer who sent the token; not the token, since other ports of this host get cookies too."""
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
        # The name of another site never makes a browser ask for a plain address.
        return self._any_address or address.is_loopback

    def knows_origin(self, origin: Optional[str], host: Optional[str]) -> bool:
        """Whether our own page asks; programs other than browsers send no Origin, and have no cookies."""
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == (host or "").lower()

    def has_cookie(self, cookie: Optional[str]) -> bool:
        """Whether the cookie lets a viewer see the page."""
        return not self._token or (cookie is not None and _equal(cookie, self.cookie))

    def has_token(self, token: str, address: str) -> Optional[bool]:
        """Whether the token is right; None for an address with too many wrong tries."""
        if time.monotonic() - self._since > TRIES_SEC:
            self._since, self._failed = time.monotonic(), Counter()
        if self._failed[address] >= TRIES:
            return None
        is_right = _equal(token, self._token)
        self._failed[address] += not is_right
        return is_right


def own_address() -> str:
    """The address by which other machines reach this one, or its name where it has no route."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
            route.connect(("192.0.2.1", 9))  # chooses a route, sends nothing
            return str(route.getsockname()[0])
    except OSError:
        return socket.gethostname()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; of names, only localhost is known to be loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _host_name(host: str) -> str:
    """The name or address in a Host header, without brackets and port; "" if it is malformed."""
    try:
        return (urlsplit(f"//{host}").hostname or "") if not set(host) & set("/?#@\\ ") else ""
    except ValueError:
        return ""
