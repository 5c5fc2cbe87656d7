"""Figures of speed, memory and start-up; the participants take turns, and medians are compared."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from time import perf_counter
from typing import Any, Callable, Dict, List, Sequence

import numpy as np
from material import CAUSAL, CAUSAL_TUNED, OURS, TUNED, Material
from process import QUIET, Worker, wait_until_quiet

ORIGINAL, NO_GRADIENTS, PYTORCHVIDEO = ALL_PEERS = ("original", "original, gradients off", "pytorchvideo")
# The original records gradients of clips too, but its best counts.
PEERS_OF = {"cox3d": (ORIGINAL, NO_GRADIENTS), "x3d": (NO_GRADIENTS, PYTORCHVIDEO)}
TURN_SEC = 0.3
ENOUGH_QUIET = 3
# Logarithms of probabilities are compared above this one.
LIKELY = 1e-6
# Memory above which a worker drops what it does not need, between two turns.
RELEASE_ABOVE_BYTES = 9_000_000_000
STEPS = 80
FIRST_STEPS = 41  # the growth of memory is measured after the warm-up
START_ROUNDS = 5

Row = Dict[str, Any]
Start = Callable[[str], Worker]


def speeds(
    figure: str, material: Material, start: Start, rounds: int, calls: int, patience_sec: float, wanted: Sequence[str]
) -> List[Row]:
    """Ours against the `wanted` peers: all warm up, then each has `rounds` turns. One row for each pair."""
    peers = [name for name in PEERS_OF[material.task["network"]] if name in wanted]
    turns: Dict[str, List[Row]] = {name: [] for name in (*material.ours, *peers)}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(start(name)) for name in turns}
        results = {name: _set_up(worker, material) for name, worker in workers.items()}
        for _ in range(rounds):
            for name, worker in workers.items():
                wait_until_quiet(patience_sec)
                release = worker.memory.rss_bytes > RELEASE_ABOVE_BYTES
                turns[name].append(worker.ask(do="run", calls=calls, seconds=TURN_SEC, release=release))
    own = [pair for pair in ((CAUSAL, OURS), (CAUSAL_TUNED, TUNED)) if set(pair) <= set(material.ours)]
    pairs = [*own, *((ours, peer) for ours in material.ours for peer in peers)]
    return [
        {
            "figure": figure,
            "ours": ours,
            "peer": peer,
            "weights": material.weights,
            **_ratios(turns[ours], turns[peer]),
            **_differences(ours, peer, material, results),
            "ours_turns": turns[ours],
            "peer_turns": turns[peer],
        }
        for ours, peer in pairs
    ]


def memory(material: Material, start: Start, wanted: Sequence[str]) -> List[Row]:
    """Memory of new processes that take STEPS steps of a stream."""
    rows = []
    for name in (*material.ours, *(name for name in (ORIGINAL, NO_GRADIENTS) if name in wanted)):
        with start(name) as worker:
            _set_up(worker, material, warm=0)
            worker.ask(do="run", calls=FIRST_STEPS - 1, seconds=0)  # a run makes one more call
            early = worker.memory.rss_bytes
            worker.ask(do="run", calls=STEPS - FIRST_STEPS - 1, seconds=0)
            late = worker.memory
        growth = (late.rss_bytes - early) / (STEPS - FIRST_STEPS)
        rows.append({"participant": name, "peak_mb": late.peak_bytes / 1e6, "growth_mb": growth / 1e6})
    return rows


def start_up(material: Material, start: Start, wanted: Sequence[str]) -> List[Row]:
    """Seconds from the start of a process to the end of its imports and to its first step; medians."""
    found: Dict[str, List[List[float]]] = {name: [] for name in (OURS, NO_GRADIENTS) if name in (OURS, *wanted)}
    for index in range(START_ROUNDS + 1):
        for name, times in found.items():
            begin = perf_counter()
            with start(name) as worker:
                worker.ask(do="load")
                imported = perf_counter() - begin
                worker.ask(do="setup", task=material.task, warm=1)
                if index:  # the first round fills the system's file cache
                    times.append([imported, perf_counter() - begin])
    medians = {name: np.median(times, axis=0) for name, times in found.items()}
    return [{"participant": name, "imported_sec": two[0], "first_result_sec": two[1]} for name, two in medians.items()]


def _set_up(worker: Worker, material: Material, warm: int = -1) -> np.ndarray:
    """Import, build, warm up; the (classes,) probabilities of the last warm-up call."""
    worker.ask(do="load")
    task = material.ours.get(worker.name, material.task)
    return np.array(worker.ask(do="setup", task=task, warm=material.warm_up if warm < 0 else warm)["probabilities"])


def _ratios(ours: List[Row], peers: List[Row]) -> Row:
    """Medians of the quiet rounds where there are enough of them, else of all; ratios are the peer's time over ours."""
    pairs = list(zip(ours, peers))
    quiet = [pair for pair in pairs if max(turn["others"] for turn in pair) < QUIET]
    counted = quiet if len(quiet) >= ENOUGH_QUIET else pairs
    ms = [1000 * statistics.median(call for pair in counted for call in pair[side]["seconds"]) for side in (0, 1)]
    cpu = [1000 * statistics.median(pair[side]["cpu"] for pair in counted) for side in (0, 1)]
    by_round = [statistics.median(peer["seconds"]) / statistics.median(our["seconds"]) for our, peer in counted]
    low, high = np.percentile(by_round, (10, 90))
    return {
        "ours_ms": ms[0],
        "peer_ms": ms[1],
        "ratio": ms[1] / ms[0],
        "low": float(low),
        "high": float(high),
        "ours_cpu_ms": cpu[0],
        "peer_cpu_ms": cpu[1],
        "cpu_ratio": cpu[1] / cpu[0],
        "quiet": len(quiet),
        "rounds": len(pairs),
    }


def _differences(ours: str, peer: str, material: Material, results: Dict[str, np.ndarray]) -> Row:
    """Largest differences of probabilities and of their logarithms; None where the networks are not the same."""
    if ours not in (OURS, TUNED) or (peer == PYTORCHVIDEO and material.weights != "real"):
        return {"difference": None, "log_difference": None}
    one, other = results[ours], results[peer]
    likely = np.maximum(one, other) > LIKELY
    logarithms = np.log(one[likely]) - np.log(other[likely])
    return {"difference": float(np.abs(one - other).max()), "log_difference": float(np.abs(logarithms).max())}
