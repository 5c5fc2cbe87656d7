"""A picture of a video's labels over time: its frames, the segments, and the scores of the best classes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Dict, List, Tuple

import cv2
import numpy as np

from opendr_har_core.errors import DataError
from opendr_har_core.recordings.canvas import FAINT, INK, SOFT, WHITE, Canvas, Colour, mixed
from opendr_har_core.recordings.records import VideoLabels, seconds
from opendr_har_core.storage.atomic import atomic_path

# White letters are legible on each, and people who see few colours tell neighbours apart by their brightness.
COLOURS: Tuple[Colour, ...] = (
    (0, 120, 90),
    (185, 75, 25),
    (50, 85, 165),
    (150, 60, 140),
    (120, 95, 0),
    (15, 110, 140),
    (175, 45, 75),
    (80, 95, 50),
)
OTHER: Colour = (110, 116, 125)
AMBER: Colour = (230, 160, 30)
WIDTH, LEFT, RIGHT = 1600, 250, 1520
TITLE_BASE, REMARK_BASE, STRIP_TOP, STRIP_HEIGHT = 46, 78, 104, 104
BAR_HEIGHT, GAP, LANE, LANE_GAP, AXIS = 44, 14, 62, 16, 56
STEPS_SEC = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
MOST_TICKS = 13
PALE = 0.62


def write_timeline(labels: VideoLabels, path: Path, lanes: int = 5) -> None:
    """Write the picture, .png or another format that OpenCV knows; raises DataError where that can't be done."""
    bgr = np.ascontiguousarray(draw_timeline(labels, lanes)[..., ::-1])
    try:
        encoded, content = cv2.imencode(path.suffix, bgr)
        if not encoded:
            raise DataError(f"{path} can't be written; give it the ending .png")
        with atomic_path(path) as temporary:  # cv2.imwrite calls it a success where the disk is full
            temporary.write_bytes(content.tobytes())
    except (OSError, cv2.error) as error:
        raise DataError(f"{path} can't be written: {error}") from None


def draw_timeline(labels: VideoLabels, lanes: int = 5) -> np.ndarray:
    """A uint8 (H, 1600, 3) RGB picture with the scores of `lanes` classes, or as many as there are."""
    classes = best_classes(labels, lanes)
    strip = STRIP_HEIGHT + GAP if labels.thumbnails else 0
    bar_top = STRIP_TOP + strip
    lanes_top = bar_top + BAR_HEIGHT + GAP + LANE_GAP
    bottom = lanes_top + len(classes) * (LANE + LANE_GAP)
    canvas = Canvas(WIDTH, bottom + AXIS)
    colours = {class_id: COLOURS[index % len(COLOURS)] for index, class_id in enumerate(classes)}
    _draw_heading(canvas, labels)
    _draw_axis(canvas, labels, bar_top, bottom)
    if labels.thumbnails:
        _draw_strip(canvas, labels)
    _draw_segments(canvas, labels, colours, bar_top)
    for index, class_id in enumerate(classes):
        _draw_lane(canvas, labels, class_id, colours[class_id], lanes_top + index * (LANE + LANE_GAP))
    return canvas.image()


def best_classes(labels: VideoLabels, count: int) -> List[int]:
    """Class ids for the lanes: those that are shown, longest first, then those with the highest score anywhere."""
    shown: Dict[int, float] = {}
    for segment in labels.segments:
        shown[segment.class_id] = shown.get(segment.class_id, 0.0) + segment.end_sec - segment.start_sec
    first = sorted(shown, key=lambda class_id: -shown[class_id])
    peaks = np.max([sample.scores for sample in labels.samples], axis=0)
    others = [index for index in np.argsort(-peaks, kind="stable").tolist() if index not in shown]
    return [*first, *others][: max(1, count)]


def _draw_heading(canvas: Canvas, labels: VideoLabels) -> None:
    whole = labels.whole
    summary = f"on the whole: {whole.label}, {100 * whole.score:.0f}%"
    room = WIDTH - 80 - canvas.text_width(summary, 17)
    canvas.text(canvas.fitting(labels.path.name, 20, room, bold=True), 30, TITLE_BASE, 20, bold=True)
    canvas.text(summary, WIDTH - 30, TITLE_BASE, 17, align=1)
    canvas.text(canvas.fitting(labels.remark, 14, WIDTH - 60), 30, REMARK_BASE, 14, SOFT)


def _draw_strip(canvas: Canvas, labels: VideoLabels) -> None:
    """Frames side by side, each at about its time, cut to equal parts of the whole width."""
    height, width = labels.thumbnails[0].rgb.shape[:2]
    count = math.ceil((RIGHT - LEFT) * height / (STRIP_HEIGHT * width))
    pitch = (RIGHT - LEFT) / count
    for index in range(count):
        middle = (index + 0.5) / count * labels.duration_sec
        nearest = min(labels.thumbnails, key=lambda thumbnail: abs(thumbnail.time_sec - middle))
        kept = max(1, min(width, round(pitch * height / STRIP_HEIGHT)))
        cut = nearest.rgb[:, (width - kept) // 2 :][:, :kept]
        canvas.paste(cut, LEFT + index * pitch, STRIP_TOP, pitch - 2, STRIP_HEIGHT)


def _draw_segments(canvas: Canvas, labels: VideoLabels, colours: Dict[int, Colour], top: float) -> None:
    bottom, base = top + BAR_HEIGHT, top + BAR_HEIGHT / 2 + 6
    canvas.text("label", LEFT - 16, base, 16, SOFT, align=1)
    canvas.box(LEFT, top, RIGHT, bottom, FAINT)
    warming = _x(labels, labels.first_label_sec) - LEFT
    notes = (note for note in ("warming up", "warm-up") if canvas.text_width(note, 13) < warming - 8)
    note = "" if labels.shown_pass else next(notes, "")
    canvas.text(note, LEFT + warming / 2, base, 13, SOFT, align=0.5)
    for segment in labels.segments:
        left, right = _x(labels, segment.start_sec), _x(labels, segment.end_sec)
        right = max(right - 1.5, left + 1.5)
        canvas.box(left, top, right, bottom, colours.get(segment.class_id, OTHER))
        if segment.provisional:
            canvas.box(left, bottom - 5, right, bottom, AMBER)
        name = canvas.fitting(segment.label, 15, right - left - 12)
        canvas.text(name, (left + right) / 2, base, 15, WHITE, align=0.5)


def _draw_lane(canvas: Canvas, labels: VideoLabels, class_id: int, colour: Colour, top: float) -> None:
    """One class's scores over time, 0 below and 1 above; strong where it is the label, pale elsewhere."""
    bottom = top + LANE
    times = [seconds(sample) for sample in labels.samples]
    scores = [float(sample.scores[class_id]) for sample in labels.samples]
    # What was said last holds until the end.
    corners = [(_x(labels, time), bottom - LANE * score) for time, score in zip(times, scores)]
    corners.append((_x(labels, labels.duration_sec), corners[-1][1]))
    for sample, (left, right) in zip(labels.samples, zip(corners, corners[1:])):
        is_shown = sample.top[0].class_id == class_id
        canvas.area([(left[0], bottom), left, right, (right[0], bottom)], colour if is_shown else mixed(colour, PALE))
    canvas.line(corners, colour, 1.5)
    canvas.line([(LEFT, bottom), (RIGHT, bottom)], SOFT, 1)
    name = canvas.fitting(labels.classes[class_id], 16, LEFT - 40)
    canvas.text(name, LEFT - 16, bottom - LANE / 2 + 6, 16, INK, align=1)
    canvas.text(f"{100 * max(scores):.0f}%", RIGHT + 12, bottom - LANE * max(scores) + 6, 13, SOFT)


def _draw_axis(canvas: Canvas, labels: VideoLabels, top: float, bottom: float) -> None:
    step = next((step for step in STEPS_SEC if labels.duration_sec / step <= MOST_TICKS), STEPS_SEC[-1])
    for index in range(int(labels.duration_sec / step + 1e-9) + 1):
        x = _x(labels, index * step)
        canvas.line([(x, top), (x, bottom)], FAINT, 1)
        canvas.text(clock(index * step, labels.duration_sec), x, bottom + 24, 14, SOFT, align=0.5)


def clock(time_sec: float, duration_sec: float) -> str:
    """A time for people, in the form that a video of this length needs."""
    if duration_sec < 100:
        return f"{time_sec:g} s" if time_sec == round(time_sec, 1) else f"{time_sec:.1f} s"
    minutes, rest = divmod(round(time_sec), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _x(labels: VideoLabels, time_sec: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(1.0, time_sec / labels.duration_sec)
