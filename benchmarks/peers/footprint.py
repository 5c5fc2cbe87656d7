"""Figures of fresh processes: memory, and the time until something comes out."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from time import perf_counter
from typing import Dict, List, Sequence

from compare import NO_GRADIENTS, ORIGINAL, Start
from material import OURS, Material

STEPS = 80
FIRST_STEPS = 41  # the growth is measured after the warm-up and what it allocates


@dataclass(frozen=True)
class Footprint:
    """Memory of one process that takes STEPS steps of a stream, from its very first one.

    Attributes:
        peak_mb: most resident memory, in 10^6 bytes.
        growth_mb: what each of the later steps adds to resident memory.
    """

    participant: str
    steps: int
    peak_mb: float
    growth_mb: float


@dataclass(frozen=True)
class StartUp:
    """Medians over fresh processes, in seconds from the start of the process.

    Attributes:
        imported_sec: until the imports are done.
        first_result_sec: until the first step is computed (its result is still part of the warm-up).
    """

    participant: str
    imported_sec: float
    first_result_sec: float
    all_imported_sec: List[float]
    all_first_result_sec: List[float]


def footprints(material: Material, start: Start, wanted: Sequence[str]) -> List[Footprint]:
    """Memory of ours in all forms, and of the original in the `wanted` ways."""
    found = []
    for name in (*material.ours, *(name for name in (ORIGINAL, NO_GRADIENTS) if name in wanted)):
        with start(name) as worker:
            worker.ask(do="load")
            worker.ask(do="setup", task=material.ours.get(name, material.task), warm=0)
            # A run makes one call that it does not time.
            early = worker.ask(do="run", calls=FIRST_STEPS - 1, seconds=0)
            late = worker.ask(do="run", calls=STEPS - FIRST_STEPS - 1, seconds=0)
        growth = (late["rss_mb"] - early["rss_mb"]) / (STEPS - FIRST_STEPS)
        found.append(Footprint(name, STEPS, late["peak_mb"], growth))
    return found


def start_ups(material: Material, start: Start, rounds: int, wanted: Sequence[str]) -> List[StartUp]:
    """Time to the first step of ours and of the original, by turns; files are in the system's cache from a first go."""
    names = (OURS, *(name for name in (NO_GRADIENTS,) if name in wanted))
    imported: Dict[str, List[float]] = {name: [] for name in names}
    first: Dict[str, List[float]] = {name: [] for name in names}
    for index in range(rounds + 1):
        for name in names:
            begin = perf_counter()
            with start(name) as worker:
                worker.ask(do="load")
                loaded = perf_counter() - begin
                worker.ask(do="setup", task=material.task, warm=1)
                done = perf_counter() - begin
            if index:
                imported[name].append(loaded)
                first[name].append(done)
    median = statistics.median
    return [StartUp(name, median(imported[name]), median(first[name]), imported[name], first[name]) for name in names]
