"""The last few sampled frames of a stream, for networks that look at whole clips."""

from __future__ import annotations

import numpy as np


class ClipRing:
    """A ring of uint8 (S, S, 3) frames; never padded: a clip is complete or there is none."""

    def __init__(self, frames: int, image_size: int) -> None:
        """Memory for `frames` frames is taken once, here."""
        self._pixels = np.zeros((frames, image_size, image_size, 3), np.uint8)
        self._count = 0

    def append(self, image: np.ndarray) -> None:
        """Add a (S, S, 3) frame; in a full ring it takes the oldest one's place."""
        self._pixels[self._count % len(self._pixels)] = image
        self._count += 1

    def clip_with(self, image: np.ndarray) -> np.ndarray:
        """The clip (T, S, S, 3), oldest first, that appending `image` would make; the ring stays as it is."""
        size = len(self._pixels)
        if self._count < size - 1:
            raise IndexError(f"{self._count + 1} frames make no clip of {size}")
        kept = [(self._count - size + 1 + offset) % size for offset in range(size - 1)]
        return np.concatenate([self._pixels[kept], image[None]])

    def copy(self) -> ClipRing:
        """Another ring with the same frames."""
        ring = ClipRing(len(self._pixels), self._pixels.shape[1])
        ring._pixels[:] = self._pixels
        ring._count = self._count
        return ring
