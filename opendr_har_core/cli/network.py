"""The network for a weight file: by options, else as the file says, else by default."""

from __future__ import annotations

import argparse
from typing import Optional, Tuple

from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
from opendr_har_core.networks.choice import NetworkChoice
from opendr_har_core.spec import CONTINUAL, TRAINING_LOOKAHEAD, ModelSpec

DEFAULT = NetworkChoice(CONTINUAL, "s")
TRAINED = NetworkChoice(CONTINUAL, "s", None, TRAINING_LOOKAHEAD)


def chosen_network(
    options: argparse.Namespace, weights: Optional[str], default: NetworkChoice = DEFAULT
) -> Tuple[NetworkChoice, Optional[NetworkFacts]]:
    """(network to build for the file `weights` by the flags of `add_network`, facts in the file or None).

    Raises ConfigError for flags that contradict the file or each other, CheckpointError for an unreadable file.
    """
    facts = NetworkFacts.read(weights) if weights else None
    choice = NetworkChoice(options.network, options.size, options.window, options.lookahead)
    return choice.settled(facts, default), facts


def described(spec: ModelSpec) -> str:
    """A network as text: "x3d_s", or "cox3d_s (lookahead none, window 13)"."""
    if not spec.is_continual:
        return spec.name
    return f"{spec.name} (lookahead {spec.lookahead}, window {spec.window})"
