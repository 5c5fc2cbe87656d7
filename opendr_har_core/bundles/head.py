"""Heads: what turns a network's features into the scores of a bundle, in place of its own classifier."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from opendr_har_core.errors import LabelError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

LONGEST_REASON = 500
ARRAYS = ("mean", "scale", "weight", "bias")


@dataclass(frozen=True)
class Head:
    """A linear classifier on standardised features: softmax((W (f - mean) / scale + b) / temperature).

    Attributes:
        labels: class names, one per score.
        mean, scale: float32 (F,), of the standardisation.
        weight, bias: float32 (n, F) and (n,).
        temperature: divides the logits.
    """

    labels: LabelMap
    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0

    def __post_init__(self) -> None:
        count, width = len(self.labels), self.mean.shape[-1]
        shapes = {"mean": (width,), "scale": (width,), "weight": (count, width), "bias": (count,)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ModelError(f"{name} of a head is {array.shape}, expected finite numbers of shape {shape}")
        if not count or not self.temperature > 0 or not (self.scale > 0).all():
            raise ModelError("a head needs at least one label, a temperature and scales above zero")

    def apply(self, features: np.ndarray, probabilities: np.ndarray) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        """Features (B, F) and probabilities (B, num_classes) -> scores (B, n), novelty (B,) or None; all float32.

        A novelty above 1 means none of the classes.
        """
        logits = ((features - self.mean) / self.scale @ self.weight.T + self.bias) / self.temperature
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32), None

    def check(self, width: int, spec: ModelSpec) -> None:
        """Raise ModelError unless the head fits a network of `spec` that gives `width` features."""
        if len(self.mean) != width:
            raise ModelError(f"a head for {len(self.mean)} features does not fit {spec.name}, which gives {width}")

    def to_text(self) -> str:
        """The head as text, for a bundle or a file."""
        arrays = {name: _packed(getattr(self, name)) for name in ARRAYS}
        return json.dumps({"labels": list(self.labels), "temperature": self.temperature, **arrays})

    @classmethod
    def from_text(cls, text: str, width: int, spec: ModelSpec) -> Head:
        """Read `to_text` for a network of `spec` that gives `width` features; raises ModelError."""
        try:
            values = json.loads(text)
            arrays = {name: _unpacked(values[name]) for name in ARRAYS}
            head = cls(LabelMap(values["labels"]), **arrays, temperature=float(values["temperature"]))
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError, LabelError, ModelError) as error:
            raise ModelError(f"the head is not valid: {str(error)[:LONGEST_REASON]}") from None
        head.check(width, spec)
        return head


def _packed(array: np.ndarray) -> Dict[str, Any]:
    return {
        "shape": list(array.shape),
        "float32": base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode(),
    }


def _unpacked(values: Dict[str, Any]) -> np.ndarray:
    shape: List[int] = [int(side) for side in values["shape"]]
    content = base64.b64decode(values["float32"], validate=True)
    return np.frombuffer(content, "<f4").reshape(shape).astype(np.float32)
