"""Joules per evaluation, where the machine has a sensor."""

from __future__ import annotations

import time
from typing import Optional, Tuple

from opendr_har_core.benchmarking.energy import LOOKED_FOR, EnergyMeter, SensorError, Survey
from opendr_har_core.benchmarking.report import EnergyUse
from opendr_har_core.benchmarking.timing import Job

NO_SENSOR = f"no energy sensor that can be read here (looked for {LOOKED_FOR})"


def energy_use(job: Job, seconds: float, found: Survey) -> Tuple[Optional[EnergyUse], str]:
    """(use, "") of `job`, run for `seconds` after as long a rest; or (None, why not)."""
    if found.meter is None:
        return None, "; ".join((NO_SENSOR, *found.remarks))
    try:
        return _measured(job, seconds, found.meter), ""
    except SensorError as error:
        return None, str(error)


def _measured(job: Job, seconds: float, meter: EnergyMeter) -> EnergyUse:
    meter.start()
    began = time.perf_counter()
    time.sleep(seconds)
    idle_sec = time.perf_counter() - began
    idle_watts = meter.stop() / idle_sec
    job()
    calls = 0
    meter.start()
    began = time.perf_counter()
    while calls == 0 or time.perf_counter() - began < seconds:
        job()
        calls += 1
    elapsed = time.perf_counter() - began
    joules = meter.stop()
    return EnergyUse(meter.name, joules / calls, (joules - idle_watts * elapsed) / calls, idle_watts)
