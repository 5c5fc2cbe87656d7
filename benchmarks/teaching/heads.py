"""Accuracy of heads taught from a few showings by other persons: which head, how many examples, which base.

python benchmarks/teaching/heads.py features_default.npz features_kinetics400.npz [--draws 20] [--output heads.json]

Each person is left out in turn; each draw takes other examples of the remaining persons. A video counts as right if the
mean of its scores names its action.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np
from footage import Clip, read_clips

from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.teaching.fit import fit_head

COUNTS = (1, 3, 5)
Scorer = Callable[[np.ndarray], np.ndarray]
Examples = Dict[str, List[np.ndarray]]


def discriminant(examples: Examples) -> Scorer:
    """The head of this package."""
    head = fit_head(examples)
    return lambda features: head.apply(features, np.zeros((len(features), 0), np.float32))[0]


def nearest_mean(examples: Examples) -> Scorer:
    """Nearest class mean by the cosine."""
    means = _unit(np.stack([np.concatenate(group).mean(axis=0) for group in examples.values()]))
    return lambda features: _unit(features) @ means.T


def ridge(examples: Examples, strength: float = 0.1) -> Scorer:
    """Ridge regression on one-hot classes, of features of length 1, in the dual form."""
    rows, classes = _rows(examples)
    rows, targets = _unit(rows), 2 * np.eye(len(examples))[classes] - 1
    mean, offset = rows.mean(axis=0), targets.mean(axis=0)
    kernel = (rows - mean) @ (rows - mean).T
    regular = kernel + strength * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
    weights = (rows - mean).T @ np.linalg.solve(regular, targets - offset)
    return lambda features: (_unit(features) - mean) @ weights + offset


def logistic(examples: Examples, penalty: float = 0.1, steps: int = 150) -> Scorer:
    """Multinomial logistic regression by accelerated gradient descent, on features of unit variance."""
    rows, classes = _rows(examples)
    mean, targets = rows.mean(axis=0), np.eye(len(examples))[classes]
    scale = np.sqrt(np.square(rows - mean).sum(axis=1).mean())
    inputs = np.hstack([(rows - mean) / scale, np.ones((len(rows), 1))])
    rate = 1 / (0.5 * np.linalg.norm(inputs, 2) ** 2 / len(rows) + penalty / len(rows))
    weights = ahead = np.zeros((inputs.shape[1], len(examples)))
    for step in range(steps):
        slope = inputs.T @ (_softmax(inputs @ ahead) - targets) / len(rows) + penalty / len(rows) * ahead
        previous, weights = weights, ahead - rate * slope
        ahead = weights + step / (step + 3) * (weights - previous)
    return lambda features: np.hstack([(features - mean) / scale, np.ones((len(features), 1))]) @ weights


HEADS = {"nearest class mean": nearest_mean, "ridge": ridge, "logistic regression": logistic, "LDA": discriminant}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", nargs="+", type=Path, help="files that footage.py wrote")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--output", type=Path, help="write results here, .json")
    options = parser.parse_args()
    results: Dict[str, Dict[str, List[List[float]]]] = {}
    for path in options.features:
        clips = read_clips(path)
        for group in ("gestures", "silhouettes"):
            mine = [clip for clip in clips if clip.group == group]
            variants = [(name, name, False) for name in HEADS] + [("LDA, mirrored too", "LDA", True)]
            for title, name, mirrored in variants:
                found, confused = accuracy(mine, HEADS[name], options.draws, mirrored)
                results.setdefault(f"{path.stem} {group}", {})[title] = found
                cells = "  ".join(f"{mean:5.1f} +- {spread:3.1f}" for mean, spread in found)
                sys.stdout.write(f"{path.stem} {group} {title:<20} {cells}\n")
                if name == "LDA":
                    worst = ", ".join(f"{a} as {b} {n}" for (a, b), n in confused.most_common(6))
                    sys.stdout.write(f"    with {COUNTS[-1]} examples: {worst}\n")
                sys.stdout.flush()
        examples = draw([clip for clip in clips if clip.group == "silhouettes"], "", 5, np.random.default_rng(0), False)
        began = time.process_time()
        fit_head(examples)
        sys.stdout.write(f"{path.stem}: ten classes of five examples fitted in {time.process_time() - began:.3f} s\n")
    if options.output:
        with atomic_path(options.output) as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


def accuracy(
    clips: Sequence[Clip], fit: Callable[[Examples], Scorer], draws: int, mirrored: bool
) -> Tuple[List[Tuple[float, float]], Counter]:
    """Mean and standard deviation over the draws, in %, for each of COUNTS; the errors with the most examples."""
    found, confused = [], Counter()
    tested = [clip for clip in clips if not clip.mirrored]
    for count in COUNTS:
        rng, shares = np.random.default_rng(0), []
        for _ in range(draws):
            right = 0
            for person in sorted({clip.person for clip in clips}):
                examples = draw(clips, person, count, rng, mirrored)
                scorer, names = fit(examples), list(examples)
                for clip in tested:
                    if clip.person == person:
                        named = names[int(scorer(clip.features).mean(axis=0).argmax())]
                        right += named == clip.kind
                        if count == COUNTS[-1] and named != clip.kind:
                            confused[clip.kind, named] += 1
            shares.append(100 * right / len(tested))
        found.append((float(np.mean(shares)), float(np.std(shares))))
    return found, confused


def draw(
    clips: Sequence[Clip], person: str, count: int, rng: np.random.Generator, mirrored: bool, kinds: Sequence[str] = ()
) -> Examples:
    """`count` examples of each kind by other persons than `person`, with their mirror images if `mirrored`."""
    examples: Examples = {}
    for kind in kinds or sorted({clip.kind for clip in clips}):
        names = sorted({clip.name for clip in clips if clip.kind == kind and clip.person != person})
        chosen = set(rng.choice(names, min(count, len(names)), replace=False).tolist())
        examples[kind] = [clip.features for clip in clips if clip.name in chosen and (mirrored or not clip.mirrored)]
    return examples


def _rows(examples: Examples) -> Tuple[np.ndarray, np.ndarray]:
    rows = [np.concatenate(group).astype(np.float64) for group in examples.values()]
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(group) for group in rows])


def _unit(rows: np.ndarray) -> np.ndarray:
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shares


if __name__ == "__main__":
    main()
