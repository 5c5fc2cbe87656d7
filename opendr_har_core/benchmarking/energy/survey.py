"""Which energy sensor this machine has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Optional, Tuple, Union

from opendr_har_core.benchmarking.energy.ina3221 import find_ina3221
from opendr_har_core.benchmarking.energy.meter import EnergyMeter, SensorError
from opendr_har_core.benchmarking.energy.nvml import find_nvml
from opendr_har_core.benchmarking.energy.rapl import find_rapl

LOOKED_FOR = "RAPL, INA3221, NVML"


@dataclass(frozen=True)
class Survey:
    """What was found on a machine.

    Attributes:
        meter: the sensor to use, or None.
        remarks: why a sensor that is there can't be used.
    """

    meter: Optional[EnergyMeter]
    remarks: Tuple[str, ...] = ()


def find_meter(root: Union[str, Path] = "/", on_gpu: bool = False) -> Optional[EnergyMeter]:
    """The best sensor that can be read here, or None. See `survey`."""
    return survey(root, on_gpu).meter


def survey(root: Union[str, Path] = "/", on_gpu: bool = False) -> Survey:
    """Look for a sensor under `root`, the folder that holds `sys`.

    With `on_gpu` the GPU's own sensor is taken: it does not see the processor. Without, it is of no use, and only
    those that see the processor are. Sensors of a whole board come first.
    """
    remarks: List[str] = []
    finders: Tuple[Callable[[Path], Optional[EnergyMeter]], ...] = (find_ina3221, find_rapl)
    if on_gpu:
        finders = (find_ina3221, find_nvml)
    for find in finders:
        try:
            meter = find(Path(root))
        except SensorError as error:
            remarks.append(str(error))
        else:
            if meter is not None:
                return Survey(meter, tuple(remarks))
    return Survey(None, tuple(remarks))
