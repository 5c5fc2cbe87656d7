"""What a motion is, and how motions are put together."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from typing import Callable

import numpy as np

from opendr_har_core.synthetic.figure import Pose

# One way to do an action: seconds -> pose.
Motion = Callable[[float], Pose]
# Where the many ways come from.
Style = np.random.Generator


def either_side(style: Style, motion: Motion) -> Motion:
    """With left and right exchanged in half of the cases."""
    if style.random() < 0.5:
        return motion

    def mirrored(time: float) -> Pose:
        pose = motion(time)
        return replace(
            pose,
            left_arm=pose.right_arm,
            right_arm=pose.left_arm,
            left_leg=pose.right_leg,
            right_leg=pose.left_leg,
            tilt=-pose.tilt,
            look=-pose.look,
            turn=-pose.turn,
        )

    return mirrored


def there_and_back(turns: float, hold: float) -> float:
    """0 to 1 and back to 0, softly, once a turn; stays at 1 for `hold` of it, at 0 for a tenth."""
    at = turns % 1.0
    slope = (0.9 - hold) / 2
    if at > 0.9:
        return 0.0
    return float(0.5 - 0.5 * np.cos(pi * min(at / slope, 1.0, (0.9 - at) / slope)))
