"""Joint angles over time: one function per action, phase in radians -> pose."""

from __future__ import annotations

from math import pi, sin
from typing import Callable, Dict, Tuple

from opendr_har_core.synth.figure import Limb, Pose

Motion = Callable[[float], Pose]


def standing_still(phase: float) -> Pose:
    """Only breathing and swaying."""
    return Pose(lean=0.02 * sin(phase / 2), position=(0.01 * sin(phase / 3), 0.0))


def walking(phase: float) -> Pose:
    """Legs and arms swing against each other; the figure crosses the view and turns back."""
    swing = sin(phase)
    knee = 0.35 + 0.35 * sin(phase + pi / 2)
    return Pose(
        left_arm=Limb(forward=-0.6 * swing, sideways=0.1, bend=0.35),
        right_arm=Limb(forward=0.6 * swing, sideways=0.1, bend=0.35),
        left_leg=Limb(forward=0.55 * swing, bend=knee),
        right_leg=Limb(forward=-0.55 * swing, bend=0.7 - knee),
        position=(0.45 * sin(phase / 6), 0.02 * abs(swing)),
    )


def waving_one_hand(phase: float) -> Pose:
    """The right forearm swings above a raised elbow."""
    return Pose(right_arm=Limb(sideways=1.9, bend_sideways=0.9 + 0.7 * sin(phase)))


def raising_both_arms(phase: float) -> Pose:
    """Both arms go from the sides to overhead and back."""
    raised = 1.5 - 1.35 * sin(phase * 0.6)
    return Pose(left_arm=Limb(sideways=raised), right_arm=Limb(sideways=raised))


def jumping(phase: float) -> Pose:
    """Crouch, leave the ground, land."""
    height = 0.22 * max(sin(phase), 0.0)
    crouch = 0.9 * max(-sin(phase), 0.0)
    leg = Limb(forward=crouch, sideways=0.05, bend=2 * crouch)
    arm = Limb(forward=0.4 + 0.8 * sin(phase), sideways=0.15, bend=0.4)
    down = 0.5 * (1 - 0.62) * crouch / 0.9
    return Pose(arm, arm, leg, leg, lean=0.3 * crouch, position=(0.0, height - down))


def bending(phase: float) -> Pose:
    """The trunk goes down to the ground and up again, arms hanging."""
    lean = 0.75 - 0.75 * sin(phase * 0.6)
    arm = Limb(forward=lean, sideways=0.1)
    return Pose(arm, arm, lean=lean)


MOTIONS: Dict[str, Motion] = {
    "standing still": standing_still,
    "walking": walking,
    "waving one hand": waving_one_hand,
    "raising both arms": raising_both_arms,
    "jumping": jumping,
    "bending": bending,
}
ACTIONS: Tuple[str, ...] = tuple(MOTIONS)
