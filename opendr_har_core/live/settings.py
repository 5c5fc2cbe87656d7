"""How the page is served, and to whom."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, replace
from typing import Tuple

from opendr_har_core.errors import ConfigError

LOOPBACK = "127.0.0.1"
PORT = 8642
# A guess at 5 words a second would take longer than the robot lasts.
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class LiveSettings:
    """Checked settings of a server.

    Attributes:
        host, port: the address to bind; port 0 takes any that is free.
        token: what viewers have to know; "" for none, which only a loopback address may have.
        names: further host names under which viewers may ask for the page.
        max_viewers: how many may watch at once.
        picture_hz, picture_side, jpeg_quality: the most pictures per second, their longer side in pixels, 1 to 100.
    """

    host: str = LOOPBACK
    port: int = PORT
    token: str = ""
    names: Tuple[str, ...] = ()
    max_viewers: int = 8
    picture_hz: float = 10.0
    picture_side: int = 640
    jpeg_quality: int = 75

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError(f"host is empty, expected an address such as {LOOPBACK} or 0.0.0.0")
        _check("port", self.port, 0, 65535)
        _check("max_viewers", self.max_viewers, 1, 1000)
        _check("picture_hz", self.picture_hz, 0.1, 60)
        _check("picture_side", self.picture_side, 64, 4096)
        _check("jpeg_quality", self.jpeg_quality, 1, 100)
        if self.token and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii() or " " in self.token):
            raise ConfigError(f"the token must have {SHORTEST_TOKEN} or more letters of ASCII and no space")
        if not self.token and not is_loopback(self.host):
            raise ConfigError(f"host {self.host} can be reached from other machines; that needs a token")

    @property
    def url(self) -> str:
        """Where the page is, with the token as a fragment, which browsers keep to themselves."""
        host = self.host if self.host not in ("0.0.0.0", "::") else "localhost"
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/" + (f"#token={self.token}" if self.token else "")


def live_settings(host: str, token: str, **others: object) -> Tuple[LiveSettings, bool]:
    """Settings, and whether their token was made up, which an address that is no loopback has one of in any case."""
    made_up = not token and not is_loopback(host)
    settings = LiveSettings(host, token=secrets.token_urlsafe(24) if made_up else token)
    return replace(settings, **others), made_up  # type: ignore[arg-type]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; of names, only localhost is known to be so."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}, expected {low} to {high}")
