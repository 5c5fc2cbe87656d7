"""Bodies and clothes: another person for every seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Tuple

import cv2
import numpy as np

from opendr_har_core.synthetic.figure import Body, Point
from opendr_har_core.synthetic.raster import Material

# From joint to joint, with the radii as shares of the height, and which clothes cover it.
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
    """Proportions, and the material of each part."""

    body: Body
    materials: Dict[str, Material]


def random_person(rng: np.random.Generator) -> Person:
    """Anyone: thin or stout, long or short arms and legs, in any clothes."""
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
    """One flat colour all over, as a mask of a person looks."""
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
    """Any hue; dark and dull ones more often, as in a wardrobe."""
    grey = rng.uniform(10, 245) if rng.random() < 0.7 else rng.uniform(5, 60)
    vivid = rng.uniform(0, 0.25) if rng.random() < 0.6 else rng.uniform(0.25, 0.9)
    colour: np.ndarray = grey * (1 - vivid) + vivid * rng.uniform(0, 255, 3)
    return colour
