"""`opendr-har synth`: a folder of drawn clips, to try things out with and to learn by."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, List, Tuple

from opendr_har_core.cli.completion import actions, completed
from opendr_har_core.cli.options import add_folder, add_job
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError, DataError


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "synth",
        help="draw clips of a moving figure",
        description="Write videos of a drawn figure, FOLDER/<action>/<seed>.mp4: a data set for 'train --data' and "
        "'eval --data' that needs no camera. The same options give the same clips.",
        examples=(
            "clips/train --clips 20",
            "clips/val --clips 5 --seed 1000",
            "clips --actions walking jumping --seconds 3 --size 160x120",
            "--list",
        ),
        run=run,
    )
    add_folder(parser, "folder", nargs="?", metavar="FOLDER", help="where to write; it is made where there is none")
    chosen = parser.add_argument("--actions", nargs="+", metavar="ACTION", help="which (default: all; see --list)")
    completed(chosen, actions)
    parser.add_argument("--clips", type=_count, default=10, metavar="N", help="of each action (default: 10)")
    parser.add_argument("--seconds", type=_positive, default=4.0, metavar="S", help="length of a clip (default: 4)")
    parser.add_argument("--fps", type=_positive, default=30.0, metavar="HZ", help="frames a second (default: 30)")
    parser.add_argument("--size", type=_size, default=(240, 320), metavar="WxH", help="pixels (default: 320x240)")
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="of the first clip (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace clips that are there already")
    parser.add_argument("--list", action="store_true", help="print the actions and end")


def run(options: argparse.Namespace) -> Result:
    """Draw and write, clip by clip; each file appears whole or not at all."""
    from opendr_har_core.synthetic.actions import ACTIONS

    if options.list:
        return Result("".join(f"{action}\n" for action in ACTIONS), {"actions": ACTIONS})
    if options.folder is None:
        raise ConfigError("say which FOLDER to write to; example: opendr-har synth clips/train --clips 20")
    clips = _clips(options, ACTIONS)
    frames = _write(clips, options)
    names = list(dict.fromkeys(action for action, _, _ in clips))
    text = f"{options.folder}: {len(clips)} clips of {len(names)} actions, {frames} frames\n"
    values = {"output": options.folder, "clips": len(clips), "actions": names, "frames": frames, "seed": options.seed}
    return Result(text, values)


def _clips(options: argparse.Namespace, known: Tuple[str, ...]) -> List[Tuple[str, int, Path]]:
    """Action, seed and path of each; raises ConfigError before anything is drawn."""
    wanted = list(dict.fromkeys(options.actions or known))
    strays = [action for action in wanted if action not in known]
    if strays:
        raise ConfigError(f"{strays} can't be drawn, expected some of {list(known)}")
    if round(options.seconds * options.fps) < 1:
        raise ConfigError(f"{options.seconds} s at {options.fps} Hz are no frame; ask for longer clips")
    folder = Path(options.folder)
    seeds = range(options.seed, options.seed + options.clips)
    clips = [(action, seed, folder / action / f"{seed}.mp4") for action in wanted for seed in seeds]
    there = [path for _, _, path in clips if path.exists()]
    if there and not options.overwrite:
        raise ConfigError(f"{there[0]} is there already ({len(there)} in all); give --overwrite or another --seed")
    return clips


def _write(clips: List[Tuple[str, int, Path]], options: argparse.Namespace) -> int:
    from opendr_har_core.media.video import write_video
    from opendr_har_core.synthetic.scene import render_clip

    with options.out.progress("drawing", "clips") as report:
        for index, (action, seed, path) in enumerate(clips, start=1):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DataError(f"the folder {path.parent} can't be made: {error}") from None
            write_video(path, render_clip(action, options.seconds, options.fps, options.size, seed), options.fps)
            report(index, len(clips))
    frames: int = len(clips) * round(options.seconds * options.fps)
    return frames


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not one or more")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is not zero or more")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


def _size(text: str) -> Tuple[int, int]:
    """WxH as (height, width); the encoder wants even numbers, and a figure some room."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is not of the form 320x240")
    sides = int(height), int(width)
    if any(side % 2 or not 32 <= side <= 4096 for side in sides):
        raise argparse.ArgumentTypeError(f"{text} has a side that is odd, below 32 or above 4096")
    return sides
