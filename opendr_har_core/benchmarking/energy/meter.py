"""Energy meter: sums what the counters of a sensor report while something runs."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional, Protocol, Sequence

from opendr_har_core.errors import HarError


class SensorError(HarError):
    """An energy sensor can't be read."""


class Source(Protocol):
    """One channel of a sensor."""

    def begin(self) -> None:
        """Take the current reading as the start."""
        ...

    def advance(self) -> float:
        """Joules since `begin` or the last `advance`."""
        ...


class Counter:
    """A hardware counter of energy."""

    def __init__(self, read: Callable[[], int], joules: float, limit: Optional[int] = None) -> None:
        """`read` returns the count, in units of `joules`; after `limit` the count wraps to zero."""
        self._read, self._joules, self._limit = read, joules, limit
        self._last = 0

    def begin(self) -> None:
        """Take the current count as the start."""
        self._last = self._read()

    def advance(self) -> float:
        """Joules since the last call; correct if the counter wrapped at most once."""
        before, self._last = self._last, self._read()
        passed = self._last - before
        if passed < 0 and self._limit is not None:
            passed += self._limit + 1
        return passed * self._joules


class Power:
    """Samples of power, integrated over time by the trapezoidal rule."""

    def __init__(self, watts: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._watts, self._clock = watts, clock
        self._last = (0.0, 0.0)

    def begin(self) -> None:
        """Take the first sample."""
        self._last = self._clock(), self._watts()

    def advance(self) -> float:
        """Joules since the last sample."""
        (then, before), now, watts = self._last, self._clock(), self._watts()
        self._last = now, watts
        return (now - then) * (before + watts) / 2


class EnergyMeter:
    """Measures the energy between `start` and `stop`; a thread reads the sources meanwhile.

    Attributes:
        name: the sensor and what it covers, for people.
    """

    def __init__(self, name: str, sources: Sequence[Source], period_sec: float) -> None:
        """Read all `sources` every `period_sec` seconds."""
        self.name = name
        self._sources, self._period = tuple(sources), period_sec
        self._stopped = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._joules = 0.0
        self._error: Optional[SensorError] = None

    def start(self) -> None:
        """Start a measurement; raises SensorError where the sensor fails or a measurement is already running."""
        if self._thread is not None:
            raise SensorError(f"{self.name} is already measuring; stop that measurement first")
        self._joules, self._error = 0.0, None
        self._stopped.clear()
        for source in self._sources:
            source.begin()
        self._thread = threading.Thread(target=self._sample, name="energy", daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Joules since `start`; raises SensorError where the sensor failed meanwhile or no measurement is running."""
        if self._thread is None:
            raise SensorError(f"{self.name} is not measuring; start a measurement first")
        self._stopped.set()
        self._thread.join()
        self._thread = None
        if self._error is not None:
            raise self._error
        return self._joules + self._advance()

    def _advance(self) -> float:
        return sum(source.advance() for source in self._sources)

    def _sample(self) -> None:
        while not self._stopped.wait(self._period):
            try:
                self._joules += self._advance()
            except SensorError as error:
                self._error = error
                return
