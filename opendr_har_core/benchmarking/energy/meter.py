"""Energy meter: sums what the counters of a sensor report while something runs."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional, Sequence

from opendr_har_core.errors import HarError


class SensorError(HarError):
    """An energy sensor can't be read."""


class Counter:
    """A hardware counter of energy: each call returns the joules since the call before."""

    def __init__(self, read: Callable[[], int], joules: float, limit: Optional[int] = None) -> None:
        """`read` returns the count in units of `joules`; after `limit` it wraps to zero, at most once between calls."""
        self._read, self._joules, self._limit = read, joules, limit
        self._last = read()

    def __call__(self) -> float:
        before, self._last = self._last, self._read()
        passed = self._last - before
        if passed < 0 and self._limit is not None:
            passed += self._limit + 1
        return passed * self._joules


class Power:
    """Power, integrated by the trapezoidal rule: each call returns the joules since the call before."""

    def __init__(self, watts: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._watts, self._clock = watts, clock
        self._last = clock(), watts()

    def __call__(self) -> float:
        (then, before), now, watts = self._last, self._clock(), self._watts()
        self._last = now, watts
        return (now - then) * (before + watts) / 2


class EnergyMeter:
    """Measures the energy between `start` and `stop`; a thread calls the sources meanwhile.

    Attributes:
        name: the sensor and what it covers, for people.
    """

    def __init__(self, name: str, sources: Sequence[Callable[[], float]], period_sec: float) -> None:
        """Call all `sources`, which return joules, every `period_sec` seconds."""
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
        self._advance()
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
        return sum(source() for source in self._sources)

    def _sample(self) -> None:
        while not self._stopped.wait(self._period):
            try:
                self._joules += self._advance()
            except SensorError as error:
                self._error = error
                return
