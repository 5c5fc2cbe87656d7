"""How much energy a computation takes, from whatever sensor the machine has.

RAPL counts on Intel and AMD processors, an INA3221 measures the supply of a Jetson, NVML speaks for NVIDIA GPUs.
"""

from opendr_har_core.benchmarking.energy.meter import EnergyMeter, SensorError
from opendr_har_core.benchmarking.energy.survey import LOOKED_FOR, Survey, find_meter, survey

__all__ = ["LOOKED_FOR", "EnergyMeter", "SensorError", "Survey", "find_meter", "survey"]
