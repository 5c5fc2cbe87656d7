"""Transforms of uint8 frames to clips of the network's size, with augmentation for training."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Iterable, Tuple

import cv2
import numpy as np
import torch
from torch import Tensor

from opendr_har_core.errors import ConfigError
from opendr_har_core.streaming.preprocess import to_network_input

# Zero after standardisation with the mean of 0.45.
BLANK = 115
SIDES = re.compile(r"\b(left|right)\b")
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class EvalTransform:
    """The central square, as a recognizer prepares camera images: uint8 (T, H, W, 3) to (3, T, S, S).

    Attributes:
        image_size: S, in pixels.
    """

    image_size: int

    deterministic = True  # so that its result can be cached

    def __call__(self, frames: Tensor) -> Tensor:
        """Takes non-empty uint8 frames of any size."""
        return channels_first(np.stack([to_network_input(frame, self.image_size) for frame in frames.numpy()]))


@dataclass(frozen=True)
class TrainTransform:
    """Augmentation, the same for all frames of a clip: uint8 (T, H, W, 3) to (3, T, S, S).

    Random numbers are PyTorch's, so its seed repeats them, in data loader workers as well.

    Attributes:
        image_size: S, in pixels.
        flip: whether half of the clips are mirrored; not for classes that differ in left and right.
        scale: range of the short side in units of S, from which a square is cropped (8/7 to 10/7 in X3D's training).
        colour: range of brightness, contrast and saturation, as a share.
        erase: probability of a blank rectangle.
        erase_area: range of its area, as a share of the image.
    """

    image_size: int
    flip: bool = True
    scale: Tuple[float, float] = (8 / 7, 10 / 7)
    colour: float = 0.2
    erase: float = 0.25
    erase_area: Tuple[float, float] = (0.02, 0.2)

    deterministic = False

    def __post_init__(self) -> None:
        if not 1 <= self.scale[0] <= self.scale[1]:
            raise ConfigError(f"scale is {self.scale}, expected an increasing range from 1")
        if not (0 <= self.colour < 1 and 0 <= self.erase <= 1):
            raise ConfigError(f"colour is {self.colour} and erase {self.erase}, expected shares between 0 and 1")
        if not 0 < self.erase_area[0] <= self.erase_area[1] < 1:
            raise ConfigError(f"erase_area is {self.erase_area}, expected an increasing range between 0 and 1")

    def __call__(self, frames: Tensor) -> Tensor:
        """A different clip at each call."""
        clip = self._cropped(frames.numpy())
        if self.flip and _uniform() < 0.5:
            clip = clip[:, :, ::-1]
        clip = self._coloured(np.ascontiguousarray(clip)) if self.colour else np.array(clip, order="C")
        if self.erase and _uniform() < self.erase:
            self._blank(clip)
        return channels_first(clip)

    def _cropped(self, frames: np.ndarray) -> np.ndarray:
        """Scale the short side, then crop a square; only the pixels that are kept get scaled."""
        height, width = frames.shape[1:3]
        side = max(1, round(min(height, width) / _uniform(*self.scale)))
        top, left = (math.floor(_uniform() * (room - side + 1)) for room in (height, width))
        squares = frames[:, top : top + side, left : left + side]
        return np.stack([to_network_input(square, self.image_size) for square in squares])

    def _coloured(self, clip: np.ndarray) -> np.ndarray:
        """Saturation, contrast and brightness are linear in the colours, so one matrix applies all three."""
        brightness, contrast, saturation = (_uniform(1 - self.colour, 1 + self.colour) for _ in range(3))
        mean = float(clip.mean(axis=(0, 1, 2)) @ GREY)
        matrix = np.empty((3, 4))
        matrix[:, :3] = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * GREY)
        matrix[:, 3] = brightness * (1 - contrast) * mean
        length, height, width, _ = clip.shape
        coloured: np.ndarray = cv2.transform(clip.reshape(length * height, width, 3), matrix)
        return coloured.reshape(clip.shape)

    def _blank(self, clip: np.ndarray) -> None:
        area = _uniform(*self.erase_area) * self.image_size**2
        aspect = math.exp(_uniform(-1.1, 1.1))
        height, width = (
            min(self.image_size, max(1, round(math.sqrt(area * factor)))) for factor in (aspect, 1 / aspect)
        )
        top, left = (math.floor(_uniform() * (self.image_size - side + 1)) for side in (height, width))
        clip[:, top : top + height, left : left + width] = BLANK


def channels_first(clip: np.ndarray) -> Tensor:
    """(T, S, S, 3) to a contiguous (3, T, S, S) tensor."""
    return torch.from_numpy(np.ascontiguousarray(clip.transpose(3, 0, 1, 2)))


def _uniform(low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand(()))


def may_mirror(labels: Iterable[str]) -> bool:
    """Whether a mirrored clip keeps its label: not if a class name contains "left" or "right"."""
    return not any(SIDES.search(name.lower().replace("_", " ")) for name in labels)
