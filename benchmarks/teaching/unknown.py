"""What a taught head says about things that it does not know, before and after calibration.

python benchmarks/teaching/unknown.py features_default.npz [--draws 5]

`auroc`, and calibration error: three examples of some actions are taught; the others, and background, are unknown.
`fresh`: all gestures are taught; the limits come from the background that the packaged bundle carries. `alarms`: the
head is calibrated on all background but one source in turn, and judged on that source and on the person who was left
out. Two predictions or more in a row begin a label; so does one, with --least 0.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np
from base_head import carried
from footage import BACKGROUND, Clip, read_clips
from heads import draw

from opendr_har_core.bundles.head import Head
from opendr_har_core.labels import LabelMap
from opendr_har_core.teaching.calibration import calibrate, calibration_error
from opendr_har_core.teaching.fit import fit_head

PERIOD_SEC = 0.4
TEMPERATURES = (1.0, 5.0, 10.0, 20.0, 40.0)
KNOWN_SILHOUETTES = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path, help="a file that footage.py wrote")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--least", type=float, default=PERIOD_SEC, help="seconds that a label lasts")
    options = parser.parse_args()
    clips = read_clips(options.features)
    for group in ("gestures", "silhouettes"):
        separation(clips, group, options.draws)
        temperatures(clips, group, options.draws)
    for count in (1, 3, 5):
        fresh(clips, count, options.draws, options.least)
    for count in (3, 5, 1):
        alarms(clips, count, options.draws, options.least)


def separation(clips: Sequence[Clip], group: str, draws: int) -> None:
    """Print the area under the ROC curve of each measure of novelty, for each kind of unknown."""
    mine = [clip for clip in clips if clip.group == group and not clip.mirrored]
    kinds = sorted({clip.kind for clip in mine})
    rng = np.random.default_rng(0)
    pairs = list(combinations(kinds, len(kinds) - 1))
    areas: Dict[str, Dict[str, List[float]]] = {}
    for turn in range(draws):
        known = pairs[turn % 3] if group == "gestures" else sorted(rng.permutation(kinds)[:KNOWN_SILHOUETTES].tolist())
        for person in sorted({clip.person for clip in mine}):
            head = fit_head(draw(mine, person, 3, rng, False, known))
            theirs = [clip for clip in mine if clip.person == person]
            unknown = {"other actions": [clip for clip in theirs if clip.kind not in known]}
            for name in BACKGROUND if group == "gestures" else ("scenes", "labelled", "idle"):
                unknown[name] = [clip for clip in clips if clip.group == name]
            inside = _rows([clip for clip in theirs if clip.kind in known])
            for title, measure in MEASURES.items():
                for name, others in unknown.items():
                    if others and len(inside):
                        area = _auroc(measure(head, inside), measure(head, _rows(others)))
                        areas.setdefault(title, {}).setdefault(name, []).append(area)
    for title, found in areas.items():
        cells = "  ".join(f"{name} {np.mean(values):.3f}" for name, values in found.items())
        sys.stdout.write(f"auroc {group} {title:<20} {cells}\n")
        sys.stdout.flush()


def temperatures(clips: Sequence[Clip], group: str, draws: int) -> None:
    """Print the expected calibration error of heads of three examples, for several temperatures."""
    mine = [clip for clip in clips if clip.group == group and not clip.mirrored]
    rng = np.random.default_rng(0)
    found: Dict[float, List[Tuple[np.ndarray, np.ndarray]]] = {}
    for _ in range(draws):
        for person in sorted({clip.person for clip in mine}):
            head = fit_head(draw(mine, person, 3, rng, False))
            theirs = [clip for clip in mine if clip.person == person]
            truth = np.concatenate([np.full(len(clip.features), head.labels.id(clip.kind)) for clip in theirs])
            for value in TEMPERATURES:
                scores = _scores(replace(head, temperature=value), _rows(theirs))
                found.setdefault(value, []).append((scores, truth))
    cells = [(value, *map(np.concatenate, zip(*pairs))) for value, pairs in found.items()]
    text = "  ".join(f"T = {value:g}: {100 * calibration_error(scores, truth):.1f} %" for value, scores, truth in cells)
    sys.stdout.write(f"expected calibration error {group} {text}\n")
    sys.stdout.flush()


def fresh(clips: Sequence[Clip], count: int, draws: int, least: float) -> None:
    """Print the same for heads as they are taught, with the background that `base_head.py` gives the bundles."""
    mine = [clip for clip in clips if clip.group == "gestures" and not clip.mirrored]
    base = Head(LabelMap(["nothing"]), kept=1, background=carried(clips))
    tested = [_stretch(clip) for clip in clips if clip.group in BACKGROUND and clip.group != "idle"]
    hours = sum(len(features) for _, features in tested) * PERIOD_SEC / 3600
    rng, found, named = np.random.default_rng(0), [], []
    for _ in range(draws):
        for person in ("1", "2", "3"):
            head = fit_head(draw(mine, person, count, rng, False), base)
            found.append(count_alarms(head, tested, least))
            for clip in mine:
                if clip.person == person:
                    scores, novelty = head.apply(clip.features, _none(clip.features))
                    right = (novelty <= 1) & (scores.argmax(axis=1) == head.labels.id(clip.kind))
                    named.append(_longest(right) >= 1 + round(least / PERIOD_SEC))
    sys.stdout.write(
        f"fresh, {count} examples: per hour {np.mean(found) / hours:.2f} ({np.mean(found):.2f} in {hours:.2f} h), "
        f"showings named {100 * np.mean(named):.1f} %\n"
    )
    sys.stdout.flush()


def alarms(clips: Sequence[Clip], count: int, draws: int, least: float) -> None:
    """Print false alarms per hour on background that calibration did not see, and recall."""
    mine = [clip for clip in clips if clip.group == "gestures" and not clip.mirrored]
    background = [clip for clip in clips if clip.group in BACKGROUND]
    sources = sorted({_source(clip) for clip in background})
    rng = np.random.default_rng(0)
    before, after, hours, recalls, named = 0.0, 0.0, 0.0, [], []
    worst: Dict[str, int] = {}
    for _ in range(draws):
        for person in ("1", "2", "3"):
            head = fit_head(draw(mine, person, count, rng, False))
            held_out = [clip for clip in mine if clip.person == person]
            for source in sources:
                stretches = [_stretch(clip) for clip in background if _source(clip) != source]
                tested = [_stretch(clip) for clip in background if _source(clip) == source]
                calibrated = calibrate(head, stretches, PERIOD_SEC, 2.0, min_duration_sec=least).head
                seen = sum(len(features) for _, features in tested) * PERIOD_SEC / 3600
                fresh = count_alarms(calibrated, tested, least)
                before += count_alarms(head, tested, least)
                after, hours = after + fresh, hours + seen
                worst[source] = worst.get(source, 0) + fresh
                for clip in held_out:
                    scores, novelty = calibrated.apply(clip.features, _none(clip.features))
                    right = (novelty <= 1) & (scores.argmax(axis=1) == calibrated.labels.id(clip.kind))
                    recalls.append(right.mean())
                    named.append(_longest(right) >= 1 + round(least / PERIOD_SEC))
    repeats = 3 * draws
    sys.stdout.write(
        f"alarms, {count} examples: per hour before {before / hours:.0f}, after {after / hours:.2f} "
        f"({after / repeats:.2f} in {hours / repeats:.2f} h); right predictions {100 * np.mean(recalls):.1f} %, "
        f"showings named {100 * np.mean(named):.1f} %; by source "
        f"{ {name: number / repeats for name, number in worst.items() if number} }\n"
    )
    sys.stdout.flush()


def count_alarms(head: Head, stretches: Sequence[Tuple[np.ndarray, np.ndarray]], least: float) -> int:
    """Labels that begin and last."""
    found = 0
    for probabilities, features in stretches:
        scores, novelty = head.apply(features, probabilities)
        best = scores.argmax(axis=1) if novelty is None else np.where(novelty > 1, -1, scores.argmax(axis=1))
        edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
        found += sum(b - a >= 1 + round(least / PERIOD_SEC) and best[a] >= 0 for a, b in zip(edges, edges[1:]))
    return found


def _scores(head: Head, rows: np.ndarray) -> np.ndarray:
    return head.apply(rows, _none(rows))[0].astype(np.float64)


def _energy(head: Head, rows: np.ndarray) -> np.ndarray:
    logits = -head.distances(rows) / (2 * head.temperature)
    highest = logits.max(axis=1)
    energy: np.ndarray = -(highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1)))
    return energy


def _cosine(head: Head, rows: np.ndarray) -> np.ndarray:
    unit = head.means / np.linalg.norm(head.means, axis=1, keepdims=True)
    closest: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True) @ unit.T).max(axis=1)
    return -closest


MEASURES: Dict[str, Callable[[Head, np.ndarray], np.ndarray]] = {
    "maximum probability": lambda head, rows: -_scores(head, rows).max(axis=1),
    "energy": _energy,
    "cosine": _cosine,
    "Euclidean distance": lambda head, rows: np.square(rows[:, None] - head.means).sum(axis=2).min(axis=1),
    "Mahalanobis distance": lambda head, rows: head.distances(rows).min(axis=1),
}


def _auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    ranks = np.concatenate([inside, outside]).argsort().argsort() + 1.0
    above = ranks[len(inside) :].sum() - len(outside) * (len(outside) + 1) / 2
    return float(above / (len(inside) * len(outside)))


def _source(clip: Clip) -> str:
    return clip.group if clip.group in ("idle", "mixed") else clip.name


def _rows(clips: Sequence[Clip]) -> np.ndarray:
    return np.concatenate([clip.features for clip in clips]).astype(np.float64)


def _none(rows: np.ndarray) -> np.ndarray:
    return np.zeros((len(rows), 0), np.float32)


def _stretch(clip: Clip) -> Tuple[np.ndarray, np.ndarray]:
    return _none(clip.features), clip.features


def _longest(right: np.ndarray) -> int:
    longest = run = 0
    for value in right.tolist():
        run = run + 1 if value else 0
        longest = max(longest, run)
    return longest


if __name__ == "__main__":
    main()
