"""The synthetic camera: position, movement and projection, and the colours, noise and compression of its sensor."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin
from typing import Optional, Tuple

import cv2
import numpy as np

from opendr_har_core.synthetic.figure import Point

# The room is rendered larger than the picture, so that a moving camera has content at the edges.
MARGIN = 0.08


@dataclass(frozen=True)
class View:
    """A pinhole camera on a level line of sight.

    Attributes:
        yaw: direction from which it sees the figure; 0 is the front.
        distance, height: of the camera, in heights of the figure.
        focal_px: pixels per unit of length at unit distance.
        centre: (x, y) of the point that it looks at, in pixels.
        drift: of the picture, (x, y) in pixels per second.
        shake: amplitude of a hand-held camera, (x, y) in pixels and roll in radians.
        sway: angular frequency of the shake in radians per second.
        zoom: growth of the picture per second.
    """

    yaw: float
    distance: float
    height: float
    focal_px: float
    centre: Tuple[float, float]
    drift: Tuple[float, float]
    shake: Tuple[float, float, float]
    sway: float
    zoom: float

    def project(self, point: Point) -> Tuple[np.ndarray, float]:
        """((x, y) in pixels, distance from the camera)."""
        x, y, z = point
        depth = max(self.distance - x * sin(self.yaw) - z * cos(self.yaw), 0.3)
        across = x * cos(self.yaw) - z * sin(self.yaw)
        scale = self.focal_px / depth
        return np.array([self.centre[0] + scale * across, self.centre[1] - scale * (y - self.height)]), depth

    def moved(self, canvas: np.ndarray, size: Tuple[int, int], time: float) -> np.ndarray:
        """The part of a canvas with margins that the camera sees after `time` seconds, (height, width) `size`."""
        height, width = size
        margin = np.array(canvas.shape[1::-1]) - (width, height)
        zoom = 1.0 + np.clip(self.zoom * time, -MARGIN / 2, MARGIN)
        roll = self.shake[2] * sin(0.7 * self.sway * time)
        limit = margin / 2 * 0.9
        shift = np.array(
            [
                self.drift[0] * time + self.shake[0] * sin(self.sway * time),
                self.drift[1] * time + self.shake[1] * sin(1.3 * self.sway * time),
            ]
        )
        matrix = cv2.getRotationMatrix2D((canvas.shape[1] / 2, canvas.shape[0] / 2), float(np.degrees(roll)), zoom)
        matrix[:, 2] += np.clip(shift, -limit, limit) - margin / 2
        seen: np.ndarray = cv2.warpAffine(
            canvas, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        return seen


def random_view(
    rng: np.random.Generator, canvas: Tuple[int, int], size: Tuple[int, int], travels: bool, near: float
) -> View:
    """A camera on a canvas of (height, width).

    It sees the whole body, or, with the chance `near`, one that fills the picture from the thighs or the waist up. A
    figure that `travels` is seen from farther away.
    """
    rows, columns = canvas
    distance = rng.uniform(3.5, 7.0) if travels else rng.uniform(2.0, 5.0)
    camera_height = rng.uniform(0.35, 1.05) if rng.random() < 0.85 else rng.uniform(1.05, 2.2)
    middle = columns / 2 + size[1] * rng.uniform(-0.16, 0.16)
    if rng.random() < near:
        height_px = size[0] * rng.uniform(0.95, 2.3)
        top = (rows - size[0]) / 2 + size[0] * rng.uniform(0.08, 0.4)
        centre_y = top + height_px * (1 - camera_height)
    else:
        height_px = size[0] * rng.uniform(0.38, 0.85)
        bottom = (rows - size[0]) / 2 + size[0] * rng.uniform(max(0.72, height_px / size[0]), 0.98)
        centre_y = bottom - height_px * camera_height
    held = 0.0 if rng.random() < 0.5 else 1.0
    drift, shake = rng.normal(0, 0.02 * size[0], 2), np.abs(rng.normal(0, (2.0, 2.0, 0.012)))
    return View(
        yaw=float(rng.uniform(-0.7, 0.7)),
        distance=float(distance),
        height=float(camera_height),
        focal_px=float(height_px * distance),
        centre=(float(middle), float(centre_y)),
        drift=(held * float(drift[0]), held * float(drift[1])),
        shake=(held * float(shake[0]), held * float(shake[1]), held * float(shake[2])),
        sway=float(rng.uniform(2, 9)),
        zoom=held * float(rng.normal(0, 0.02)),
    )


@dataclass(frozen=True)
class Sensor:
    """One camera.

    Attributes:
        gains: factors of red, green and blue.
        offset: added to all, in levels of 0..255.
        gamma: exponent on intensities in 0..1.
        grey: whether it has no colours.
        blur: standard deviation in pixels.
        noise: standard deviation in levels.
        quality: of JPEG, None without.
    """

    gains: Tuple[float, float, float]
    offset: float
    gamma: float
    grey: bool
    blur: float
    noise: float
    quality: Optional[int]

    def expose(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """float32 (H, W, 3) in 0..255 -> uint8."""
        seen = cv2.GaussianBlur(image, (0, 0), self.blur) if self.blur > 0.3 else image
        seen = np.clip(seen * np.array(self.gains, np.float32) + self.offset, 0, 255)
        if self.grey:
            seen = np.broadcast_to(seen.mean(axis=2, keepdims=True), seen.shape)
        seen = 255 * (seen / 255) ** self.gamma
        if self.noise:
            seen = seen + self.noise * rng.standard_normal(seen.shape, np.float32)
        pixels: np.ndarray = np.clip(seen, 0, 255).astype(np.uint8)
        return pixels if self.quality is None else _compressed(pixels, self.quality)


def random_sensor(rng: np.random.Generator) -> Sensor:
    """A sensor of random quality."""
    exposure = float(np.exp(rng.normal(0, 0.25)))
    return Sensor(
        gains=tuple(float(exposure * np.exp(rng.normal(0, 0.08))) for _ in range(3)),  # type: ignore[arg-type]
        offset=float(rng.normal(0, 12)),
        gamma=float(np.exp(rng.normal(0, 0.25))),
        grey=bool(rng.random() < 0.12),
        blur=float(rng.uniform(0, 1.1)),
        noise=float(rng.choice([0.0, rng.uniform(0, 5), rng.uniform(0, 12)])),
        quality=int(rng.integers(25, 90)) if rng.random() < 0.3 else None,
    )


CLEAN = Sensor((1.0, 1.0, 1.0), 0.0, 1.0, False, 0.0, 0.0, None)


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
