"""Benchmarks of models on this machine and on the user's videos; this file has the settings, which load no NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from opendr_har_core.settings import check, setting

NAMES = tuple(f"{network}_{size}" for network in ("x3d", "cox3d") for size in ("xs", "s", "m", "l"))
TORCH, ONNX = RUNTIMES = ("torch", "onnx")


@dataclass(frozen=True)
class BenchmarkSettings:
    """What to benchmark, and how; raises ConfigError."""

    models: Tuple[str, ...] = setting(NAMES, "Published networks, with random weights.", choices=NAMES)
    runtimes: Tuple[str, ...] = setting(RUNTIMES, "Runtimes of published networks.", choices=RUNTIMES)
    seconds: float = setting(2.0, "Time for each figure.", unit="s", above=0)
    largest_batch: int = setting(64, "Largest batch to try.", least=1)
    model: Optional[str] = None
    threads: int = 0
    providers: Optional[Tuple[str, ...]] = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class AgreementSettings:
    """How models are compared on videos; raises ConfigError."""

    seconds: float = setting(10.0, "Time of each video to compare, after the warm-up.", unit="s", above=0)
    splices: int = setting(10, "Largest number of pairs of videos to splice, to time new labels.", least=0)

    def __post_init__(self) -> None:
        check(self)
