"""INA3221: the supply monitors on NVIDIA's Jetson boards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from opendr_har_core.benchmarking.energy.meter import EnergyMeter, Integral, SampledMeter
from opendr_har_core.benchmarking.energy.sysfs import read_number, read_text

MICRO = 1e-6
PERIOD_SEC = 0.02
CHANNELS = (1, 2, 3)
# Rails of a Jetson that feed all others; where there is one, the others are part of it.
WHOLE_INPUT = re.compile(r"(VDD_IN|POM_5V_IN)")
NO_RAIL = re.compile(r"(NC|.*sum of shunt.*|)", re.IGNORECASE)


def find_ina3221(root: Path) -> Optional[EnergyMeter]:
    """The supply monitors of a Jetson, under the older driver of L4T or as hwmon; None where there are none.

    A rail that feeds all others is taken alone, otherwise the named rails are added up. Written to the drivers'
    documentation: tested on files like theirs, untested on a Jetson.
    """
    rails = [*_l4t_rails(root), *_hwmon_rails(root)]
    if not rails:
        return None
    whole = [rail for rail in rails if WHOLE_INPUT.fullmatch(rail.name)]
    chosen = whole[:1] or rails
    for rail in chosen:
        rail.watts()
    name = f"INA3221 ({', '.join(rail.name for rail in chosen)})"
    return SampledMeter(name, [Integral(rail.watts) for rail in chosen], PERIOD_SEC)


@dataclass(frozen=True)
class Rail:
    """One channel of a supply monitor; the files hold millivolts and milliamperes."""

    name: str
    voltage: Path
    current: Path

    def watts(self) -> float:
        """Present power; raises SensorError where the files can't be read."""
        return read_number(self.voltage) * read_number(self.current) * MICRO


def _l4t_rails(root: Path) -> List[Rail]:
    """/sys/bus/i2c/drivers/ina3221x/1-0040/iio:device0/{rail_name_0,in_voltage0_input,in_current0_input}."""
    names = sorted((root / "sys/bus/i2c/drivers/ina3221x").glob("*/iio*device*/rail_name_*"))
    rails = []
    for file in names:
        channel, name = file.name[len("rail_name_") :], read_text(file)
        if not NO_RAIL.fullmatch(name):
            folder = file.parent
            rails.append(Rail(name, folder / f"in_voltage{channel}_input", folder / f"in_current{channel}_input"))
    return rails


def _hwmon_rails(root: Path) -> List[Rail]:
    """/sys/class/hwmon/hwmon3/{name,in1_label,in1_input,curr1_input}, three channels a chip."""
    rails = []
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if not (chip / "name").is_file() or read_text(chip / "name") != "ina3221":
            continue
        for channel in CHANNELS:
            label = chip / f"in{channel}_label"
            if label.is_file() and not NO_RAIL.fullmatch(read_text(label)):
                rails.append(Rail(read_text(label), chip / f"in{channel}_input", chip / f"curr{channel}_input"))
    return rails
