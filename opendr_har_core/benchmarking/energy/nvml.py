"""NVML: the energy counters of NVIDIA GPUs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Callable, Optional

from opendr_har_core.benchmarking.energy.meter import EnergyMeter, Integral, SampledMeter, SensorError, Source

MILLI = 1e-3
PERIOD_SEC = 0.02


def find_nvml(root: Path, module: str = "pynvml") -> Optional[EnergyMeter]:
    """All NVIDIA GPUs, through the optional package nvidia-ml-py; None where it is not installed.

    GPUs since Volta count their energy; the power of older ones is sampled. Raises SensorError where NVML fails.
    Untested on hardware. `root` is not used: NVML has no files.
    """
    try:
        nvml: Any = importlib.import_module(module)
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        parts = [_nvml_part(nvml, handle) for handle in handles]
    except nvml.NVMLError as error:
        raise SensorError(f"NVML is installed and can't be used: {error}") from None
    return SampledMeter(f"NVML ({len(parts)} GPUs alone)", parts, PERIOD_SEC) if parts else None


class NvmlCounter:
    """A GPU's own count of millijoules since the driver was loaded."""

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._last = 0

    def begin(self) -> None:
        """Take the present count as the start."""
        self._last = self._total()

    def advance(self) -> float:
        """Joules since the last look."""
        before, self._last = self._last, self._total()
        return (self._last - before) * MILLI


def _nvml_part(nvml: Any, handle: Any) -> Source:
    def read(function: Callable[[Any], int]) -> int:
        try:
            return function(handle)
        except nvml.NVMLError as error:
            raise SensorError(f"NVML failed: {error}") from None

    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:  # a GPU older than Volta
        return Integral(lambda: read(nvml.nvmlDeviceGetPowerUsage) * MILLI)
    return NvmlCounter(lambda: read(nvml.nvmlDeviceGetTotalEnergyConsumption))
