"""Network description inside a training checkpoint: spec and labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Optional, Union

from opendr_har_core.errors import CheckpointError, ConfigError, HarError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import X3D_CONFIGS, x3d_config
from opendr_har_core.networks.tensor_file import read_tensor_file
from opendr_har_core.spec import ModelSpec

ENTRY = "network"  # of a checkpoint; published weights and older checkpoints have none


@dataclass(frozen=True)
class NetworkFacts:
    """The network that a checkpoint belongs to.

    Attributes:
        path: of the checkpoint.
        spec: of the network as it was trained.
        labels: its classes.
    """

    path: str
    spec: ModelSpec
    labels: LabelMap

    @classmethod
    def read(cls, path: Union[str, Path]) -> Optional[NetworkFacts]:
        """Read them from a weight file; None if it has none.

        Raises CheckpointError for a file that can't be read, or whose network this version can't build.
        """
        facts = cls.of(read_tensor_file(path), path)
        if facts is not None and not _is_known(facts.spec):
            raise CheckpointError(f"{path} belongs to a network that this version does not have: {facts.spec}")
        return facts

    @classmethod
    def of(cls, content: Mapping[str, Any], path: Union[str, Path]) -> Optional[NetworkFacts]:
        """Take them from the content of a weight file; raises CheckpointError for malformed ones."""
        entry = content.get(ENTRY)
        if entry is None:
            return None
        try:
            values = entry if isinstance(entry, dict) else {}
            spec, labels = ModelSpec.from_dict(values["spec"]), LabelMap(values["labels"])
        except (HarError, KeyError, RuntimeError, TypeError) as error:  # RuntimeError by tensors in place of numbers
            raise CheckpointError(f"{path} has a malformed description of its network: {error!r}") from None
        if len(labels) != spec.num_classes:
            raise CheckpointError(f"{path} names {len(labels)} classes for a network of {spec.num_classes} classes")
        return cls(str(path), spec, labels)

    def check(self, size: Optional[str] = None, labels: Optional[LabelMap] = None) -> None:
        """Raise ConfigError if the weights have another size or other labels; None is not checked."""
        if size not in (None, self.spec.size):
            raise ConfigError(f"size is {size}, but {self.path} was trained with size {self.spec.size}; leave size out")
        if labels not in (None, self.labels):
            given = list(labels or ())
            same = takewhile(lambda pair: pair[0] == pair[1], zip(given, self.labels))
            raise ConfigError(
                f"the {len(given)} labels differ from the {len(self.labels)} that {self.path} was trained with, from "
                f"id {len(list(same))} on; leave labels out"
            )


def facts_entry(spec: ModelSpec, labels: Iterable[str]) -> Dict[str, Any]:
    """Entry of a checkpoint that `NetworkFacts` reads; plain values only."""
    return {ENTRY: {"spec": spec.to_dict(), "labels": [str(name) for name in labels]}}


def _is_known(spec: ModelSpec) -> bool:
    """Whether this version has exactly this network."""
    if spec.size not in X3D_CONFIGS:
        return False
    config = x3d_config(spec.size, spec.lookahead)
    if spec.is_continual:
        return spec == config.continual_spec(spec.num_classes, spec.window)
    return spec == config.clip_spec(spec.num_classes)
