"""Metadata of an `.onnx` bundle: spec, labels and origin of the weights, in the same file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import LabelError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

FORMAT_VERSION = 4
# Formats 2 and 3 give no features. Format 2 has no lookahead in its spec; all its CoX3Ds have "full".
READABLE_VERSIONS = ("2", "3", "4")
PREFIX = "opendr_har."
HEAD = PREFIX + "head"

# Names of the graph's inputs and outputs; the state is described in backends/state_buffers.py.
FRAMES, PROBABILITIES, FEATURES = "frames", "probabilities", "features"
STATE, NEXT = "state.", "next."
BATCH = "batch"  # the leading axis
ENTERING = ".entering"  # suffix of operators that only bring a state into the layout of convolutions

# How the weights are stored.
FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
PRECISIONS = (FLOAT32, FLOAT16, INT8)

LONGEST_REASON = 1000
# Raised by values of a wrong type, endless numbers and endlessly nested lists.
_MALFORMED = (AttributeError, OverflowError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class BundleMetadata:
    """Everything but the weights.

    Attributes:
        spec: what the network is and what input it expects.
        labels: class names of the graph, one per probability.
        source: origin of the weights, as text for people.
        weights_sha256: hex digest of the weight file, or of the weights themselves.
        delays: for each queue of the state that stays zero at first, the number of steps.
        tuned_for: the runtime and processor that the graph was tuned for; "" for a graph that runs anywhere.
        precision: how weights are stored: "float32", "float16", or "int8" where that is exact and "float16" otherwise.
            The computation is in float32.
        features: number of features that the graph gives beside the probabilities; 0 in formats 2 and 3.
        head: what turns features and probabilities into the bundle's scores, if it is not the graph alone.
    """

    spec: ModelSpec
    labels: LabelMap
    source: str
    weights_sha256: str
    delays: Mapping[str, int] = field(default_factory=dict)
    tuned_for: str = ""
    precision: str = FLOAT32
    features: int = 0
    head: Optional[Head] = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ModelError(f"precision is {self.precision!r}, expected one of {PRECISIONS}")
        if len(self.labels) != self.spec.num_classes:
            raise ModelError(
                f"{len(self.labels)} class names for a model of {self.spec.num_classes} classes; give one per class"
            )

    def to_properties(self) -> Dict[str, str]:
        """Metadata properties of the ONNX model."""
        properties = {
            PREFIX + "format_version": str(FORMAT_VERSION),
            PREFIX + "spec": json.dumps(self.spec.to_dict(), sort_keys=True),
            PREFIX + "labels": json.dumps(list(self.labels)),
            PREFIX + "source": self.source,
            PREFIX + "weights_sha256": self.weights_sha256,
            PREFIX + "delays": json.dumps(dict(self.delays), sort_keys=True),
            PREFIX + "tuned_for": self.tuned_for,
            PREFIX + "precision": self.precision,
            PREFIX + "features": str(self.features),
        }
        return properties if self.head is None else {**properties, HEAD: self.head.to_text()}

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], where: str) -> BundleMetadata:
        """Read `to_properties`; raises ModelError, naming `where`, for another format or malformed content."""
        version = properties.get(PREFIX + "format_version")
        if version is None:
            raise ModelError(f"{where} is an ONNX model without metadata of a bundle; use 'opendr-har export'")
        if version not in READABLE_VERSIONS:
            readable = f"{READABLE_VERSIONS[0]} to {READABLE_VERSIONS[-1]}"
            raise ModelError(
                f"{where} has bundle format {version[:20]}, this version reads {readable}; export it again"
            )
        try:
            spec, features = ModelSpec.from_dict(_json(properties, "spec")), int(properties.get(PREFIX + "features", 0))
            return cls(
                spec=spec,
                labels=LabelMap(_json(properties, "labels")),
                source=properties[PREFIX + "source"],
                weights_sha256=properties[PREFIX + "weights_sha256"],
                delays={str(queue): int(steps) for queue, steps in _json(properties, "delays").items()},
                tuned_for=properties[PREFIX + "tuned_for"],
                precision=properties.get(PREFIX + "precision", FLOAT32),
                features=features,
                head=Head.from_text(properties[HEAD], features, spec) if HEAD in properties else None,
            )
        except KeyError as error:
            raise ModelError(f"{where} lacks the metadata entry {error}; export it again") from None
        except (ModelError, LabelError, *_MALFORMED) as error:
            raise ModelError(f"{where} has unusable metadata: {str(error)[:LONGEST_REASON]}") from None


def _json(properties: Mapping[str, str], name: str) -> Any:
    return json.loads(properties[PREFIX + name])
