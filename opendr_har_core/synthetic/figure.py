"""An articulated figure: a pose of joint angles into points in space.

x points to the figure's left, y up, z forward; lengths are in units of the figure's height, angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple

import numpy as np

Point = np.ndarray

# A limb's first part, its second, and the share of a hand or a foot beyond them.
UPPER, LOWER = 0.52, 0.48
HAND, FOOT = 0.22, 0.26


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
    """All joint angles at one moment.

    Attributes:
        lean, tilt, twist: of the trunk forward, to the left, and of the shoulders around it.
        nod, look: of the head forward, and to the left.
        turn: of the whole figure around the vertical, to the left.
        place: where on the ground its hips are, x and z.
        lift: how high the lower foot is above the ground.
    """

    left_arm: Limb = Limb(sideways=0.12)
    right_arm: Limb = Limb(sideways=0.12)
    left_leg: Limb = Limb(sideways=0.05)
    right_leg: Limb = Limb(sideways=0.05)
    lean: float = 0.0
    tilt: float = 0.0
    twist: float = 0.0
    nod: float = 0.0
    look: float = 0.0
    turn: float = 0.0
    place: Tuple[float, float] = (0.0, 0.0)
    lift: float = 0.0


@dataclass(frozen=True)
class Body:
    """Proportions, as shares of the height; `girth` is a factor on all widths."""

    trunk: float = 0.29
    shoulders: float = 0.21
    hips: float = 0.12
    arm: float = 0.33
    leg: float = 0.49
    head: float = 0.066
    girth: float = 1.0


def joints(body: Body, pose: Pose) -> Dict[str, Point]:
    """Positions of all joints, each a (3,) array; the ground is at y = 0."""
    trunk = _about_x(pose.lean) @ _about_z(-pose.tilt)
    chest = trunk @ _about_y(pose.twist)
    neck = trunk @ np.array([0.0, body.trunk, 0.0])
    skull = chest @ _about_y(pose.look) @ _about_x(pose.nod)
    points = {"hips": np.zeros(3), "neck": neck, "head": neck + skull @ np.array([0.0, 1.75 * body.head, 0.02])}
    points["crown"] = points["head"] + skull @ np.array([0.0, 0.3, -0.35]) * body.head
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder = neck + chest @ np.array([sign * body.shoulders / 2, -0.025, 0.0])
        arm, leg = getattr(pose, f"{side}_arm"), getattr(pose, f"{side}_leg")
        points[f"{side}_shoulder"] = shoulder
        points[f"{side}_elbow"], points[f"{side}_wrist"] = _limb(shoulder, body.arm, arm, sign, 1.0, chest)
        points[f"{side}_hand"] = _beyond(points[f"{side}_elbow"], points[f"{side}_wrist"], HAND * body.arm)
        hip = np.array([sign * body.hips / 2, 0.0, 0.0])
        points[f"{side}_hip"] = hip
        points[f"{side}_knee"], points[f"{side}_foot"] = _limb(hip, body.leg, leg, sign, -1.0, np.eye(3))
        points[f"{side}_toes"] = points[f"{side}_foot"] + _toes(leg, sign) * FOOT * body.leg
    return _stood(points, pose)


def _stood(points: Dict[str, Point], pose: Pose) -> Dict[str, Point]:
    """Turned, with the lower foot on the ground or `lift` above it, at its place."""
    lowest = min(points[f"{side}_{part}"][1] for side in ("left", "right") for part in ("foot", "toes"))
    moved = np.array([pose.place[0], pose.lift - lowest, pose.place[1]])
    turn = _about_y(pose.turn)
    return {name: turn @ point + moved for name, point in points.items()}


def _limb(start: Point, length: float, limb: Limb, side: float, fold: float, frame: np.ndarray) -> Tuple[Point, Point]:
    middle = start + UPPER * length * (frame @ _direction(limb.forward, side * limb.sideways))
    lower = _direction(limb.forward + fold * limb.bend, side * (limb.sideways + limb.bend_sideways))
    return middle, middle + LOWER * length * (frame @ lower)


def _direction(forward: float, sideways: float) -> Point:
    """Straight down, swung forward, then sideways."""
    return np.array([np.sin(sideways), -np.cos(sideways) * np.cos(forward), np.cos(sideways) * np.sin(forward)])


def _toes(leg: Limb, side: float) -> Point:
    """Feet point forward at right angles to the shank, a little outwards."""
    shank = leg.forward - leg.bend
    return np.array([0.2 * side, np.sin(shank) - 0.05, np.cos(shank)])


def _beyond(start: Point, end: Point, length: float) -> Point:
    further: Point = end + (end - start) * (length / np.linalg.norm(end - start))
    return further


def _about_x(angle: float) -> np.ndarray:
    """Rotation that leans what is upright forward."""
    return np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])


def _about_y(angle: float) -> np.ndarray:
    """Rotation that turns what looks forward to the left."""
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


def _about_z(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
