"""Actions of the arms and the trunk, on the spot."""

from __future__ import annotations

from math import pi, sin

from opendr_har_core.synthetic.figure import Limb, Pose
from opendr_har_core.synthetic.motion import Motion, Style, either_side, there_and_back
from opendr_har_core.synthetic.postures import resting_arms, standing_legs, swaying, talking_arm, waving_arm


def no_activity(style: Style) -> Motion:
    """Stands or sits: breathes, sways, looks around, or talks with the hands before the chest."""
    legs, arms = standing_legs(style), resting_arms(style)
    talks = style.random() < 0.45
    talking = (talking_arm(style), talking_arm(style) if style.random() < 0.6 else lambda _: arms[1])
    if style.random() < 0.2:
        legs = (Limb(forward=1.5, sideways=0.15, bend=style.uniform(1.2, 1.7)),) * 2
    sway, look = style.uniform(0, 0.03), style.uniform(0, 0.6)
    slow, lean = style.uniform(0.6, 2.0), style.uniform(-0.03, 0.12)

    def pose(time: float) -> Pose:
        wave = sin(slow * time)
        left, right = (arm(time) for arm in talking) if talks else arms
        return Pose(left, right, *legs, lean=lean + sway * wave, tilt=sway * sin(1.3 * slow * time), look=look * wave)

    return pose


def waving_one_hand(style: Style) -> Motion:
    """A forearm swings above its elbow, or a raised arm swings as a whole."""
    still = resting_arms(style)[0]
    wave, legs, idle = waving_arm(style), standing_legs(style), swaying(style)

    def pose(time: float) -> Pose:
        return idle(time, Pose(still, wave(time), *legs))

    return either_side(style, pose)


def waving_both_hands(style: Style) -> Motion:
    """Both arms wave, against each other or side by side."""
    wave, legs, idle = waving_arm(style), standing_legs(style), swaying(style)
    delay = style.uniform(0, 0.4) if style.random() < 0.4 else 0.0

    def pose(time: float) -> Pose:
        return idle(time, Pose(wave(time), wave(time + delay), *legs))

    return pose


def raising_both_arms(style: Style) -> Motion:
    """Both arms go overhead, to the front or to the sides, stay there for a moment, and come down."""
    to_front = style.random() < 0.5
    top, bend = style.uniform(2.6, 3.1), style.uniform(0.0, 0.5)
    low, spread = style.uniform(0.0, 0.3), style.uniform(0.05, 0.35)
    cycle, hold = style.uniform(2.0, 4.0), style.uniform(0.25, 0.6)
    legs, idle = standing_legs(style), swaying(style)

    def pose(time: float) -> Pose:
        raised = low + (top - low) * there_and_back(time / cycle, hold)
        half = sin(pi * (raised - low) / max(top - low, 1e-6))
        if to_front:
            arm = Limb(forward=raised, sideways=spread, bend=bend + 0.6 * half)
        else:
            arm = Limb(forward=0.3 * half, sideways=raised, bend_sideways=bend * (raised - low) / (top - low))
        return idle(time, Pose(arm, arm, *legs))

    return pose


def bending(style: Style) -> Motion:
    """The trunk goes down, as if to pick something up, and up again."""
    cycle, hold = style.uniform(1.8, 3.6), style.uniform(0.1, 0.4)
    deep, knees = style.uniform(1.1, 1.9), style.uniform(0.0, 0.8)
    reach, legs = style.uniform(-0.1, 0.5), standing_legs(style)
    one_hand = style.random() < 0.4

    def pose(time: float) -> Pose:
        down = there_and_back(time / cycle, hold)
        arm = Limb(forward=(deep * 0.9 + reach) * down, sideways=0.1, bend=0.3 * down)
        leg = Limb(forward=knees * down, sideways=legs[0].sideways, bend=2 * knees * down)
        other = Limb(forward=-0.2 * down, sideways=0.2, bend=0.8 * down) if one_hand else arm
        return Pose(arm, other, leg, leg, lean=deep * down, nod=-0.2 * down)

    return either_side(style, pose)
