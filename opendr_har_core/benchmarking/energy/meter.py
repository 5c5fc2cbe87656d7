"""What a sensor of energy offers, and what sensors have in common: they are sampled while something runs."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional, Protocol, Sequence

from opendr_har_core.errors import HarError


class SensorError(HarError):
    """An energy sensor can't be read."""


class EnergyMeter(Protocol):
    """Measures one stretch of time after the other.

    Attributes:
        name: which sensor, and what it sees, for people.
    """

    name: str

    def start(self) -> None:
        """Begin a measurement."""
        ...

    def stop(self) -> float:
        """End it and return the joules since `start`; raises SensorError where the sensor failed meanwhile."""
        ...


class Source(Protocol):
    """One counter or one channel of a sensor."""

    def begin(self) -> None:
        """Take the present reading as the start."""
        ...

    def advance(self) -> float:
        """Joules since `begin` or the last `advance`."""
        ...


class SampledMeter:
    """Adds up what its sources count; a thread looks at them while a measurement runs."""

    def __init__(self, name: str, sources: Sequence[Source], period_sec: float) -> None:
        """`name` is for people; all `sources` are looked at every `period_sec` seconds."""
        self.name = name
        self._sources, self._period = tuple(sources), period_sec
        self._stopped = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._joules = 0.0
        self._error: Optional[SensorError] = None

    def start(self) -> None:
        """Begin a measurement; raises SensorError where the sensor fails."""
        if self._thread is not None:
            raise SensorError(f"{self.name} is measuring already; stop that measurement first")
        self._joules, self._error = 0.0, None
        self._stopped.clear()
        for source in self._sources:
            source.begin()
        self._thread = threading.Thread(target=self._sample, name="energy", daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Joules since `start`; raises SensorError where there was none or the sensor failed meanwhile."""
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


class Integral:
    """Power over time, by the trapezoidal rule."""

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
