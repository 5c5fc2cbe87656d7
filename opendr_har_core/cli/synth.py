"""`opendr-har synth`: render a data set of synthetic clips."""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, List, Tuple

from opendr_har_core.cli.options import add_job, add_settings, read_settings
from opendr_har_core.cli.output import Result
from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting

if TYPE_CHECKING:
    from opendr_har_core.frame import Frame

TRUTH_COLUMNS = ("frame", "time_sec", "id", "action", "left", "top", "right", "bottom", "visible")


@dataclass(frozen=True)
class SynthSettings:
    """The clips to render. Raises ConfigError."""

    clips: int = setting(10, "Clips of each action.", least=1)
    seconds: float = setting(4.0, "Length of a clip.", unit="s", above=0)
    fps: float = setting(30.0, "Frames per second.", unit="Hz", above=0)
    width: int = setting(320, "Width of the picture, an even number.", unit="px", least=32, most=4096)
    height: int = setting(240, "Height of the picture, an even number.", unit="px", least=32, most=4096)
    seed: int = setting(0, "Seed of the first clip of each action; the others count up.", least=0)

    def __post_init__(self) -> None:
        check(self)
        if self.width % 2 or self.height % 2:
            raise ConfigError(f"the picture is {self.width}x{self.height}, expected even numbers for the encoder")


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "synth",
        help="render synthetic clips of a moving figure",
        description="Write synthetic videos of a moving figure, FOLDER/<action>/<seed>.mp4: a data set for "
        "'train --data' and 'eval --data' that needs no camera. With --people, write scenes of several people, "
        "FOLDER/<seed>.mp4, and FOLDER/<seed>.csv with the box, id and action of each in every frame. The same options "
        "give the same clips.",
        examples=(
            "clips/train --clips 20",
            "clips/val --clips 5 --seed 1000",
            "clips --actions walking jumping --seconds 3 --width 160 --height 120",
            "scenes --people walking 'waving both hands' jumping --clips 1 --seconds 20 --width 640 --height 480",
            "--list",
        ),
        run=run,
    )
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="where to write; created if needed")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--actions", nargs="+", metavar="ACTION", help="which (default: all; see --list)")
    which.add_argument("--people", nargs="+", metavar="ACTION", help="scenes with a person for each of these actions")
    add_settings(parser, SynthSettings)
    parser.add_argument("--overwrite", action="store_true", help="replace existing clips")
    parser.add_argument("--list", action="store_true", help="list the actions and exit")


def run(options: argparse.Namespace) -> Result:
    """Render and write clip by clip; each file is written atomically."""
    from opendr_har_core.synthetic.actions import ACTIONS

    if options.list:
        return Result("".join(f"{action}\n" for action in ACTIONS), {"actions": ACTIONS})
    if options.folder is None:
        raise ConfigError("FOLDER is missing; example: opendr-har synth clips/train --clips 20")
    settings = read_settings(options, SynthSettings)
    clips = _clips(options, settings, ACTIONS)
    with options.out.progress("rendering", "clips") as report:
        for index, (actions, seed, path) in enumerate(clips, start=1):
            path.parent.mkdir(parents=True, exist_ok=True)
            (_write_scene if options.people else _write_clip)(path, actions, settings, seed)
            report(index, len(clips))
    names = list(dict.fromkeys(action for actions, _, _ in clips for action in actions))
    frames = len(clips) * round(settings.seconds * settings.fps)
    what = f"scenes of {len(options.people)} people" if options.people else f"clips of {len(names)} actions"
    text = f"{options.folder}: {len(clips)} {what}, {frames} frames\n"
    values = {"output": options.folder, "clips": len(clips), "actions": names, "frames": frames, "seed": settings.seed}
    return Result(text, values)


def _write_clip(path: Path, actions: List[str], settings: SynthSettings, seed: int) -> None:
    from opendr_har_core.media.video import write_video
    from opendr_har_core.synthetic.scene import render_clip

    size = settings.height, settings.width
    write_video(path, render_clip(actions[0], settings.seconds, settings.fps, size, seed), settings.fps)


def _write_scene(path: Path, actions: List[str], settings: SynthSettings, seed: int) -> None:
    """Write a scene, and its truth next to it."""
    from opendr_har_core.media.video import write_video
    from opendr_har_core.storage.atomic import atomic_path
    from opendr_har_core.synthetic.crowd import render_crowd

    with atomic_path(path.with_suffix(".csv")) as unfinished, unfinished.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(TRUTH_COLUMNS)

        def frames() -> Iterator[Frame]:
            size = settings.height, settings.width
            scene = render_crowd(actions, settings.seconds, settings.fps, size, seed)
            for index, each in enumerate(scene):
                for person in each.people:
                    box = [f"{value:.1f}" for value in person.box.tolist()]
                    time_sec = f"{each.frame.stamp_ns / 1e9:.3f}"
                    table.writerow([index, time_sec, person.id, person.action, *box, f"{person.visible:.2f}"])
                yield each.frame

        write_video(path, frames(), settings.fps)


def _clips(
    options: argparse.Namespace, settings: SynthSettings, known: Tuple[str, ...]
) -> List[Tuple[List[str], int, Path]]:
    """Actions, seed and path of each; raises ConfigError before anything is rendered."""
    wanted = options.people or list(dict.fromkeys(options.actions or known))
    strays = [action for action in wanted if action not in known]
    if strays:
        raise ConfigError(f"unknown actions {strays}, expected some of {list(known)}")
    if round(settings.seconds * settings.fps) < 1:
        raise ConfigError(f"{settings.seconds} s at {settings.fps} Hz are less than a frame; make the clips longer")
    folder = Path(options.folder)
    seeds = range(settings.seed, settings.seed + settings.clips)
    if options.people:
        clips = [(wanted, seed, folder / f"{seed}.mp4") for seed in seeds]
    else:
        clips = [([action], seed, folder / action / f"{seed}.mp4") for action in wanted for seed in seeds]
    existing = [path for _, _, path in clips if path.exists() or (options.people and path.with_suffix(".csv").exists())]
    if existing and not options.overwrite:
        raise ConfigError(f"{existing[0]} exists ({len(existing)} in all); give --overwrite or another --seed")
    return clips
