"""A white picture to draw on in pixels of its final size; it is drawn twice as large, for smooth edges."""

from __future__ import annotations

from typing import Sequence, Tuple

import cv2
import numpy as np

from opendr_har_core.media.annotate import ascii_text

Colour = Tuple[int, int, int]
Point = Tuple[float, float]

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE, INK, SOFT, FAINT = (255, 255, 255), (30, 34, 40), (105, 112, 122), (226, 229, 233)
OVERSAMPLED = 2
# Hershey's letters are so many pixels high at scale 1.
LETTER_HEIGHT = 21.0


class Canvas:
    """Positions and sizes are in pixels of the final picture, x to the right, y downward."""

    def __init__(self, width: int, height: int) -> None:
        self._picture = np.full((height * OVERSAMPLED, width * OVERSAMPLED, 3), 255, np.uint8)
        self.width, self.height = width, height

    def image(self) -> np.ndarray:
        """The picture, uint8 (height, width, 3) RGB."""
        smooth: np.ndarray = cv2.resize(self._picture, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return smooth

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle."""
        far = (self._number(right) - 1, self._number(bottom) - 1)
        if far[0] >= self._number(left):
            cv2.rectangle(self._picture, self._point((left, top)), far, colour, cv2.FILLED)

    def area(self, corners: Sequence[Point], colour: Colour) -> None:
        """A filled polygon."""
        cv2.fillPoly(self._picture, [np.array([self._point(corner) for corner in corners], np.int32)], colour)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 1.0) -> None:
        """A line through points."""
        path = np.array([self._point(point) for point in points], np.int32)
        cv2.polylines(self._picture, [path], False, colour, max(1, self._number(width)), cv2.LINE_AA)

    def paste(self, rgb: np.ndarray, left: float, top: float, width: float, height: float) -> None:
        """A picture, scaled into a rectangle."""
        x, y = self._point((left, top))
        right, bottom = self._number(left + width), self._number(top + height)
        self._picture[y:bottom, x:right] = cv2.resize(rgb, (right - x, bottom - y), interpolation=cv2.INTER_AREA)

    def text(
        self,
        text: str,
        x: float,
        base: float,
        size: float,
        colour: Colour = INK,
        align: float = 0.0,
        bold: bool = False,
    ) -> None:
        """Letters `size` pixels high above `base`; `align` 0 begins at x, 1 ends there, 0.5 is centred on it."""
        plain = ascii_text(text)
        left = x - align * self.text_width(plain, size, bold)
        scale, thickness = self._letters(size, bold)
        cv2.putText(self._picture, plain, self._point((left, base)), FONT, scale, colour, thickness, cv2.LINE_AA)

    def fitting(self, text: str, size: float, width: float, bold: bool = False) -> str:
        """The text, shortened until it fits into `width` pixels; "" where not even a letter does."""
        shown = ascii_text(text)
        while shown and self.text_width(shown, size, bold) > width:
            shown = shown[:-3] + ".." if len(shown) > 3 else ""
        return shown

    def text_width(self, text: str, size: float, bold: bool = False) -> float:
        """Pixels that a text takes."""
        scale, thickness = self._letters(size, bold)
        return float(cv2.getTextSize(ascii_text(text), FONT, scale, thickness)[0][0]) / OVERSAMPLED

    @staticmethod
    def _letters(size: float, bold: bool) -> Tuple[float, int]:
        scale = size * OVERSAMPLED / LETTER_HEIGHT
        return scale, max(1, round((2.2 if bold else 1.5) * scale))

    @staticmethod
    def _number(value: float) -> int:
        return round(value * OVERSAMPLED)

    def _point(self, point: Point) -> Tuple[int, int]:
        return self._number(point[0]), self._number(point[1])


def mixed(colour: Colour, share: float) -> Colour:
    """A colour with `share` of white in it."""
    red, green, blue = (round(value + (255 - value) * share) for value in colour)
    return red, green, blue
