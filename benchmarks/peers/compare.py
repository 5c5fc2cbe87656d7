"""Figures of speed: participants take turns, and medians are compared."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from material import CAUSAL, CAUSAL_TUNED, OURS, TUNED, Material
from process import Worker
from quiet import QUIET, wait_until_quiet

ORIGINAL, NO_GRADIENTS, PYTORCHVIDEO = "original", "original, gradients off", "pytorchvideo"
ALL_PEERS = (ORIGINAL, NO_GRADIENTS, PYTORCHVIDEO)
TURN_SEC = 0.3
PERCENTILES = (10, 90)
ENOUGH = 3
LIKELY = 1e-6

Start = Callable[[str], Worker]


@dataclass(frozen=True)
class Turn:
    """The calls of one turn in milliseconds, the CPU time of one (all threads), and the share of the machine (0..1)
    that others used meanwhile.
    """

    ms: List[float]
    cpu_ms: float
    others: float

    @property
    def median(self) -> float:
        return statistics.median(self.ms)


@dataclass(frozen=True)
class Comparison:
    """One peer, or ours with lookahead, next to ours.

    Attributes:
        ours_ms, peer_ms: median of all timed calls of the rounds that count.
        ratio: peer_ms / ours_ms.
        ours_cpu_ms, peer_cpu_ms, cpu_ratio: the same of CPU time, from each turn's mean.
        low, high: 10th and 90th percentile over these rounds of the ratio of the two medians of that round.
        quiet, rounds: how many rounds others left the machine alone, of how many; only these count where there are
            at least ENOUGH, else all do.
        difference: largest difference of any class's probability, or None where it is not the same network.
        log_difference: the same of their logarithms, over classes above LIKELY; nearly as strict as comparing logits,
            which a confident softmax hides.
    """

    figure: str
    ours: str
    peer: str
    weights: str
    ours_ms: float
    peer_ms: float
    ratio: float
    low: float
    high: float
    ours_cpu_ms: float
    peer_cpu_ms: float
    cpu_ratio: float
    quiet: int
    rounds: int
    difference: Optional[float]
    log_difference: Optional[float]
    ours_turns: List[Turn]
    peer_turns: List[Turn]


def peers_of(network: str) -> Tuple[str, ...]:
    """Whom to compare with; the original's clips record gradients too, but what counts is its best."""
    return (ORIGINAL, NO_GRADIENTS) if network == "cox3d" else (NO_GRADIENTS, PYTORCHVIDEO)


def pairs_of(ours: Sequence[str], peers: Sequence[str]) -> List[Tuple[str, str]]:
    """Each of ours with each peer, and ours without lookahead with ours with it."""
    own = [pair for pair in ((CAUSAL, OURS), (CAUSAL_TUNED, TUNED)) if set(pair) <= set(ours)]
    return [*own, *((our, peer) for our in ours for peer in peers)]


def compare(
    figure: str,
    material: Material,
    start: Start,
    rounds: int,
    calls: int,
    patience_sec: float,
    wanted: Sequence[str],
) -> List[Comparison]:
    """Run one figure with ours and the `wanted` peers: everyone warm, then `rounds` times a turn of each."""
    peers = [name for name in peers_of(material.task["network"]) if name in wanted]
    names = (*material.ours, *peers)
    with ExitStack() as stack:
        workers = {name: stack.enter_context(start(name)) for name in names}
        results = {name: set_up(worker, material, name) for name, worker in workers.items()}
        turns: Dict[str, List[Turn]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, worker in workers.items():
                wait_until_quiet(patience_sec)
                reply = worker.ask(do="run", calls=calls, seconds=TURN_SEC)
                milliseconds = [1000 * seconds for seconds in reply["seconds"]]
                turns[name].append(Turn(milliseconds, 1000 * reply["cpu"], reply["others"]))
    pairs = pairs_of(list(material.ours), peers)
    return [_comparison(figure, our, peer, material, turns, results) for our, peer in pairs]


def set_up(worker: Worker, material: Material, name: str) -> np.ndarray:
    """Load, build, warm up; the (classes,) probabilities of the last warm-up call."""
    worker.ask(do="load")
    task = material.ours.get(name, material.task)
    return np.array(worker.ask(do="setup", task=task, warm=material.warm_up)["probabilities"])


def differences(ours: np.ndarray, theirs: np.ndarray) -> Tuple[float, float]:
    """Largest differences of two (classes,) probabilities, and of their logarithms."""
    likely = np.maximum(ours, theirs) > LIKELY
    logarithms = np.log(ours[likely]) - np.log(theirs[likely])
    return float(np.abs(ours - theirs).max()), float(np.abs(logarithms).max())


def _comparison(
    figure: str,
    ours: str,
    peer: str,
    material: Material,
    turns: Dict[str, List[Turn]],
    results: Dict[str, np.ndarray],
) -> Comparison:
    pairs = list(zip(turns[ours], turns[peer]))
    quiet = [pair for pair in pairs if max(turn.others for turn in pair) < QUIET]
    counted = quiet if len(quiet) >= ENOUGH else pairs
    ours_ms, peer_ms = (statistics.median(ms for pair in counted for ms in pair[side].ms) for side in (0, 1))
    ours_cpu_ms, peer_cpu_ms = (statistics.median(pair[side].cpu_ms for pair in counted) for side in (0, 1))
    low, high = np.percentile([theirs.median / our.median for our, theirs in counted], PERCENTILES)
    is_same = ours in (OURS, TUNED) and (peer != PYTORCHVIDEO or material.pytorchvideo_agrees)
    difference, log_difference = differences(results[ours], results[peer]) if is_same else (None, None)
    return Comparison(
        figure=figure,
        ours=ours,
        peer=peer,
        weights=material.weights,
        ours_ms=ours_ms,
        peer_ms=peer_ms,
        ratio=peer_ms / ours_ms,
        low=float(low),
        high=float(high),
        ours_cpu_ms=ours_cpu_ms,
        peer_cpu_ms=peer_cpu_ms,
        cpu_ratio=peer_cpu_ms / ours_cpu_ms,
        quiet=len(quiet),
        rounds=len(pairs),
        difference=difference,
        log_difference=log_difference,
        ours_turns=turns[ours],
        peer_turns=turns[peer],
    )
