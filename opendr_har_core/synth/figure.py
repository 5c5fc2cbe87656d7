"""An articulated figure: a pose of joint angles into points in space.

x points to the figure's left, y up, z forward; lengths are in units of the figure's height, angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple

import numpy as np

Point = np.ndarray


@dataclass(frozen=True)
class Limb:
    """Angles of an arm or a leg that hangs down at zero.

    Attributes:
        forward: swing of the whole limb to the front.
        sideways: swing to the figure's own side, away from the body.
        bend: of elbow (forearm to the front) or knee (shank to the back).
        bend_sideways: of the elbow in the plane of `sideways`.
    """

    forward: float = 0.0
    sideways: float = 0.0
    bend: float = 0.0
    bend_sideways: float = 0.0


@dataclass(frozen=True)
class Pose:
    """All joint angles at one moment; `lean` bends the trunk forward, `position` moves the hips."""

    left_arm: Limb = Limb(sideways=0.12)
    right_arm: Limb = Limb(sideways=0.12)
    left_leg: Limb = Limb(sideways=0.05)
    right_leg: Limb = Limb(sideways=0.05)
    lean: float = 0.0
    position: Tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Body:
    """Proportions, as shares of the height."""

    trunk: float = 0.30
    shoulders: float = 0.22
    hips: float = 0.14
    arm: float = 0.36
    leg: float = 0.50
    head: float = 0.075


def joints(body: Body, pose: Pose) -> Dict[str, Point]:
    """Positions of all joints, each a (3,) array; the ground is at y = 0 when standing."""
    right, up = pose.position
    hips = np.array([right, body.leg + up, 0.0])
    spine = np.array([0.0, np.cos(pose.lean), np.sin(pose.lean)])
    neck = hips + body.trunk * spine
    points = {"hips": hips, "neck": neck, "head": neck + 1.5 * body.head * spine}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        across = np.array([sign, 0.0, 0.0])
        shoulder, hip = neck + across * body.shoulders / 2, hips + across * body.hips / 2
        arm, leg = getattr(pose, f"{side}_arm"), getattr(pose, f"{side}_leg")
        points[f"{side}_shoulder"], points[f"{side}_hip"] = shoulder, hip
        points[f"{side}_elbow"], points[f"{side}_hand"] = _limb(shoulder, body.arm, arm, sign, +1.0, pose.lean)
        points[f"{side}_knee"], points[f"{side}_foot"] = _limb(hip, body.leg, leg, sign, -1.0, 0.0)
    return points


def _limb(start: Point, length: float, limb: Limb, side: float, fold: float, lean: float) -> Tuple[Point, Point]:
    middle = start + length / 2 * _direction(limb.forward, side * limb.sideways, lean)
    forward = limb.forward + fold * limb.bend
    end = middle + length / 2 * _direction(forward, side * (limb.sideways + limb.bend_sideways), lean)
    return middle, end


def _direction(forward: float, sideways: float, lean: float) -> Point:
    """Straight down, swung forward, then sideways, then carried along by the trunk's lean."""
    x, y, z = np.sin(sideways), -np.cos(sideways) * np.cos(forward), np.cos(sideways) * np.sin(forward)
    return np.array([x, y * np.cos(lean) - z * np.sin(lean), z * np.cos(lean) + y * np.sin(lean)])
