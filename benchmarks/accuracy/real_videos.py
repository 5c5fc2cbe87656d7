"""Real videos of gestures, silhouettes and scenes that the packaged models have never seen, from ../shared."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Iterator, List, Optional

import cv2
import numpy as np

from opendr_har_core import Frame
from opendr_har_core.media.video import read_video
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.preprocess import centre_square

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).resolve().parents[3] / "shared"))
GESTURES = {1: "both arms circle overhead", 2: "wave one hand", 3: "raise both arms forward"}
# Classes of the packaged model: both gestures that end overhead are raised arms.
PACKAGED_ACTIONS = {
    "both arms circle overhead": "raising both arms",
    "wave one hand": "waving one hand",
    "raise both arms forward": "raising both arms",
    "bend": "bending",
    "jack": "jumping jacks",
    "jump": "jumping",
    "pjump": "jumping",
    "run": "running",
    "walk": "walking",
    "wave1": "waving one hand",
    "wave2": "waving both hands",
    "ps6_pres_debate": "no activity",
    "vtest": "no activity",
}
MASK_FPS = 25.0
MASK_WIDTH = 180
LONGEST_SEC = 30.0
# Side of a video for training.
SIDE = 200
# Side of the square around a figure, in units of its height: stretched arms have to fit into it.
ROOM = 1.35
FOLLOW_FRAMES = 9


@dataclass(frozen=True)
class RealVideo:
    """A video of one action.

    Attributes:
        group: "gestures", "silhouettes" or "scenes".
        kind: the data set's name of the action.
        person: who performs it.
        fps: frame rate.
        images: uint8 (H, W, 3) RGB each; views of (H, W) masks for silhouettes.
    """

    group: str
    kind: str
    person: str
    fps: float
    images: List[np.ndarray]

    @property
    def action(self) -> Optional[str]:
        """Class of the packaged model; None where it has none for this action."""
        return PACKAGED_ACTIONS.get(self.kind)

    @property
    def frames(self) -> List[Frame]:
        """The images with stamps."""
        return [Frame(image, round(index / self.fps * NANOSECONDS)) for index, image in enumerate(self.images)]

    @property
    def square(self) -> np.ndarray:
        """uint8 (T, SIDE, SIDE, 3) for training: the middle of a frame, or a square that follows the silhouette."""
        if self.group == "silhouettes":
            masks = _followed(np.stack([image[..., 0] for image in self.images]))
            return np.broadcast_to(masks[..., None], (*masks.shape, 3))
        squares = (centre_square(image, min(image.shape[:2])) for image in self.images)
        return np.stack([cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for square in squares])


def gestures() -> Iterator[RealVideo]:
    """27 clips of 3 gestures by 3 persons."""
    for path in sorted((SHARED / "videos" / "gestures_rgb").glob("*.avi")):
        found = re.fullmatch(r"PS7A(\d)P(\d)T\d", path.stem)
        if found is None:
            raise ValueError(f"unexpected name {path}")
        yield _video("gestures", GESTURES[int(found[1])], found[2], path)


def silhouettes() -> Iterator[RealVideo]:
    """93 sequences of 10 actions by 9 persons, white figures on black."""
    archive = np.load(SHARED / "videos" / "silhouettes" / "weizmann_original_masks.npz")
    for key in archive.files:
        person, name = key.split("_")
        kind = name if name.startswith("wave") else name.rstrip("12")  # run1 is a trial, wave1 an action
        masks = np.unpackbits(archive[key], axis=-1)[..., :MASK_WIDTH] * np.uint8(255)
        images = [np.repeat(mask[..., None], 3, axis=2) for mask in masks]
        yield RealVideo("silhouettes", kind, person, MASK_FPS, images)


def scenes() -> Iterator[RealVideo]:
    """Scenes without any of the actions."""
    for name in ("ps6_pres_debate.avi", "vtest.avi"):
        yield _video("scenes", Path(name).stem, "", SHARED / "videos" / "scenes" / name)


def _video(group: str, kind: str, person: str, path: Path) -> RealVideo:
    """A video file, at most the first half minute."""
    frames = list(takewhile(lambda frame: frame.stamp_ns < LONGEST_SEC * NANOSECONDS, read_video(path)))
    fps = (len(frames) - 1) * NANOSECONDS / frames[-1].stamp_ns
    return RealVideo(group, kind, person, fps, [frame.rgb for frame in frames])


def _followed(masks: np.ndarray) -> np.ndarray:
    """Masks (T, H, W) of 0 and 255 -> uint8 (T, SIDE, SIDE), the figure in the middle of the width.

    The height of the square is that of the whole sequence, so that a jump stays visible.
    """
    rows = np.flatnonzero(masks.any(axis=(0, 2)))
    top, bottom = rows[0], rows[-1] + 1
    scale = SIDE / (ROOM * (bottom - top))
    shift_y = SIDE / 2 - scale * (top + bottom) / 2
    frames = []
    for mask, x in zip(masks, _path(masks)):
        matrix = np.array([[scale, 0, SIDE / 2 - scale * x], [0, scale, shift_y]])
        frames.append(cv2.warpAffine(mask, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR))
    return np.stack(frames)


def _path(masks: np.ndarray) -> np.ndarray:
    """Horizontal middle of the figure over time, smoothed, float64 (T,); gaps are interpolated."""
    columns = [np.flatnonzero(mask.any(axis=0)) for mask in masks]
    seen = [index for index, found in enumerate(columns) if len(found)]
    middles = np.interp(np.arange(len(masks)), seen, [(columns[i][0] + columns[i][-1]) / 2 for i in seen])
    padded = np.pad(middles, FOLLOW_FRAMES // 2, mode="edge")
    return np.convolve(padded, np.full(FOLLOW_FRAMES, 1 / FOLLOW_FRAMES), "valid")
