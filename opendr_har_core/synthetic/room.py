"""The surroundings of the figure: rooms, moving objects and desks in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import cv2
import numpy as np

Size = Tuple[int, int]


@dataclass(frozen=True)
class Thing:
    """A moving box, at (x, y) + velocity * time, in pixels."""

    corner: Tuple[float, float]
    velocity: Tuple[float, float]
    size: Tuple[int, int]
    colour: Tuple[float, float, float]

    def draw(self, image: np.ndarray, time: float) -> None:
        """Draw it at its position; it bounces at the edges."""
        height, width = image.shape[:2]
        at = (self.corner[0] + self.velocity[0] * time, self.corner[1] + self.velocity[1] * time)
        x, y = round(_bounced(at[0], width)), round(_bounced(at[1], height))
        cv2.rectangle(image, (x, y), (x + self.size[0], y + self.size[1]), self.colour, -1)


def random_room(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A float32 (H, W, 3) picture: a soft or cluttered wall, a floor, light that falls off."""
    height, width = size
    image = _clouds(rng, size, octaves=int(rng.integers(1, 7)), contrast=rng.uniform(5, 60))
    kind = rng.random()
    if kind < 0.35:
        _leaves(rng, image, int(rng.integers(40, 250)))
    elif kind < 0.85:
        _furniture(rng, image, int(rng.integers(1, 22)))
    if rng.random() < 0.7:
        horizon = int(height * rng.uniform(0.5, 0.92))
        floor = _clouds(rng, (height - horizon, width), octaves=2, contrast=rng.uniform(2, 30))
        image[horizon:] = floor * np.linspace(1, rng.uniform(0.6, 1.3), height - horizon)[:, None, None]
    blur = rng.uniform(0, 1.6)
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    falloff = cv2.resize(rng.uniform(0.6, 1.25, (3, 3)).astype(np.float32), (width, height))
    lit: np.ndarray = np.clip(image * falloff[..., None], 0, 255)
    return lit


def plain_room(rng: np.random.Generator, size: Size) -> np.ndarray:
    """One colour, mostly black."""
    return np.full((*size, 3), 0.0 if rng.random() < 0.7 else rng.uniform(0, 90), np.float32)


def random_thing(rng: np.random.Generator, size: Size) -> Thing:
    """A box of up to a third of the picture that takes some seconds to cross it."""
    height, width = size
    return Thing(
        corner=(float(rng.uniform(0, width)), float(rng.uniform(0, height))),
        velocity=(float(rng.normal(0, width / 5)), float(rng.normal(0, height / 8))),
        size=(int(rng.integers(4, width // 4)), int(rng.integers(4, height // 3))),
        colour=_shade(rng),
    )


def random_desk(rng: np.random.Generator, size: Size) -> Optional[Tuple[int, np.ndarray]]:
    """(first row, float32 (rows, W, 3)) of a desk that hides the lower part of the picture."""
    top = int(size[0] * rng.uniform(0.66, 0.85))
    return top, _clouds(rng, (size[0] - top, size[1]), octaves=2, contrast=rng.uniform(5, 40))


def _clouds(rng: np.random.Generator, size: Size, octaves: int, contrast: float) -> np.ndarray:
    image = np.empty((*size, 3), np.float32)
    image[:] = _shade(rng)
    fading = rng.uniform(0.5, 0.9)
    for octave in range(octaves):
        cells = 2 ** (octave + 1) + int(rng.integers(0, 3))
        light = rng.standard_normal((cells, cells, 1))
        noise = (light + 0.2 * rng.standard_normal((cells, cells, 3))) * contrast * fading**octave
        image += cv2.resize(noise.astype(np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255)


def _leaves(rng: np.random.Generator, image: np.ndarray, count: int) -> None:
    """Discs that cover one another, small ones most often: the statistics of natural scenes ('dead leaves')."""
    height, width = image.shape[:2]
    base, spread = np.array(_shade(rng)), rng.uniform(3, 30)
    for _ in range(count):
        radius = int(min(0.02 * height / max(rng.random(), 0.05), 0.4 * height)) + 1
        colour = np.clip(base + rng.normal(0, 40) + rng.normal(0, spread, 3), 0, 255).tolist()
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (radius, max(1, int(radius * rng.uniform(0.3, 1.0))))
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)


def _furniture(rng: np.random.Generator, image: np.ndarray, count: int) -> None:
    """Boxes, frames and edges along the axes, as in furnished rooms."""
    height, width = image.shape[:2]
    for _ in range(count):
        x, y = int(rng.integers(-20, width)), int(rng.integers(-20, height))
        w, h = int(width * rng.uniform(0.02, 0.5)), int(height * rng.uniform(0.02, 0.5))
        kind = rng.random()
        if kind < 0.6:
            cv2.rectangle(image, (x, y), (x + w, y + h), _shade(rng), -1)
        if 0.4 < kind < 0.8:
            cv2.rectangle(image, (x, y), (x + w, y + h), _shade(rng), int(rng.integers(1, 4)))
        elif kind >= 0.8:
            slant = int(rng.normal(0, 20))
            cv2.line(image, (x, y), (x + w, y + slant), _shade(rng), int(rng.integers(1, 5)), cv2.LINE_AA)


def _shade(rng: np.random.Generator) -> Tuple[float, float, float]:
    """A dull colour of any brightness."""
    red, green, blue = np.clip(rng.uniform(10, 245) + rng.normal(0, rng.choice([6, 14, 40]), 3), 0, 255)
    return float(red), float(green), float(blue)


def _bounced(at: float, span: float) -> float:
    return abs((at % (2 * span)) - span) if span > 0 else 0.0
