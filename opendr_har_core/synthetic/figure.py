"""An articulated person: joint angles to points in space, and bodies and clothes for each seed.

x points to the figure's left, y up, z forward; lengths are in units of the figure's height, angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Tuple

import cv2
import numpy as np

from opendr_har_core.synthetic.raster import Material

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

    trunk: float
    shoulders: float
    hips: float
    arm: float
    leg: float
    head: float
    girth: float


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
    """The points turned and moved, with the lower foot on the ground or `lift` above it."""
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
    """Rotation that leans an upright body forward."""
    return np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])


def _about_y(angle: float) -> np.ndarray:
    """Rotation to the left."""
    return np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])


def _about_z(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


# Joint to joint, radii as shares of the height, and the clothes that cover it.
LIMBS = (
    ("{}_shoulder", "{}_elbow", 0.037, 0.029, "upper_arm"),
    ("{}_elbow", "{}_wrist", 0.029, 0.021, "forearm"),
    ("{}_wrist", "{}_hand", 0.023, 0.019, "skin"),
    ("{}_hip", "{}_knee", 0.060, 0.042, "thigh"),
    ("{}_knee", "{}_foot", 0.042, 0.028, "shank"),
    ("{}_foot", "{}_toes", 0.030, 0.022, "shoes"),
)
TRUNK = (
    ("left_hip", "left_shoulder", 0.062, 0.052, "shirt"),
    ("right_hip", "right_shoulder", 0.062, 0.052, "shirt"),
    ("hips", "neck", 0.075, 0.062, "shirt"),
    ("left_shoulder", "right_shoulder", 0.042, 0.042, "shirt"),
    ("left_hip", "right_hip", 0.068, 0.068, "trousers"),
)
BONES = TRUNK + tuple(
    (start.format(side), end.format(side), first, second, cover)
    for side in ("left", "right")
    for start, end, first, second, cover in LIMBS
)
COVERS = ("shirt", "trousers", "skin", "hair", "shoes", "upper_arm", "forearm", "thigh", "shank")
TEXTURE = (48, 24)


@dataclass(frozen=True)
class Person:
    """Proportions, and the material of each body part."""

    body: Body
    materials: Dict[str, Material]


def random_person(rng: np.random.Generator) -> Person:
    """A person of any proportions in any clothes."""
    shirt, trousers, skin = _cloth(rng), _cloth(rng), Material(_skin(rng))
    hair = Material(_skin(rng) * 0.3 if rng.random() < 0.8 else _colour(rng))
    materials = {
        "shirt": shirt,
        "trousers": trousers,
        "skin": skin,
        "hair": hair if rng.random() < 0.9 else skin,
        "shoes": Material(_colour(rng) * 0.6),
        "upper_arm": shirt if rng.random() < 0.9 else skin,
        "forearm": shirt if rng.random() < 0.5 else skin,
        "thigh": trousers,
        "shank": trousers if rng.random() < 0.8 else skin,
    }
    return Person(_body(rng), materials)


def silhouette(rng: np.random.Generator) -> Person:
    """A person in one flat colour, like a segmentation mask."""
    flat = Material(np.full(3, rng.uniform(180, 255)) if rng.random() < 0.7 else _colour(rng))
    return Person(_body(rng), dict.fromkeys(COVERS, flat))


def surfaces(person: Person, points: Dict[str, Point]) -> List[Tuple[Point, Point, float, float, Material]]:
    """All parts as (start, end, radius, radius, material), in units of the height."""
    parts = [
        (points[start], points[end], first * person.body.girth, second * person.body.girth, person.materials[cover])
        for start, end, first, second, cover in BONES
    ]
    head, crown, radius = points["head"], points["crown"], person.body.head
    parts.append((points["neck"], head, 0.03, 0.034, person.materials["skin"]))
    parts.append((head, head + 0.35 * (points["neck"] - head), radius, 0.8 * radius, person.materials["skin"]))
    parts.append((crown, crown, 0.98 * radius, 0.98 * radius, person.materials["hair"]))
    return parts


def _body(rng: np.random.Generator) -> Body:
    return Body(
        trunk=0.29 * rng.uniform(0.93, 1.07),
        shoulders=0.21 * rng.uniform(0.88, 1.2),
        hips=0.12 * rng.uniform(0.85, 1.2),
        arm=0.33 * rng.uniform(0.92, 1.1),
        leg=0.49 * rng.uniform(0.92, 1.06),
        head=0.066 * rng.uniform(0.9, 1.25),
        girth=float(np.exp(rng.normal(0.05, 0.18))),
    )


def _cloth(rng: np.random.Generator) -> Material:
    kind = rng.random()
    if kind < 0.5:
        return Material(_colour(rng))
    if kind < 0.7:
        stripes = 1 + 0.4 * np.sign(np.sin(np.linspace(0, rng.uniform(10, 60), TEXTURE[0])))
        return Material(_colour(rng), np.broadcast_to(stripes[:, None], TEXTURE).astype(np.float32))
    coarse = rng.uniform(0.4, 1.5, (int(rng.integers(3, 16)), int(rng.integers(2, 10)))).astype(np.float32)
    return Material(_colour(rng), cv2.resize(coarse, TEXTURE[::-1], interpolation=cv2.INTER_LINEAR))


def _skin(rng: np.random.Generator) -> np.ndarray:
    tone: np.ndarray = np.array([235.0, 180.0, 148.0]) * rng.uniform(0.3, 1.05) + rng.normal(0, 6, 3)
    clipped: np.ndarray = np.clip(tone, 0, 255)
    return clipped


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Any hue, dark and dull ones more often, as clothes are."""
    grey = rng.uniform(10, 245) if rng.random() < 0.7 else rng.uniform(5, 60)
    vivid = rng.uniform(0, 0.25) if rng.random() < 0.6 else rng.uniform(0.25, 0.9)
    colour: np.ndarray = grey * (1 - vivid) + vivid * rng.uniform(0, 255, 3)
    return colour
