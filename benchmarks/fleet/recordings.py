"""Writes a fleet's recordings: drawn clips as videos and as bags of both kinds, and broken ones.

python benchmarks/fleet/recordings.py FOLDER --count 300 --broken 20 --seconds 4
"""

from __future__ import annotations

import argparse
import shutil
import sys
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test" / "core"))

from bag_cases import START, write_bag
from rosbags.rosbag2 import StoragePlugin

from opendr_har_core.frame import Frame
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip

FPS, SIZE = 10.0, (120, 160)


def write_video_file(path, action, seconds, seed):
    write_video(path.with_suffix(".mp4"), render_clip(action, seconds, FPS, SIZE, seed), FPS)


def write_bag_of(storage, compressed):
    def write(path, action, seconds, seed):
        frames = [Frame(item.rgb, START + item.stamp_ns) for item in render_clip(action, seconds, FPS, SIZE, seed)]
        write_bag(path, storage, compressed, frames=frames)

    return write


def break_video(path, action, seconds, seed):
    """A video that ends in the middle of a picture."""
    write_video_file(path, action, seconds, seed)
    whole = path.with_suffix(".mp4")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])


def break_bag(path, action, seconds, seed):
    """A bag whose file is cut."""
    write_bag_of(StoragePlugin.MCAP, False)(path, action, seconds, seed)
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def write_noise(path, action, seconds, seed):
    path.with_suffix(".mp4").write_bytes(bytes(range(256)) * 4)


def write_empty_bag(path, action, seconds, seed):
    write_bag(path, frames=[])


WHOLE = (
    write_video_file,
    write_bag_of(StoragePlugin.SQLITE3, False),
    write_video_file,
    write_bag_of(StoragePlugin.MCAP, True),
)
BROKEN = (break_video, break_bag, write_noise, write_empty_bag)


def write_recordings(folder: Path, count: int, broken: int, seconds: float) -> None:
    """`count` recordings in `folder`, the last `broken` of them unusable."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    writers = [*islice(cycle(WHOLE), count - broken), *islice(cycle(BROKEN), broken)]
    for number, (write, action) in enumerate(zip(writers, cycle(ACTIONS))):
        write(folder / f"{number:05}", action, seconds, number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    write_recordings(options.folder, options.count, options.broken, options.seconds)
