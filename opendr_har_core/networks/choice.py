"""Choice of the network to build: as requested, else as the weight file says, else a default."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import Any, Dict, Optional

from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
from opendr_har_core.networks.config import X3DConfig, x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import CLIP, FULL, NONE, TRAINED_ON_SHORT_CLIPS


@dataclass(frozen=True)
class NetworkChoice:
    """A requested network; None leaves a choice open until it is settled.

    Attributes:
        architecture: "x3d" or "cox3d".
        size: "xs", "s", "m" or "l".
        window: number of steps that a CoX3D averages; None for an X3D.
        lookahead: "full" or "none" of a CoX3D; None for an X3D.
    """

    architecture: Optional[str] = None
    size: Optional[str] = None
    window: Optional[int] = None
    lookahead: Optional[str] = None

    def settled(self, facts: Optional[NetworkFacts], default: NetworkChoice) -> NetworkChoice:
        """Fill open choices from `facts` about the weights to load, then from `default`, which must have a size.

        A lookahead that is still open becomes "none" for weights that were trained on short clips, else "full". X3D and
        CoX3D with any window and lookahead take the same weights, so each can be requested. Raises ConfigError for
        another size than that of the weights, and for a window or lookahead of an X3D.
        """
        if facts is not None:
            facts.check(size=self.size)
        choice = self._filled_in(_told(facts))
        if (choice.architecture or default.architecture) == CLIP:
            for name in ("window", "lookahead"):
                if getattr(self, name) is not None:
                    value = getattr(self, name)
                    raise ConfigError(f"{name} is {value}, but only cox3d has a {name}; leave it out for x3d")
            return NetworkChoice(CLIP, choice.size or default.size)
        choice = choice._filled_in(default)
        fitting = NONE if choice.size in TRAINED_ON_SHORT_CLIPS else FULL
        choice = replace(choice, lookahead=choice.lookahead or fitting)
        return replace(choice, window=choice.config.frames if choice.window is None else choice.window)

    @property
    def config(self) -> X3DConfig:
        """Shape of a settled network; raises ConfigError for an unknown size or lookahead."""
        return x3d_config(str(self.size), self.lookahead or FULL)

    def to_dict(self) -> Dict[str, Any]:
        """The choices by the names of their options, for a record of the run."""
        return dict(zip(("network", "size", "window", "lookahead"), astuple(self)))

    def build(self, num_classes: int) -> X3D:
        """Build a settled network with random weights."""
        if self.architecture == CLIP:
            return X3D(self.config, num_classes)
        return CoX3D(self.config, num_classes, self.window)

    def _filled_in(self, other: NetworkChoice) -> NetworkChoice:
        return NetworkChoice(*(theirs if own is None else own for own, theirs in zip(astuple(self), astuple(other))))


def _told(facts: Optional[NetworkFacts]) -> NetworkChoice:
    """Choices of a weight file; a clip network has no window and no lookahead for a CoX3D."""
    if facts is None:
        return NetworkChoice()
    spec = facts.spec
    if spec.is_continual:
        return NetworkChoice(spec.architecture, spec.size, spec.window, spec.lookahead)
    return NetworkChoice(spec.architecture, spec.size)
