"""What a model file says about itself: the metadata inside an `.onnx` bundle.

A bundle is one ONNX file that carries weights, spec, labels and origin, so that deploying a model is copying a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping

from opendr_har_core.errors import LabelError, ModelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import ModelSpec

FORMAT_VERSION = 3
# Format 2 has no lookahead in its spec: all its CoX3Ds have "full".
READABLE_VERSIONS = ("2", "3")
PREFIX = "opendr_har."

# Names of the graph's inputs and outputs. A queue of the state is read as the inputs `state.<queue>.0` (the newest
# entry), `state.<queue>.1`, ...; the output `next.<queue>` is what enters it.
FRAMES, PROBABILITIES = "frames", "probabilities"
STATE, NEXT = "state.", "next."
BATCH = "batch"  # the leading axis of them all
ENTERING = ".entering"  # ends the name of an operator that only brings a state in

# What the weights are rounded to, in a quantised bundle by more than the network's own float32.
FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
PRECISIONS = (FLOAT32, FLOAT16, INT8)

LONGEST_REASON = 1000
# What values of the wrong kind are refused with, numbers without end and lists without end in lists among them.
_MALFORMED = (AttributeError, OverflowError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class BundleMetadata:
    """Everything but the weights.

    Attributes:
        spec: what the network is and expects.
        labels: class names, one per score.
        source: where the weights come from, in words for people.
        weights_sha256: hex digest of the weight file that was converted, or of the weights themselves.
        delays: for each queue of the state that stays zero at first, the number of steps that it does.
        tuned_for: the machine and runtime that the graph was tuned for, in words; empty for a graph that runs anywhere.
        precision: what the weights are rounded to: "float32" (not at all), "float16", or "int8" for the large ones
            and "float16" for the others. It says nothing about the computation, which is in float32.
    """

    spec: ModelSpec
    labels: LabelMap
    source: str
    weights_sha256: str
    delays: Mapping[str, int] = field(default_factory=dict)
    tuned_for: str = ""
    precision: str = FLOAT32

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ModelError(f"precision is {self.precision!r}, expected one of {PRECISIONS}")
        if len(self.labels) != self.spec.num_classes:
            raise ModelError(
                f"{len(self.labels)} class names for a model of {self.spec.num_classes} classes; give one per class"
            )

    def to_properties(self) -> Dict[str, str]:
        """Key and value strings for the ONNX model's metadata."""
        return {
            PREFIX + "format_version": str(FORMAT_VERSION),
            PREFIX + "spec": json.dumps(self.spec.to_dict(), sort_keys=True),
            PREFIX + "labels": json.dumps(list(self.labels)),
            PREFIX + "source": self.source,
            PREFIX + "weights_sha256": self.weights_sha256,
            PREFIX + "delays": json.dumps(dict(self.delays), sort_keys=True),
            PREFIX + "tuned_for": self.tuned_for,
            PREFIX + "precision": self.precision,
        }

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], where: str) -> BundleMetadata:
        """Read them back; raises ModelError, naming `where`, for another format or malformed content."""
        version = properties.get(PREFIX + "format_version")
        if version is None:
            raise ModelError(f"{where} is an ONNX model without our metadata; make a bundle with 'opendr-har export'")
        if version not in READABLE_VERSIONS:
            raise ModelError(
                f"{where} has bundle format {version[:20]}, this version reads {' and '.join(READABLE_VERSIONS)}; "
                f"export it again"
            )
        try:
            return cls(
                spec=ModelSpec.from_dict(_json(properties, "spec")),
                labels=LabelMap(_json(properties, "labels")),
                source=properties[PREFIX + "source"],
                weights_sha256=properties[PREFIX + "weights_sha256"],
                delays={str(queue): int(steps) for queue, steps in _json(properties, "delays").items()},
                tuned_for=properties[PREFIX + "tuned_for"],
                precision=properties.get(PREFIX + "precision", FLOAT32),
            )
        except KeyError as error:
            raise ModelError(f"{where} lacks the metadata entry {error}; export it again") from None
        except (ModelError, LabelError, *_MALFORMED) as error:
            raise ModelError(f"{where} has unusable metadata: {str(error)[:LONGEST_REASON]}") from None


def _json(properties: Mapping[str, str], name: str) -> Any:
    return json.loads(properties[PREFIX + name])
