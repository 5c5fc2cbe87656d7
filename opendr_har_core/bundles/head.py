"""Heads: what turns a network's features into the scores of a bundle, in place of its own classifier or beside it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

import numpy as np

from opendr_har_core.errors import LabelError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

LONGEST_REASON = 500
GRAPH = -1  # owner of the means that belong to the graph's classifier
FLOAT16, FLOAT32 = "<f2", "<f4"
SMALLEST_SCORE = 1e-12


def _none() -> np.ndarray:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class Head:
    """Gaussian classes of one covariance in the space of features: linear discriminant analysis.

    The squared Mahalanobis distance of features x from a mean m is `precision (|x - m|^2 - |D (x - m)|^2)`, with the
    directions D in which the features of one class differ. The scores are the softmax of `-distance / (2 temperature)`
    (Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 4.3). Means that the graph owns
    compete as one group: its share of the score is divided by the probabilities of the graph's classifier, so that
    these classes stay ranked as they were. The distance also says whether the features belong to no class (Lee et al.,
    NeurIPS 2018). Beside classes of the graph, a taught class competes only within its limit.

    Attributes:
        labels: class names, one per score; first the `kept` ones of the graph.
        means: float32 (m, F); if the graph owns them all, the scores are those of the graph.
        owners: int (m,), the class of each mean, or GRAPH.
        directions: float32 (k, F), of norm below 1.
        precision: one over the variance across all directions.
        kept: number of classes of the graph among the labels: none or all of them.
        temperature: divides the distances.
        graph_temperature: divides the logarithms of the graph's probabilities (Guo et al., ICML 2017).
        limits: float32 (n,), the distance of the farthest features that belong to each class (if none is taught, one
            minus the score); None if nothing is rejected.
        background: float32 (r, F), features of something else, for the limits of later heads.
    """

    labels: LabelMap
    means: np.ndarray = field(default_factory=_none)
    owners: Tuple[int, ...] = ()
    directions: np.ndarray = field(default_factory=_none)
    precision: float = 1.0
    kept: int = 0
    temperature: float = 1.0
    graph_temperature: float = 1.0
    limits: Optional[np.ndarray] = None
    background: np.ndarray = field(default_factory=_none)

    def __post_init__(self) -> None:
        """Raises ModelError for parts that do not fit each other."""
        count, width = len(self.labels), self.width
        for name in ("means", "directions", "background"):
            array = getattr(self, name)
            if array.ndim != 2 or (len(array) and array.shape[1] != width) or not np.isfinite(array).all():
                raise ModelError(f"the {name} of a head have the shape {array.shape}, expected finite rows of {width}")
        if len(self.means) != len(self.owners):
            raise ModelError(f"a head has {len(self.means)} means of {len(self.owners)} owners")
        if not (0 <= self.kept <= count and all(GRAPH <= owner < count for owner in self.owners)):
            raise ModelError(f"a head of {count} labels can't keep {self.kept} classes and have means of {self.owners}")
        for name in ("precision", "temperature", "graph_temperature"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ModelError(f"{name} of a head is {getattr(self, name)!r}, expected a number above zero")
        is_complete = set(range(self.kept, count)) <= set(self.owners)
        if not is_complete or (len(self.owners) > 0 and (self.kept > 0) != (GRAPH in self.owners)):
            raise ModelError("a head needs a mean for each taught class, and one of the graph's to keep its classes")
        if self.limits is not None and not (self.limits.shape == (count,) and (self.limits > 0).all()):
            raise ModelError("a head needs a limit above zero for each label")

    @property
    def width(self) -> int:
        """Number of features; 0 if the head needs none."""
        return int(max(self.means.shape[-1], self.background.shape[-1]))

    @property
    def taught(self) -> Tuple[str, ...]:
        """Names of the classes that have means of their own."""
        return tuple(self.labels[owner] for owner in sorted(set(self.owners) - {GRAPH}))

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distances of float32 (B, F) features from the means, float64 (B, m)."""
        offsets = np.asarray(features, np.float64)[:, None] - self.means
        found: np.ndarray = self.precision * (
            np.square(offsets).sum(axis=2) - np.square(offsets @ self.directions.T).sum(axis=2)
        )
        return found

    def apply(
        self, features: Optional[np.ndarray], probabilities: np.ndarray
    ) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        """Features (B, F) and the graph's probabilities (B, num_classes) -> scores (B, n) and novelty (B,), float32.

        A novelty above 1 means none of the classes; None without limits. Raises ModelError for a head with means and
        a bundle that gives no features.
        """
        scores, strangeness = self.measure(features, probabilities)
        if self.limits is None:
            return scores.astype(np.float32), None
        best = scores.argmax(axis=1)
        novelty = strangeness[np.arange(len(best)), best] / self.limits[best]
        return scores.astype(np.float32), novelty.astype(np.float32)

    def measure(self, features: Optional[np.ndarray], probabilities: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """As `apply`, but with what the limits are compared to, float64 (B, n), in place of the novelty."""
        scores = np.zeros((len(probabilities), len(self.labels)))
        if self.kept:
            scores[:, : self.kept] = probabilities
            if self.graph_temperature != 1:
                scores[:, : self.kept] = _softmax(np.log(probabilities + SMALLEST_SCORE) / self.graph_temperature)
        if not self.taught:
            return scores, 1 - scores
        if features is None:
            raise ModelError("the head needs features, but the bundle gives none: export it again")
        distances, owners = self.distances(features), np.array(self.owners)
        is_graph = owners == GRAPH
        if self.kept and self.limits is not None:
            distances[:, ~is_graph] = np.where(
                distances[:, ~is_graph] <= self.limits[owners[~is_graph]], distances[:, ~is_graph], np.inf
            )
        shares = _softmax(-distances / (2 * self.temperature))
        scores[:, : self.kept] *= shares[:, is_graph].sum(axis=1, keepdims=True)
        strangeness = np.full_like(scores, np.inf)
        strangeness[:, : self.kept] = distances[:, is_graph].min(axis=1, initial=np.inf)[:, None]
        for column, owner in enumerate(owners):
            if owner != GRAPH:
                scores[:, owner] += shares[:, column]
                found = distances[:, column]
                if owner < self.kept:  # beyond the limit, it is the graph that names this class
                    strangeness[:, owner] = np.where(np.isinf(found), 0, found)
                else:
                    strangeness[:, owner] = np.minimum(strangeness[:, owner], found)
        return scores, strangeness

    def check(self, width: int, spec: ModelSpec) -> None:
        """Raise ModelError unless the head fits a network of `spec` that gives `width` features."""
        if self.width not in (0, width):
            raise ModelError(f"a head for {self.width} features does not fit {spec.name}, which gives {width}")
        if self.kept not in (0, spec.num_classes):
            raise ModelError(f"a head that keeps {self.kept} classes does not fit {spec.name} of {spec.num_classes}")

    def to_text(self) -> str:
        """The head as text, for a bundle or a file; arrays of features in half precision."""
        values: Dict[str, Any] = {
            "labels": list(self.labels),
            "means": _packed(self.means, FLOAT16),
            "owners": list(self.owners),
            "directions": _packed(self.directions, FLOAT16),
            "precision": self.precision,
            "kept": self.kept,
            "temperature": self.temperature,
            "graph_temperature": self.graph_temperature,
            "limits": None if self.limits is None else _packed(self.limits, FLOAT32),
            "background": _packed(self.background, FLOAT16),
        }
        return json.dumps(values)

    @classmethod
    def from_text(cls, text: str, width: int, spec: ModelSpec) -> Head:
        """Read `to_text` for a network of `spec` that gives `width` features; raises ModelError."""
        try:
            values = json.loads(text)
            head = cls(
                LabelMap(values["labels"]),
                _unpacked(values["means"]),
                tuple(int(owner) for owner in values["owners"]),
                _unpacked(values["directions"]),
                float(values["precision"]),
                int(values["kept"]),
                float(values["temperature"]),
                float(values["graph_temperature"]),
                None if values["limits"] is None else _unpacked(values["limits"]),
                _unpacked(values["background"]),
            )
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError, LabelError, ModelError) as error:
            raise ModelError(f"the head is not valid: {str(error)[:LONGEST_REASON]}") from None
        head.check(width, spec)
        return head


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _packed(array: np.ndarray, dtype: str) -> Dict[str, Any]:
    content = base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()
    return {"dtype": dtype, "shape": list(array.shape), "base64": content}


def _unpacked(values: Dict[str, Any]) -> np.ndarray:
    if values["dtype"] not in (FLOAT16, FLOAT32):
        raise ModelError(f"its arrays are of {values['dtype']!r}, expected {FLOAT16!r} or {FLOAT32!r}")
    content = base64.b64decode(values["base64"], validate=True)
    array = np.frombuffer(content, values["dtype"]).reshape([int(side) for side in values["shape"]])
    return array.astype(np.float32)
