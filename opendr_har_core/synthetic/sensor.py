"""What a camera does to the light: colours, exposure, blur, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import cv2
import numpy as np


@dataclass(frozen=True)
class Sensor:
    """One camera.

    Attributes:
        gains: factors of red, green and blue.
        offset: added to all, in levels of 0..255.
        gamma: exponent on intensities in 0..1.
        grey: whether it sees no colours.
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
    """Good and bad ones."""
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
