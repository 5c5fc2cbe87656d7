"""The network that a job makes of a weight file: by its options, by what the file says, else by defaults."""

from __future__ import annotations

import argparse
from typing import Optional, Tuple

from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
from opendr_har_core.networks.choice import Blueprint, NetworkChoice
from opendr_har_core.spec import CONTINUAL, TRAINING_LOOKAHEAD, ModelSpec

DEFAULT = NetworkChoice(CONTINUAL, "s")
TRAINED = NetworkChoice(CONTINUAL, "s", None, TRAINING_LOOKAHEAD)


def chosen_network(
    options: argparse.Namespace, weights: Optional[str], default: NetworkChoice = DEFAULT
) -> Tuple[Blueprint, Optional[NetworkFacts]]:
    """The network to build for the file `weights` by `add_network`'s options, and what the file says of its own.

    Raises ConfigError for options that contradict the file or each other, CheckpointError for an unreadable file.
    """
    facts = NetworkFacts.read(weights) if weights else None
    choice = NetworkChoice(options.network, options.size, options.window, options.lookahead)
    return choice.settled(facts, default), facts


def described(spec: ModelSpec) -> str:
    """A network for people: "x3d_s", or "cox3d_s (lookahead none, window 13)"."""
    if not spec.is_continual:
        return spec.name
    return f"{spec.name} (lookahead {spec.lookahead}, window {spec.window})"
