"""Fits a head to the features of a few showings of each action."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.bundles.head import GRAPH, Head
from opendr_har_core.errors import DataError
from opendr_har_core.labels import LabelMap

Examples = Mapping[str, Sequence[np.ndarray]]
HeldOut = Tuple[str, List[np.ndarray], Head]
# Share of the covariance that is the same in all directions; 0.5 to 0.9 are about as accurate.
SHRINKAGE = 0.8
# Directions of the covariance that are kept apart.
DIRECTIONS = 64
# Least variance of a feature, as a share of its mean square: for showings that hardly differ.
LEAST_VARIANCE = 0.01
# Features are of no class beyond this share of the distance to the nearest row of the background that a head carries:
# other background comes nearer. 0.45 to 0.55 are about as good.
NEAR = 0.5
# Turns in which showings are left out, at most, so that many of them take no longer.
MOST_TURNS = 5
# Scores from distances; of 1 to 40, and of a value fitted to showings that are left out, the best calibrated.
TEMPERATURE = 20.0
NO_LIMIT = float(np.finfo(np.float32).max)


def fit_head(examples: Examples, base: Optional[Head] = None, keep_base: bool = False) -> Head:
    """A head for the classes of `examples`, and with `keep_base` for those of the graph.

    An example is float32 (n, F): the features of one showing, a row for each prediction. The covariance is that of the
    rows about the mean of their class, shrunk towards a multiple of the identity (Friedman, Regularized discriminant
    analysis, JASA 1989). The limits come from the background of `base`, the head of the bundle; without background,
    nothing is rejected. With `keep_base`, a class of the graph may get examples too; they add to what the graph knows.
    Raises DataError for examples without rows, of different widths, or not finite, and for a base without means that is
    to be kept.
    """
    if not examples or not all(examples.values()):
        raise DataError("there is no example to learn from: show each action at least once")
    checked = {label: [_checked(example, label) for example in group] for label, group in examples.items()}
    widths = sorted({example.shape[1] for group in checked.values() for example in group})
    if len(widths) != 1 or (base is not None and base.width not in (0, widths[0])):
        raise DataError(f"all examples need the same width, that of the model's features, but these have {widths}")
    if keep_base and (base is None or GRAPH not in base.owners):
        raise DataError(
            "this bundle does not say what its classes look like, so they can't be kept: use a packaged one"
        )
    head = _fitted(checked, base if keep_base else None)
    return head if base is None else limited(head, base.background)


def limited(head: Head, background: np.ndarray) -> Head:
    """The head with this background, and limits that reject it; the classes of the graph are not limited."""
    if len(background) == 0:
        return head
    nearest = NEAR * head.distances(background).min(axis=0)
    limits = np.full(len(head.labels), NO_LIMIT, np.float32)
    for owner, distance in zip(head.owners, nearest.tolist()):
        if owner != GRAPH:
            limits[owner] = max(distance, 1e-6)
    return replace(head, background=background, limits=limits)


def confusions(
    examples: Examples, base: Optional[Head] = None, keep_base: bool = False
) -> List[Tuple[str, str, float]]:
    """(label, label it is taken for, share) of examples that a head taught from all the others gets wrong.

    The largest share first. Classes with a single example are left out, as nothing else could teach them.
    """
    checked = {label: [_checked(example, label) for example in group] for label, group in examples.items()}
    wrong: Dict[Tuple[str, str], int] = {}
    tried: Dict[str, int] = {}
    for label, group, head in _held_out(checked, base if keep_base else None):
        tried[label] = tried.get(label, 0) + len(group)
        for rows in group:
            undecided = np.full((len(rows), head.kept), 1 / max(head.kept, 1), np.float32)
            named = head.labels[int(head.apply(rows, undecided)[0].mean(axis=0).argmax())]
            if named != label:
                wrong[label, named] = wrong.get((label, named), 0) + 1
    shares = [(label, named, count / tried[label]) for (label, named), count in wrong.items()]
    return sorted(shares, key=lambda item: -item[2])


def _checked(example: np.ndarray, label: str) -> np.ndarray:
    rows = np.asarray(example, np.float64)
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise DataError(
            f"an example of {label!r} is {rows.shape}, expected finite features (rows, width): show it again"
        )
    return rows


def _fitted(examples: Examples, base: Optional[Head]) -> Head:
    # Each showing counts the same, however long it is.
    means = np.stack([np.mean([rows.mean(axis=0) for rows in group], axis=0) for group in examples.values()])
    residuals = np.concatenate([rows - mean for group, mean in zip(examples.values(), means) for rows in group])
    precision, directions = _covariance(residuals, float(np.square(means).mean()))
    kept = () if base is None else base.labels.names[: base.kept]
    graph = means[:0] if base is None else base.means[np.array(base.owners) == GRAPH]
    labels = LabelMap((*kept, *(label for label in examples if label not in kept)))
    owners = (*[GRAPH] * len(graph), *(labels.id(label) for label in examples))
    return Head(
        labels,
        np.concatenate([graph, means]).astype(np.float32),
        owners,
        directions,
        precision,
        kept=len(kept),
        temperature=TEMPERATURE,
        graph_temperature=1.0 if base is None else base.graph_temperature,
    )


def _covariance(residuals: np.ndarray, mean_square: float) -> Tuple[float, np.ndarray]:
    """(precision, directions) of the shrunk covariance, as in `Head`."""
    rows, width = residuals.shape
    common = max(SHRINKAGE * np.square(residuals).sum() / rows / width, LEAST_VARIANCE * mean_square, 1e-12)
    factor = np.linalg.qr(residuals, mode="r") if rows > width else residuals  # of the same covariance, but smaller
    _, spread, axes = np.linalg.svd(factor, full_matrices=False)
    variances = (1 - SHRINKAGE) * np.square(spread[:DIRECTIONS]) / rows
    scale = np.sqrt(variances / (variances + common))
    return float(1 / common), (scale[:, None] * axes[:DIRECTIONS]).astype(np.float32)


def _held_out(examples: Examples, base: Optional[Head]) -> Iterator[HeldOut]:
    """(label, showings, head of the others) until each showing of the classes that have more than one was left out.

    In each turn, one showing of each class is left out, or every fifth.
    """
    turns = min(MOST_TURNS, max(map(len, examples.values())))
    for turn in range(turns):
        left_out = {label: list(group[turn::turns]) if len(group) > 1 else [] for label, group in examples.items()}
        others = {
            label: [rows for index, rows in enumerate(group) if len(group) == 1 or index % turns != turn]
            for label, group in examples.items()
        }
        if any(left_out.values()):
            head = _fitted(others, base)
            yield from ((label, group, head) for label, group in left_out.items() if group)
