"""Weight files and training checkpoints, read without running code, and the network that they describe."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Optional, Union

import torch

from opendr_har_core.errors import CheckpointError, ConfigError, HarError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import X3D_CONFIGS, x3d_config
from opendr_har_core.spec import ModelSpec

OBJECT = re.compile(r"GLOBAL ([\w.]+)")
EXPECTED = "expected what torch.save writes of tensors and plain values, a .pth, .pyth or .ckpt file"
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


def read_tensor_file(path: Union[str, Path], what: str = "a file of weights") -> Dict[str, Any]:
    """The dictionary in a file, which messages call `what`.

    Raises CheckpointError if there is no file, or it holds something else or objects that would run code.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about foreign pickles; the error says so
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}; expected {what}") from None
    except OSError as error:
        raise CheckpointError(f"{path} can't be read as {what}: {error.strerror or error}") from None
    except Exception as error:  # torch.load raises a dozen types for broken or hostile files
        raise CheckpointError(f"{path} can't be read as {what}: {_reason(error)}") from None
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds a {type(content).__name__}, expected a dictionary of tensors")
    return content


def _reason(error: Exception) -> str:
    """Our own words: torch advises to let the file run its code."""
    found = OBJECT.search(str(error))
    if not found:
        return f"it is another kind of file, or damaged; {EXPECTED}"
    name = found[1]
    return f"it holds the Python object {name}, which could run any code; save network.state_dict() instead"
