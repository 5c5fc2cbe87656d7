"""The synthetic actions: each is a function that makes one variant of a motion, seconds -> pose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi, sin
from typing import Callable, Dict, Optional, Tuple

import numpy as np

from opendr_har_core.synthetic.figure import Limb, Pose

# One variant of an action: seconds -> pose.
Motion = Callable[[float], Pose]
# The random generator that variants are drawn from.
Style = np.random.Generator
Range = Tuple[float, float]


def either_side(style: Style, motion: Motion) -> Motion:
    """The motion, mirrored in half of the cases."""
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
    """Smoothly from 0 to 1 and back in each turn; stays at 1 for the share `hold` of it, at 0 for a tenth."""
    at = turns % 1.0
    slope = (0.9 - hold) / 2
    if at > 0.9:
        return 0.0
    return float(0.5 - 0.5 * np.cos(pi * min(at / slope, 1.0, (0.9 - at) / slope)))


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


@dataclass(frozen=True)
class Gait:
    """Ranges that the variants of a gait are drawn from; `knee` bends at least by `least_bend`."""

    cycle: Range
    speed: Range
    stride: Range
    least_bend: float
    knee: Range
    elbow: Range
    swing: Range
    lean: Range
    flight: Optional[Range] = None

    def __call__(self, style: Style) -> Motion:
        """Legs and arms swing in opposite directions; the figure goes back and forth."""
        cycle, speed, stride = (style.uniform(*ends) for ends in (self.cycle, self.speed, self.stride))
        knee, elbow, swing, lean = (style.uniform(*ends) for ends in (self.knee, self.elbow, self.swing, self.lean))
        flight = style.uniform(*self.flight) if self.flight else 0.0
        travel = _to_and_fro(style, speed)

        def leg(phase: float) -> Limb:
            # The knee folds while its leg comes forward.
            folded = max(0.0, sin(phase + 1.2)) ** 1.5
            bend = self.least_bend + (knee - self.least_bend) * folded
            return Limb(forward=0.1 + stride * sin(phase), sideways=0.03, bend=bend)

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


WALKING = Gait((0.85, 1.3), (0.5, 0.95), (0.35, 0.6), 0.08, (0.6, 1.05), (0.05, 1.0), (0.15, 0.6), (-0.02, 0.1))
# With bent elbows, high heels, and moments in the air.
RUNNING = Gait(
    (0.55, 0.8), (1.2, 2.2), (0.45, 0.85), 0.3, (1.3, 1.9), (1.1, 1.8), (0.5, 0.9), (0.1, 0.3), flight=(0.02, 0.06)
)


def _to_and_fro(style: Style, speed: float) -> Callable[[float], Tuple[Tuple[float, float], float]]:
    """Place and turn over time: along a line, turning at its ends, or on the spot as if the camera followed."""
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


def no_activity(style: Style) -> Motion:
    """Stands or sits: breathes, sways, looks around, or gestures in front of the chest."""
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
    """Both arms wave, in parallel or in opposite directions."""
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


def standing_legs(style: Style) -> Tuple[Limb, Limb]:
    apart = style.uniform(0.02, 0.16)
    if style.random() < 0.3:
        step = style.uniform(-0.15, 0.15)
        return Limb(step, apart, 0.1), Limb(-step, apart, 0.1)
    return (Limb(sideways=apart),) * 2


def resting_arms(style: Style) -> Tuple[Limb, Limb]:
    """Mostly hanging; or on the hips, in front of the body, behind it, in a pocket."""
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
    """Elbow at the side, the hand in front of the chest or next to it."""
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
    """The small movements of the rest of the body while the arms act."""
    sway, slow = style.uniform(0, 0.04), style.uniform(0.7, 2.0)
    lean, turn = style.uniform(-0.05, 0.1), style.uniform(-0.25, 0.25)

    def with_sway(time: float, pose: Pose) -> Pose:
        wave = sway * sin(slow * time)
        return replace(pose, lean=lean, tilt=wave, look=4 * wave, turn=turn)

    return with_sway


ACTIONS_OF: Dict[str, Callable[[Style], Motion]] = {
    "no activity": no_activity,
    "walking": WALKING,
    "running": RUNNING,
    "waving one hand": waving_one_hand,
    "waving both hands": waving_both_hands,
    "raising both arms": raising_both_arms,
    "jumping": jumping,
    "jumping jacks": jumping_jacks,
    "bending": bending,
}
ACTIONS: Tuple[str, ...] = tuple(ACTIONS_OF)
