"""Draws labels into pictures."""

from __future__ import annotations

import unicodedata
import zlib
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

import cv2
import numpy as np

from opendr_har_core.frame import check_rgb
from opendr_har_core.prediction import Hypothesis, Prediction

Colour = Tuple[int, int, int]
Box = Tuple[float, float, float, float]

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE, GREY, AMBER = (255, 255, 255), (215, 215, 215), (255, 190, 60)
FIRST_BAR, OTHER_BAR, PROVISIONAL_BAR = (0, 120, 90), (60, 80, 105), (140, 85, 0)
# Told apart by brightness, too; white text is legible on each.
BOXES = ((0, 120, 90), (185, 75, 25), (50, 85, 165), (150, 60, 140), (120, 95, 0), (15, 110, 140), (175, 45, 75))
# Share of the picture that shows through the panel: white text stays legible on a white wall.
SHOWS_THROUGH = 0.25
# Picture size with rows of `ROW` pixels; other sizes have rows in proportion.
USUAL_HEIGHT, USUAL_WIDTH, ROW, SMALLEST_ROW = 480, 640, 24, 16


@dataclass(frozen=True)
class _Layout:
    """Height of a row, width of the panel, margin, font scale and stroke width, in pixels."""

    row: int
    width: int
    margin: int
    scale: float
    thickness: int


def annotate(
    rgb: np.ndarray,
    prediction: Optional[Prediction],
    lines: Sequence[str] = (),
    boxes: Sequence[Tuple[Box, str]] = (),
) -> np.ndarray:
    """A new uint8 (H, W, 3) RGB image: `rgb` with boxes, and a panel in its upper left corner.

    `boxes` are left, top, right, bottom in pixels, each with a title; the first word of a title, such as a track id,
    gives the colour, and the first box is on top.

    The panel shows the hypotheses with bars and percentages, "provisional" if the prediction is, and `lines`. Rows that
    do not fit are left out, the last ones first. Raises ImageError for an image that is not uint8 RGB.
    """
    check_rgb(rgb)
    picture = np.array(rgb, order="C")
    layout = _layout(*rgb.shape[:2])
    for box, title in reversed(boxes):
        _draw_box(picture, layout, box, title)
    hypotheses = () if prediction is None else prediction.top
    is_provisional = prediction is not None and prediction.provisional
    notes = [("provisional", AMBER)] if is_provisional else []
    notes += [(line, GREY) for line in lines]
    room = max(1, (picture.shape[0] - layout.margin) // layout.row)
    hypotheses = hypotheses[:room]
    notes = notes[: room - len(hypotheses)]
    if not hypotheses and not notes:
        return picture
    _darken(picture[: (len(hypotheses) + len(notes)) * layout.row + layout.margin, : layout.width])
    for index, item in enumerate(hypotheses):
        colour = OTHER_BAR if index else (PROVISIONAL_BAR if is_provisional else FIRST_BAR)
        _draw_bar(picture, layout, index, item, colour)
    for index, (text, ink) in enumerate(notes, start=len(hypotheses)):
        _write(picture, layout, index, text, ink, layout.margin, layout.width - layout.margin)
    return picture


def _layout(height: int, width: int) -> _Layout:
    row = max(SMALLEST_ROW, round(ROW * min(height / USUAL_HEIGHT, width / USUAL_WIDTH)))
    scale = row / 39
    return _Layout(row, min(width, row * 17), max(2, row // 6), scale, max(1, round(1.8 * scale)))


def _darken(region: np.ndarray) -> None:
    region[:] = (region * SHOWS_THROUGH).astype(np.uint8)


def _draw_bar(picture: np.ndarray, layout: _Layout, index: int, item: Hypothesis, colour: Colour) -> None:
    """One hypothesis: its name on a bar in proportion to its score, and the percentage at the right."""
    margin = layout.margin
    top, bottom = index * layout.row + margin, (index + 1) * layout.row - 1
    length = round(min(max(item.score, 0.0), 1.0) * (layout.width - 2 * margin))
    cv2.rectangle(picture, (margin, top), (margin + length, bottom), colour, cv2.FILLED)
    percentage = f"{100 * item.score:.0f}%"
    right = layout.width - 2 * margin - _width(percentage, layout)
    ink = GREY if index else WHITE
    _write(picture, layout, index, percentage, ink, right, layout.width)
    _write(picture, layout, index, item.label, ink, 2 * margin, right - margin)


def _draw_box(picture: np.ndarray, layout: _Layout, box: Box, title: str) -> None:
    """A box with its title above, or inside where there is no room."""
    height, width = picture.shape[:2]
    left, top, right, bottom = np.clip(box, -1, [width, height, width, height]).round().astype(int).tolist()
    colour = BOXES[zlib.crc32(title.split(maxsplit=1)[0].encode()) % len(BOXES)] if title.strip() else GREY
    cv2.rectangle(picture, (left, top), (right, bottom), colour, max(2, layout.margin // 2))
    space = _width(ascii_text(title), layout) + 2 * layout.margin
    left, top = min(max(0, left), max(0, width - space)), max(0, top - layout.row)
    cv2.rectangle(picture, (left, top), (left + space, top + layout.row), colour, cv2.FILLED)
    _write(picture[top:], layout, 0, title, WHITE, left + layout.margin, width)


def _write(picture: np.ndarray, layout: _Layout, index: int, text: str, ink: Colour, left: int, right: int) -> None:
    """The text of a row between two columns, shortened to fit."""
    shown = ascii_text(text)
    while shown and _width(shown, layout) > right - left:
        shown = shown[:-3] + ".." if len(shown) > 3 else ""
    base = (index + 1) * layout.row - round(0.24 * layout.row)
    cv2.putText(picture, shown, (left, base), FONT, layout.scale, ink, layout.thickness, cv2.LINE_AA)


def _width(text: str, layout: _Layout) -> int:
    return int(cv2.getTextSize(text, FONT, layout.scale, layout.thickness)[0][0])


def ascii_text(text: str) -> str:
    """The text in the characters of OpenCV's font: accents are dropped, others become question marks."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return plain.encode("ascii", "replace").decode("ascii")
