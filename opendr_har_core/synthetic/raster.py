"""Rasterizes tapered capsules with shading and anti-aliased edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Optional, Tuple

import numpy as np


@dataclass(frozen=True)
class Material:
    """Appearance of a surface.

    Attributes:
        colour: float (3,) RGB, 0..255.
        texture: float32 (H, W), factors on the colour along and around a capsule; None is plain.
    """

    colour: np.ndarray
    texture: Optional[np.ndarray] = None


@dataclass(frozen=True)
class Capsule:
    """A thick line in the picture.

    Attributes:
        ends: (x, y) of both in pixels.
        radii: of both in pixels.
        depth: distance from the camera; nearer capsules cover farther ones.
        material: its surface.
    """

    ends: Tuple[np.ndarray, np.ndarray]
    radii: Tuple[float, float]
    depth: float
    material: Material


@dataclass(frozen=True)
class Light:
    """Direction towards the light, a unit vector (right, down, towards the camera), and the share of ambient light."""

    direction: np.ndarray
    ambient: float


def draw(image: np.ndarray, capsules: Iterable[Capsule], light: Light) -> None:
    """Draw into a float32 (H, W, 3) image, the farthest first."""
    for capsule in sorted(capsules, key=lambda each: -each.depth):
        _draw_one(image, capsule, light)


def _draw_one(image: np.ndarray, capsule: Capsule, light: Light) -> None:
    box = _box(capsule, image.shape)
    if box is None:
        return
    rows, columns = box
    y, x = np.ogrid[rows, columns]
    (ax, ay), (bx, by) = capsule.ends
    dx, dy = bx - ax, by - ay
    along = ((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-6)
    along = np.clip(along, 0.0, 1.0).astype(np.float32)
    radius = capsule.radii[0] + (capsule.radii[1] - capsule.radii[0]) * along
    across_x, across_y = (x - ax - along * dx) / radius, (y - ay - along * dy) / radius
    square = across_x * across_x + across_y * across_y
    cover = np.clip((1.0 - np.sqrt(square)) * radius + 0.5, 0.0, 1.0)
    facing = np.sqrt(np.maximum(1.0 - square, 0.0))
    lx, ly, lz = light.direction
    shade = light.ambient + (1 - light.ambient) * np.maximum(across_x * lx + across_y * ly + facing * lz, 0.0)
    if capsule.material.texture is not None:
        shade = shade * _looked_up(capsule.material.texture, along, across_x + across_y)
    part = image[rows, columns]
    part += cover[..., None] * (shade[..., None] * capsule.material.colour - part)


def _box(capsule: Capsule, shape: Tuple[int, ...]) -> Optional[Tuple[slice, slice]]:
    """Rows and columns of the image that it touches; None when it is outside."""
    ends, most = np.stack(capsule.ends), max(capsule.radii) + 1
    left, top = np.maximum(np.floor(ends.min(axis=0) - most), 0).astype(int)
    right, bottom = np.minimum(np.ceil(ends.max(axis=0) + most), (shape[1], shape[0])).astype(int)
    if left >= right or top >= bottom:
        return None
    return slice(top, bottom), slice(left, right)


def _looked_up(texture: np.ndarray, along: np.ndarray, around: np.ndarray) -> np.ndarray:
    height, width = texture.shape
    row = (along * (height - 1)).astype(np.intp)
    column = ((np.clip(around, -1, 1) * 0.5 + 0.5) * (width - 1)).astype(np.intp)
    found: np.ndarray = texture[row, column]
    return found
