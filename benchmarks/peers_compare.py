"""Figures of speed: participants take turns, and medians are compared."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
from peers_material import Material
from peers_process import Worker

OURS, ORIGINAL, NO_GRADIENTS, PYTORCHVIDEO = "ours", "original", "original, gradients off", "pytorchvideo"
TURN_SEC = 0.3
PERCENTILES = (10, 90)

Start = Callable[[str], Worker]


@dataclass(frozen=True)
class Comparison:
    """One peer beside ours.

    Attributes:
        ours_ms, peer_ms: median of all timed calls.
        ratio: peer_ms / ours_ms.
        low, high: 10th and 90th percentile over rounds of the ratio of the two medians of that round.
        difference: largest difference of any class's probability, or None where the weights differ.
    """

    figure: str
    peer: str
    weights: str
    ours_ms: float
    peer_ms: float
    ratio: float
    low: float
    high: float
    difference: Any
    ours_turns_ms: List[List[float]]
    peer_turns_ms: List[List[float]]


def peers_of(network: str) -> Tuple[str, ...]:
    """Whom to compare with; the original's clips record gradients too, but what counts is its best."""
    return (ORIGINAL, NO_GRADIENTS) if network == "cox3d" else (NO_GRADIENTS, PYTORCHVIDEO)


def compare(figure: str, material: Material, start: Start, rounds: int, calls: int) -> List[Comparison]:
    """Run one figure: everyone warm, then `rounds` times a turn of each."""
    names = (OURS, *peers_of(material.task["network"]))
    with ExitStack() as stack:
        workers = {name: stack.enter_context(start(name)) for name in names}
        results = {name: set_up(worker, material) for name, worker in workers.items()}
        turns: Dict[str, List[List[float]]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, worker in workers.items():
                reply = worker.ask(do="run", calls=calls, seconds=TURN_SEC)
                turns[name].append([1000 * seconds for seconds in reply["seconds"]])
    return [_comparison(figure, name, material, turns, results) for name in names[1:]]


def set_up(worker: Worker, material: Material) -> np.ndarray:
    """Load, build, warm up; the (classes,) probabilities of the last warm-up call."""
    worker.ask(do="load")
    return np.array(worker.ask(do="setup", task=material.task, warm=material.warm_up)["probabilities"])


def _comparison(
    figure: str, peer: str, material: Material, turns: Dict[str, List[List[float]]], results: Dict[str, np.ndarray]
) -> Comparison:
    ours_ms, peer_ms = (statistics.median(ms for turn in turns[name] for ms in turn) for name in (OURS, peer))
    paired = [statistics.median(b) / statistics.median(a) for a, b in zip(turns[OURS], turns[peer])]
    low, high = np.percentile(paired, PERCENTILES)
    comparable = peer != PYTORCHVIDEO or material.pytorchvideo_agrees
    difference = float(np.abs(results[OURS] - results[peer]).max()) if comparable else None
    ratio = peer_ms / ours_ms
    return Comparison(
        figure,
        peer,
        material.weights,
        ours_ms,
        peer_ms,
        ratio,
        float(low),
        float(high),
        difference,
        turns[OURS],
        turns[peer],
    )
