"""Features of real and synthetic footage, computed once for each base model and kept in a file.

python benchmarks/teaching/footage.py --base default --output features_default.npz
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "accuracy"))

from real_videos import MASK_FPS, SHARED, gestures, silhouettes

from opendr_har_core import Frame, Recognizer
from opendr_har_core.media.video import read_video
from opendr_har_core.people.crops import Square, cut
from opendr_har_core.people.detector import NanoDet
from opendr_har_core.people.pipeline import HIDDEN_AFTER_SEC
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.people.tracker import Tracker
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.synthetic.scene import render_at

NINE = (
    "no activity",
    "walking",
    "running",
    "waving one hand",
    "waving both hands",
    "raising both arms",
    "jumping",
    "jumping jacks",
    "bending",
)
SYNTHETIC_SEEDS, IDLE_SEEDS, MIXED_SEEDS = range(10_000, 10_024), range(50_000, 50_024), range(60_000, 60_080)
MIXED = ("walking", "running", "jumping", "jumping jacks", "bending")
IMAGE_SIZE = (240, 320)
SHORTEST_SEC, SHORTEST_TRACK_SEC = 1.25, 3.0
# Groups of footage that show no taught action.
BACKGROUND = ("scenes", "crops", "labelled", "idle", "mixed")


@dataclass(frozen=True)
class Clip:
    """What a network says about a video.

    Attributes:
        group: "gestures", "silhouettes", "synthetic", or one of BACKGROUND.
        kind, person, name: the action, who performs it, and which video.
        mirrored: whether left and right were swapped.
        features: float32 (n, F), a row per prediction.
        probabilities: float32 (n, num_classes).
    """

    group: str
    kind: str
    person: str
    name: str
    mirrored: bool
    features: np.ndarray
    probabilities: np.ndarray


def read_clips(path: Path) -> List[Clip]:
    """The clips in a file that `main` wrote."""
    archive = np.load(path)
    names = sorted({key.rpartition("|")[0] for key in archive.files})
    parts = [(name, *name.split("|")) for name in names]
    return [
        Clip(group, kind, person, video, mirrored == "1", archive[f"{name}|features"], archive[f"{name}|probabilities"])
        for name, group, kind, person, video, mirrored in parts
    ]


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="default", help="bundle whose features to compute")
    parser.add_argument("--output", type=Path, required=True, help=".npz")
    options = parser.parse_args()
    recognizer = Recognizer.open(options.base).with_head(None)
    arrays: Dict[str, np.ndarray] = {}
    for group, kind, person, name, frames in footage():
        for mirrored in (False, True) if group in ("gestures", "silhouettes") else (False,):
            shown = [Frame(frame.rgb[:, ::-1], frame.stamp_ns) for frame in frames] if mirrored else frames
            stream = recognizer.stream()
            found = [prediction for prediction in map(stream.push, shown) if prediction is not None]
            key = f"{group}|{kind}|{person}|{name}|{int(mirrored)}"
            if found:
                arrays[f"{key}|features"] = np.stack([prediction.features for prediction in found])
                arrays[f"{key}|probabilities"] = np.stack([prediction.scores for prediction in found])
        sys.stdout.write(f"{group} {kind} {person} {name}\n")
        sys.stdout.flush()
    with atomic_path(options.output) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def footage() -> Iterator[Tuple[str, str, str, str, Sequence[Frame]]]:
    """(group, kind, person, name, frames) of each video."""
    for index, video in enumerate(gestures()):
        yield "gestures", video.kind, video.person, str(index), video.frames
    for index, video in enumerate(silhouettes()):
        images = followed(video.images)
        frames = stamped(images, MASK_FPS)
        if frames[-1].stamp_ns < SHORTEST_SEC * NANOSECONDS:
            frames = stamped([*images, *images], MASK_FPS)
        yield "silhouettes", video.kind, video.person, str(index), frames
    for path in sorted((SHARED / "videos" / "labelled").iterdir()):
        yield "labelled", path.stem, "", path.stem, list(read_video(path))
    for path in sorted((SHARED / "videos" / "scenes").glob("*.avi")):
        frames = list(read_video(path))
        yield "scenes", path.stem, "", path.stem, frames
        for track, crops in people(frames):
            yield "crops", path.stem, track, path.stem, crops
    for seed in SYNTHETIC_SEEDS:
        for action in NINE:
            yield "synthetic", action, str(seed), str(seed), rendered(action, 6, seed)
    for seed in IDLE_SEEDS:
        yield "idle", NINE[0], str(seed), str(seed), rendered(NINE[0], 30, seed)
    for index, seed in enumerate(MIXED_SEEDS):
        action = NINE[0] if index % 2 else MIXED[index // 2 % len(MIXED)]
        yield "mixed", action, str(seed), str(seed), rendered(action, 30, seed)


def rendered(action: str, count: int, seed: int) -> List[Frame]:
    """Synthetic frames at the rate at which a network of size XS takes them."""
    return list(render_at(action, [0.4 * index for index in range(count)], IMAGE_SIZE, seed))


def stamped(images: Sequence[np.ndarray], fps: float) -> List[Frame]:
    """Images as frames of a camera."""
    return [Frame(image, round(index / fps * NANOSECONDS)) for index, image in enumerate(images)]


def followed(images: Sequence[np.ndarray]) -> List[np.ndarray]:
    """A square around a silhouette that follows it as `opendr_har_core.people` follows a person."""
    square, crops = None, []
    for image in images:
        rows, columns = np.nonzero(image[..., 0])
        if len(rows):
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            target = Square.around(box)
            square = target if square is None else square.followed(target, 1 / MASK_FPS)
        crops.append(image if square is None else cut(image, square))
    return crops


def people(frames: Sequence[Frame]) -> Iterator[Tuple[str, List[Frame]]]:
    """(track, frames of the square around it) of each person who is long enough in view."""
    detector, tracker, size = NanoDet(), Tracker(PeopleSettings.keep_sec), Recognizer.open("default").spec.image_size
    squares: Dict[str, Square] = {}
    crops: Dict[str, List[Frame]] = {}
    detected_ns = previous_ns = frames[0].stamp_ns - NANOSECONDS
    for frame in frames:
        if frame.stamp_ns - detected_ns >= 0.99 * NANOSECONDS / PeopleSettings.detector_hz:
            tracker.update(detector.detect(frame.rgb), frame.stamp_ns)
            detected_ns = frame.stamp_ns
        for track in tracker.tracks():
            if track.unseen_sec(frame.stamp_ns) <= HIDDEN_AFTER_SEC:
                target = Square.around(track.box(frame.stamp_ns))
                elapsed = (frame.stamp_ns - previous_ns) / NANOSECONDS
                square = squares.get(track.id, target).followed(target, elapsed)
                squares[track.id] = square
                picture = to_network_input(cut(frame.rgb, square), size)
                crops.setdefault(track.id, []).append(Frame(picture, frame.stamp_ns))
        previous_ns = frame.stamp_ns
    for track, found in crops.items():
        if found[-1].stamp_ns - found[0].stamp_ns >= SHORTEST_TRACK_SEC * NANOSECONDS:
            yield track, found


if __name__ == "__main__":
    main()
