"""The actions: each is a function that draws one way to do it."""

from __future__ import annotations

from typing import Callable, Dict, Tuple

from opendr_har_core.synthetic.gaits import jumping, jumping_jacks, running, walking
from opendr_har_core.synthetic.gestures import (
    bending,
    no_activity,
    raising_both_arms,
    waving_both_hands,
    waving_one_hand,
)
from opendr_har_core.synthetic.motion import Motion, Style

ACTIONS_OF: Dict[str, Callable[[Style], Motion]] = {
    "no activity": no_activity,
    "walking": walking,
    "running": running,
    "waving one hand": waving_one_hand,
    "waving both hands": waving_both_hands,
    "raising both arms": raising_both_arms,
    "jumping": jumping,
    "jumping jacks": jumping_jacks,
    "bending": bending,
}
ACTIONS: Tuple[str, ...] = tuple(ACTIONS_OF)
