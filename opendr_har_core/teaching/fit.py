"""Fits a head to the features of a few showings of each action."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.bundles.head import GRAPH, Head
from opendr_har_core.errors import DataError
from opendr_har_core.labels import LabelMap

Examples = Mapping[str, Sequence[np.ndarray]]
# Share of the covariance that is the same in all directions; chosen by benchmarks/teaching.
SHRINKAGE = 0.9
# Directions of the covariance that are kept apart.
DIRECTIONS = 64
TEMPERATURE = 20.0


def fit_head(examples: Examples, base: Optional[Head] = None) -> Head:
    """A head for the classes of `examples`, and for those of the graph if `base` has means of them.

    An example is float32 (n, F): the features of one showing, a row for each prediction. The covariance is that of the
    rows about the mean of their class, shrunk towards a multiple of the identity (Friedman, Regularized discriminant
    analysis, JASA 1989). A class of the graph may get examples too; they add to what the graph knows. Raises DataError
    for examples without rows, of different widths, or not finite.
    """
    if not examples:
        raise DataError("there is no example to learn from: show at least one action")
    showings = {label: [_checked(example, label) for example in group] for label, group in examples.items()}
    widths = {example.shape[1] for group in showings.values() for example in group}
    if len(widths) != 1 or not all(showings.values()):
        raise DataError(f"each action needs examples of the same width, these have {sorted(widths)}: show them again")
    means = np.stack([_mean(group) for group in showings.values()])
    residuals = np.concatenate([row - mean for group, mean in zip(showings.values(), means) for row in group])
    precision, directions = _covariance(residuals)
    kept = () if base is None else base.labels.names[: base.kept]
    labels = LabelMap((*kept, *(label for label in showings if label not in kept)))
    owners = [labels.id(label) for label in showings]
    if base is not None and base.kept:
        graph = base.means[np.array(base.owners) == GRAPH]
        means, owners = np.concatenate([graph, means]), [GRAPH] * len(graph) + owners
    return Head(labels, means.astype(np.float32), tuple(owners), directions, precision, len(kept), TEMPERATURE)


def confusions(examples: Examples, base: Optional[Head] = None) -> List[Tuple[str, str, float]]:
    """(label, label it is taken for, share) of examples that a head taught from all the others gets wrong.

    The largest share first. Classes with a single example are left out, as nothing else could teach them.
    """
    wrong: Dict[Tuple[str, str], int] = {}
    # Its covariance is kept: a single example hardly changes it, and to fit it again for each takes long.
    whole = fit_head(examples, base)
    for label, group in examples.items():
        for index in range(len(group) if len(group) > 1 else 0):
            means = whole.means.copy()
            means[whole.owners.index(whole.labels.id(label))] = _mean([*group[:index], *group[index + 1 :]])
            head = replace(whole, means=means)
            nothing = np.full((len(group[index]), max(head.kept, 1)), 1 / max(head.kept, 1), np.float32)
            scores = head.apply(group[index], nothing)[0].mean(axis=0)
            named = head.labels[int(scores.argmax())]
            if named != label:
                wrong[label, named] = wrong.get((label, named), 0) + 1
    shares = [(label, named, count / len(examples[label])) for (label, named), count in wrong.items()]
    return sorted(shares, key=lambda item: -item[2])


def _checked(example: np.ndarray, label: str) -> np.ndarray:
    rows = np.asarray(example, np.float64)
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise DataError(
            f"an example of {label!r} is {rows.shape}, expected finite features (rows, width): show it again"
        )
    return rows


def _mean(group: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of the means: each showing counts the same, however long it is."""
    mean: np.ndarray = np.mean([example.mean(axis=0) for example in group], axis=0)
    return mean


def _covariance(residuals: np.ndarray) -> Tuple[float, np.ndarray]:
    """(precision, directions) of the shrunk covariance, as in `Head`."""
    rows, width = residuals.shape
    total = np.square(residuals).sum() / rows
    common = max(SHRINKAGE * total / width, 1e-9)
    _, spread, axes = np.linalg.svd(residuals, full_matrices=False)
    variances = (1 - SHRINKAGE) * np.square(spread[:DIRECTIONS]) / rows
    scale = np.sqrt(variances / (variances + common))
    return float(1 / common), (scale[:, None] * axes[:DIRECTIONS]).astype(np.float32)
