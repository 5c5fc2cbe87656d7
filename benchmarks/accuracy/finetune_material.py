"""The real clips that `finetune.py` learns from, decoded and cropped once into memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

import cv2
import numpy as np

from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import read_video
from opendr_har_core.streaming.preprocess import centre_square

GESTURES = ("both arms circle overhead", "wave one hand", "raise both arms forward")
GESTURE_FILE = re.compile(r"PS7A(?P<action>\d)P(?P<person>\d)T\d")
SIDE = 200
MASK_WIDTH = 180
# The figure's square, in units of its height: arms have to fit into it when they are stretched out.
ROOM = 1.35
FOLLOW_FRAMES = 9


@dataclass(frozen=True)
class Material:
    """Labelled videos of several persons.

    Attributes:
        videos: uint8 (T, SIDE, SIDE, 3) each, at `fps`.
        targets: class id of each.
        persons: who each shows.
        is_colour: whether colours mean anything.
    """

    name: str
    videos: List[np.ndarray]
    targets: List[int]
    persons: List[str]
    labels: LabelMap
    fps: float
    is_colour: bool


def gestures(shared: Path) -> Material:
    """27 clips of 3 gestures by 3 persons; the middle square of each frame."""
    videos, targets, persons = [], [], []
    for path in sorted((shared / "videos" / "gestures_rgb").glob("*.avi")):
        found = GESTURE_FILE.fullmatch(path.stem)
        if found is None:
            raise ValueError(f"unexpected name {path}")
        squares = [centre_square(frame.rgb, min(frame.size)) for frame in read_video(path)]
        videos.append(np.stack([cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for square in squares]))
        targets.append(int(found["action"]) - 1)
        persons.append(found["person"])
    return Material("gestures", videos, targets, persons, LabelMap(GESTURES), 29.97, is_colour=True)


def silhouettes(shared: Path, background: int = 0) -> Material:
    """93 sequences of 10 actions by 9 persons: white figures on `background`; the square follows them."""
    archive = np.load(shared / "videos" / "silhouettes" / "weizmann_original_masks.npz")
    names = [key.split("_") for key in archive.files]
    actions = [action_of(action) for _, action in names]
    labels = LabelMap(sorted(set(actions)))
    videos = []
    for key in archive.files:
        masks = np.unpackbits(archive[key], axis=-1)[..., :MASK_WIDTH]
        grey = background + (_followed(masks).astype(np.uint16) * (255 - background) // 255).astype(np.uint8)
        videos.append(np.broadcast_to(grey[..., None], (*grey.shape, 3)))
    targets = [labels.id(action) for action in actions]
    return Material("silhouettes", videos, targets, [person for person, _ in names], labels, 25.0, is_colour=False)


def action_of(name: str) -> str:
    """run1 and run2 are two trials of running; wave1 and wave2 are two actions (one hand, two hands)."""
    return name if name.startswith("wave") else name.rstrip("12")


def _followed(masks: np.ndarray) -> np.ndarray:
    """Masks (T, H, W) of 0 and 1 -> uint8 (T, SIDE, SIDE) in 0..255, the figure in the middle of the width.

    The height of the square is that of the whole sequence, so that a jump stays visible.
    """
    rows = np.flatnonzero(masks.any(axis=(0, 2)))
    top, bottom = rows[0], rows[-1] + 1
    scale = SIDE / (ROOM * (bottom - top))
    shift_y = SIDE / 2 - scale * (top + bottom) / 2
    frames = []
    for mask, x in zip(masks, _path(masks)):
        matrix = np.array([[scale, 0, SIDE / 2 - scale * x], [0, scale, shift_y]])
        frames.append(cv2.warpAffine(mask * 255, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR))
    return np.stack(frames)


def _path(masks: np.ndarray) -> np.ndarray:
    """The figure's horizontal middle over time, smoothed, float64 (T,); frames without it take their neighbours'."""
    seen: List[Tuple[int, float]] = []
    for index, mask in enumerate(masks):
        columns = np.flatnonzero(mask.any(axis=0))
        if len(columns):
            seen.append((index, (columns[0] + columns[-1]) / 2))
    middles = np.interp(np.arange(len(masks)), [index for index, _ in seen], [x for _, x in seen])
    padded = np.pad(middles, FOLLOW_FRAMES // 2, mode="edge")
    return np.convolve(padded, np.full(FOLLOW_FRAMES, 1 / FOLLOW_FRAMES), "valid")
