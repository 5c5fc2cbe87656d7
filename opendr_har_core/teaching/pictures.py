"""What is wrong with the pictures of a lesson, from a small grey copy of each."""

from __future__ import annotations

from typing import Any, List

import cv2
import numpy as np

WIDTH, HEIGHT = 32, 24
# Grey levels of 0 to 255: the brightest places of a dark picture, and the deviation of a picture of one colour.
DARK, PLAIN = 30, 3.0
# A cell that changes by more has moved; averaging over a cell leaves far less of a sensor's noise.
MOVED = 2.5
# Of gestures, silhouettes and rendered people, at most 11 cells move even where only a forearm does.
FEWEST_CELLS = 5
# Between successive pictures; people who run through a black picture change few cells, noise changes most.
UNRELATED, MANY = 0.3, 0.3
BLACK = "the images are black or too dark: uncover the lens or turn on a light"
ONE_COLOUR = "the images show one colour or fine noise only: uncover the lens, or check the camera"
NOISE = "each image differs from the one before, as noise does: check the camera and the image encoding, hold it still"
STILL = "nothing moves in the images: check that the camera shows the person, and show the activity again"


class PictureCheck:
    """Collects pictures and says what is wrong with them."""

    def __init__(self) -> None:
        self._small: List[np.ndarray] = []

    def add(self, rgb: np.ndarray) -> None:
        """Take the next uint8 (H, W, 3) picture."""
        small = cv2.resize(rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        self._small.append(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))

    def problem(self, newest: int = 0) -> str:
        """What is wrong with all pictures or the `newest` ones, and what to do; "" if nothing is."""
        grey = np.array(self._small[-newest:], np.float32).reshape(-1, HEIGHT * WIDTH)
        if not len(grey):
            return ""
        if np.median(np.percentile(grey, 99, axis=1)) < DARK:
            return BLACK
        if np.median(grey.std(axis=1)) < PLAIN:
            return ONE_COLOUR
        if len(grey) < 2:
            return ""
        moved = _moved(np.diff(grey, axis=0))
        if np.median(_correlations(grey)) < UNRELATED and np.median(moved) > MANY:
            return NOISE
        return STILL if moved.max() < FEWEST_CELLS / (WIDTH * HEIGHT) else ""


def _moved(changes: np.ndarray) -> Any:
    """Share of the cells that move in each (n, cells) change."""
    changes = np.abs(changes - np.median(changes, axis=1, keepdims=True))  # a lamp that flickers moves nothing
    noise = 1.4826 * np.median(changes, axis=1, keepdims=True)
    # Where most cells change, the camera moves, and there is no telling noise.
    return np.where(noise[:, 0] > MOVED, 1.0, (changes > np.maximum(MOVED, 5 * noise)).mean(axis=1))


def _correlations(grey: np.ndarray) -> Any:
    """Between each picture and the next one."""
    centred = grey - grey.mean(axis=1, keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return (unit[:-1] * unit[1:]).sum(axis=1)
