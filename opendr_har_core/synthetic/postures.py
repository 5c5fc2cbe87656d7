"""Arms and legs that stand, rest, talk, wave and sway: what gestures are made of."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sin
from typing import Callable, Tuple

from opendr_har_core.synthetic.figure import Limb, Pose
from opendr_har_core.synthetic.motion import Style


def standing_legs(style: Style) -> Tuple[Limb, Limb]:
    apart = style.uniform(0.02, 0.16)
    if style.random() < 0.3:
        step = style.uniform(-0.15, 0.15)
        return Limb(step, apart, 0.1), Limb(-step, apart, 0.1)
    return (Limb(sideways=apart),) * 2


def resting_arms(style: Style) -> Tuple[Limb, Limb]:
    """Hanging mostly, or on the hips, before the body, behind it, in a pocket."""
    hanging = Limb(style.uniform(-0.1, 0.2), style.uniform(0.05, 0.25), style.uniform(0.0, 0.4))
    choices = (
        Limb(-0.2, 0.75, 0.4, -1.5),
        Limb(0.2, 0.25, 1.2, -0.8),
        Limb(-0.4, 0.25, 0.2, -0.4),
        Limb(0.1, 0.35, style.uniform(0.6, 1.6), -0.2),
        Limb(0.5, 0.3, style.uniform(1.6, 2.2), -0.4),
    )
    chosen = choices[int(style.integers(len(choices)))]
    kind = style.random()
    if kind < 0.55:
        return hanging, hanging
    return (chosen, chosen) if kind < 0.8 else (chosen, hanging)


def talking_arm(style: Style) -> Callable[[float], Limb]:
    """Elbow at the side, the hand somewhere before the chest or beside it."""
    ahead, aside, bend = style.uniform(0.0, 0.7), style.uniform(0.1, 0.5), style.uniform(0.9, 2.0)
    amount, rate, outwards = style.uniform(0.05, 0.45), style.uniform(2.0, 9.0), style.uniform(-0.8, 0.4)

    def arm(time: float) -> Limb:
        wave, slower = amount * sin(rate * time), amount * sin(0.7 * rate * time)
        return Limb(ahead + 0.3 * wave, aside, bend + slower, outwards + wave)

    return arm


def waving_arm(style: Style) -> Callable[[float], Limb]:
    """One arm that waves: with the forearm, or straight."""
    rate, offset = 2 * pi * style.uniform(0.7, 2.2), style.uniform(0, 2 * pi)
    if style.random() < 0.55:
        upper, ahead = style.uniform(0.15, 1.7), style.uniform(0.0, 0.8)
        upright, amount = style.uniform(2.5, 3.3) - upper, style.uniform(0.25, 0.7)
        return lambda time: Limb(ahead, upper, 0.3 * ahead, upright + amount * sin(rate * time + offset))
    middle, amount = style.uniform(2.0, 2.7), style.uniform(0.3, 0.75)
    ahead, elbow = style.uniform(0.0, 0.3), style.uniform(0.0, 0.4)
    return lambda time: Limb(ahead, middle + amount * sin(0.7 * rate * time + offset), 0.0, elbow)


def swaying(style: Style) -> Callable[[float, Pose], Pose]:
    """What else moves while the arms act."""
    sway, slow = style.uniform(0, 0.04), style.uniform(0.7, 2.0)
    lean, turn = style.uniform(-0.05, 0.1), style.uniform(-0.25, 0.25)

    def with_sway(time: float, pose: Pose) -> Pose:
        wave = sway * sin(slow * time)
        return replace(pose, lean=lean, tilt=wave, look=4 * wave, turn=turn)

    return with_sway
