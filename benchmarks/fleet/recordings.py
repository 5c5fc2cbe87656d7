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


def write_video_file(path, frames, fps):
    write_video(path.with_suffix(".mp4"), frames, fps)


def write_bag_of(storage, compressed):
    def write(path, frames, fps):
        frames = [Frame(item.rgb, START + item.stamp_ns) for item in frames]
        write_bag(path, storage, compressed, frames=frames)

    return write


def break_video(path, frames, fps):
    """A video that ends in the middle of a picture."""
    write_video_file(path, frames, fps)
    whole = path.with_suffix(".mp4")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])


def break_bag(path, frames, fps):
    """A bag whose file is cut."""
    write_bag_of(StoragePlugin.MCAP, False)(path, frames, fps)
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def write_noise(path, frames, fps):
    path.with_suffix(".mp4").write_bytes(bytes(range(256)) * 4)


def write_empty_bag(path, frames, fps):
    write_bag(path, frames=[])


WHOLE = {
    "video": write_video_file,
    "sqlite3": write_bag_of(StoragePlugin.SQLITE3, False),
    "mcap": write_bag_of(StoragePlugin.MCAP, True),
}
BROKEN = (break_video, break_bag, write_noise, write_empty_bag)


def write_recordings(options: argparse.Namespace) -> None:
    """`count` recordings in `folder`, the last `broken` of them unusable."""
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    whole = [WHOLE[kind] for kind in options.kinds]
    writers = [*islice(cycle(whole), options.count - options.broken), *islice(cycle(BROKEN), options.broken)]
    size = options.height, options.height * 4 // 3
    for number, (write, action) in enumerate(zip(writers, cycle(ACTIONS))):
        frames = render_clip(action, options.seconds, options.fps, size, seed=number)
        write(options.folder / f"{number:05}", frames, options.fps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--height", type=int, default=120)
    parser.add_argument("--kinds", nargs="+", choices=WHOLE, default=["video", "sqlite3", "video", "mcap"])
    write_recordings(parser.parse_args())
