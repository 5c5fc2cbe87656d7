"""Actions of the legs: walking, running, jumping."""

from __future__ import annotations

from math import pi, sin
from typing import Callable, Tuple

import numpy as np

from opendr_har_core.synthetic.figure import Limb, Pose
from opendr_har_core.synthetic.motion import Motion, Style


def walking(style: Style) -> Motion:
    """Legs and arms swing against each other; the figure goes to and fro."""
    return _gait(
        style,
        cycle=style.uniform(0.85, 1.3),
        speed=style.uniform(0.5, 0.95),
        stride=style.uniform(0.35, 0.6),
        knee=(0.08, style.uniform(0.6, 1.05)),
        elbow=style.uniform(0.05, 1.0),
        swing=style.uniform(0.15, 0.6),
        lean=style.uniform(-0.02, 0.1),
        flight=0.0,
    )


def running(style: Style) -> Motion:
    """A gait with bent elbows, high heels, and moments in the air."""
    return _gait(
        style,
        cycle=style.uniform(0.55, 0.8),
        speed=style.uniform(1.2, 2.2),
        stride=style.uniform(0.45, 0.85),
        knee=(0.3, style.uniform(1.3, 1.9)),
        elbow=style.uniform(1.1, 1.8),
        swing=style.uniform(0.5, 0.9),
        lean=style.uniform(0.1, 0.3),
        flight=style.uniform(0.02, 0.06),
    )


def jumping(style: Style) -> Motion:
    """Crouches, leaves the ground, lands; on the spot or forward."""
    cycle, height = style.uniform(0.45, 1.1), style.uniform(0.04, 0.2)
    crouch, reach = style.uniform(0.1, 0.9), style.uniform(0.0, 1.4)
    arms, elbow = style.uniform(0.0, 1.0), style.uniform(0.2, 1.4)
    speed = style.uniform(0.4, 1.3) if style.random() < 0.55 else 0.0
    travel, lean = _to_and_fro(style, speed), style.uniform(-0.05, 0.15)

    def pose(time: float) -> Pose:
        wave = sin(2 * pi * time / cycle)
        low, up = max(-wave, 0.0) * crouch, max(wave, 0.0)
        leg = Limb(forward=low, sideways=0.06, bend=1.9 * low + 0.5 * up * crouch)
        arm = Limb(forward=arms * (0.3 + reach * wave), sideways=0.2, bend=elbow)
        place, turn = travel(time)
        return Pose(arm, arm, leg, leg, lean=lean + 0.5 * low, lift=height * up, place=place, turn=turn)

    return pose


def jumping_jacks(style: Style) -> Motion:
    """Legs apart and arms overhead, legs together and arms down, with a hop between."""
    cycle, apart = style.uniform(0.7, 1.3), style.uniform(0.25, 0.5)
    top, hop, bend = style.uniform(2.3, 3.0), style.uniform(0.02, 0.08), style.uniform(0.0, 0.4)

    def pose(time: float) -> Pose:
        phase = 2 * pi * time / cycle
        opened = 0.5 - 0.5 * np.cos(phase)
        arm = Limb(sideways=0.15 + (top - 0.15) * opened, bend_sideways=bend * opened)
        leg = Limb(sideways=0.03 + apart * opened, bend=0.15)
        return Pose(arm, arm, leg, leg, lift=hop * abs(sin(phase)))

    return pose


def _gait(
    style: Style,
    cycle: float,
    speed: float,
    stride: float,
    knee: Tuple[float, float],
    elbow: float,
    swing: float,
    lean: float,
    flight: float,
) -> Motion:
    travel = _to_and_fro(style, speed)

    def leg(phase: float) -> Limb:
        # The knee folds while its leg comes forward.
        folded = max(0.0, sin(phase + 1.2)) ** 1.5
        return Limb(forward=0.1 + stride * sin(phase), sideways=0.03, bend=knee[0] + (knee[1] - knee[0]) * folded)

    def arm(phase: float) -> Limb:
        return Limb(forward=swing * sin(phase), sideways=0.14, bend=elbow * (1 + 0.25 * sin(phase)))

    def pose(time: float) -> Pose:
        phase = 2 * pi * time / cycle
        place, turn = travel(time)
        return Pose(
            arm(phase + pi),
            arm(phase),
            leg(phase),
            leg(phase + pi),
            lean=lean,
            twist=0.15 * swing * sin(phase + pi),
            lift=flight * (1 + sin(2 * phase)),
            place=place,
            turn=turn,
        )

    return pose


def _to_and_fro(style: Style, speed: float) -> Callable[[float], Tuple[Tuple[float, float], float]]:
    """Place and turn over time: along a line, round at its ends, or on the spot as if the camera came along."""
    if style.random() < 0.25:
        speed = 0.0
    span = max(style.uniform(1.0, 2.6), 1.6 * speed)
    heading = style.choice([pi / 2, -pi / 2, 0.0, pi, style.uniform(-pi, pi)], p=[0.3, 0.3, 0.12, 0.08, 0.2])
    heading += style.uniform(-0.25, 0.25)

    def travel(time: float) -> Tuple[Tuple[float, float], float]:
        if speed == 0.0:
            return (0.0, 0.0), heading
        turns, rest = divmod(speed * time / span, 1.0)
        back = bool(int(turns) % 2)
        along = span * ((1 - rest if back else rest) - 0.5)
        round_about = min(1.0, rest * span / 0.25) if turns >= 1 else 1.0
        turn = heading + pi * (int(turns) - 1 + round_about)
        return (along * sin(heading), along * np.cos(heading)), turn

    return travel
