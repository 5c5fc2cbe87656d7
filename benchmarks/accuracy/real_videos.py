"""Real videos that the packaged model has never seen, with the actions that they show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional

import numpy as np
from finetune_material import GESTURE_FILE, MASK_WIDTH, action_of

from opendr_har_core import Frame
from opendr_har_core.media.video import read_video
from opendr_har_core.spec import NANOSECONDS

# The gestures are one-off movements, the model's classes are wider: both of those that end overhead are raised arms.
GESTURES = {1: "raising both arms", 2: "waving one hand", 3: "raising both arms"}
SILHOUETTES = {
    "bend": "bending",
    "jack": "jumping jacks",
    "jump": "jumping",
    "pjump": "jumping",
    "run": "running",
    "walk": "walking",
    "wave1": "waving one hand",
    "wave2": "waving both hands",
    "side": None,
    "skip": None,
}
SCENES = {"ps6_pres_debate.avi": "no activity", "vtest.avi": "no activity"}
MASK_FPS = 25.0
SCENE_SEC = 30.0


@dataclass(frozen=True)
class RealVideo:
    """A video and what happens in it.

    Attributes:
        group: gestures, silhouettes or scenes.
        kind: what the data set calls the action.
        name: of the video.
        person: who is seen.
        action: the model's class; None where it has none for this.
        frames: RGB frames with stamps.
    """

    group: str
    kind: str
    name: str
    person: str
    action: Optional[str]
    frames: List[Frame]


def real_videos(shared: Path) -> Iterator[RealVideo]:
    """All of them, one at a time."""
    yield from _gestures(shared / "videos" / "gestures_rgb")
    yield from _silhouettes(shared / "videos" / "silhouettes" / "weizmann_original_masks.npz")
    for name, action in SCENES.items():
        frames = [f for f in read_video(shared / "videos" / "scenes" / name) if f.stamp_ns < SCENE_SEC * NANOSECONDS]
        yield RealVideo("scenes", Path(name).stem, name, "", action, frames)


def _gestures(folder: Path) -> Iterator[RealVideo]:
    for path in sorted(folder.glob("*.avi")):
        found = GESTURE_FILE.fullmatch(path.stem)
        if found is None:
            raise ValueError(f"unexpected name {path}")
        action, person = int(found["action"]), found["person"]
        yield RealVideo("gestures", f"gesture {action}", path.stem, person, GESTURES[action], list(read_video(path)))


def _silhouettes(path: Path) -> Iterator[RealVideo]:
    archive = np.load(path)
    for key in archive.files:
        person, name = key.split("_")
        kind = action_of(name)
        masks = np.unpackbits(archive[key], axis=-1)[..., :MASK_WIDTH] * np.uint8(255)
        frames = [
            Frame(np.repeat(mask[..., None], 3, axis=2), round(index / MASK_FPS * NANOSECONDS))
            for index, mask in enumerate(masks)
        ]
        yield RealVideo("silhouettes", kind, key, person, SILHOUETTES[kind], frames)
