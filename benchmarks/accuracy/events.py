"""Event metrics of the packaged models and of CoX3D-S/XS, with and without lookahead, on spliced real clips.

python benchmarks/accuracy/events.py [--models default continual kinetics400 s xs] [--recordings 16] [--seconds 8 20]
    [--seed 0] [--output results.json]

Each recording joins eight clips of ../shared (or $HAR_SHARED), each shown for a random time, so boundaries are known:
gestures and scenes for the models of nine actions, labelled clips for those of Kinetics-400. S and XS take the real
weights, which were trained as an XS. `1 s` are labels that have to last so long before they show (`min_duration_sec`).
`shifted` scores the same labels moved back by the model's delay: what they are worth to someone who labels recordings;
the difference is what lookahead costs live.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np
from reaction import FULL, NONE, Variant, labelled_clips
from real_videos import GESTURES, PACKAGED_ACTIONS, SHARED

from opendr_har_core import Frame, Recognizer
from opendr_har_core.benchmarking.footage import played, square
from opendr_har_core.benchmarking.tables import number, table
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.recordings.score import score
from opendr_har_core.recordings.score_lines import Event, TimeLine
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.streaming.events import ENDED, LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings

BACKGROUND = LabelSettings.no_activity_label
# The default settings, and labels that last.
SETTINGS = {"": LabelSettings(), ", 1 s": LabelSettings(min_duration_sec=1.0)}
KINETICS, CLIPS = "kinetics400", 8
MS = NANOSECONDS // 1000
# (title, key, digits)
FIGURES = (
    ("F1@10", "f1_10", 1),
    ("F1@25", "f1_25", 1),
    ("F1@50", "f1_50", 1),
    ("edit", "edit", 1),
    ("accuracy", "accuracy", 1),
    ("delay s", "delay_median_sec", 2),
    ("p90 s", "delay_p90_sec", 2),
    ("missed", "missed", 0),
    ("false alarms/h", "false_alarms_per_hour", 0),
)

Part = Tuple[Path, str, float]


def main() -> None:
    """Label, score, write and print."""
    options = arguments()
    results: Dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for name, recognizer in opened(options.models, Path(folder)):
            generator = np.random.default_rng(options.seed)  # the same recordings for each model
            clips = clips_for(recognizer.labels)
            spliced = [drawn(clips, options.seconds, generator) for _ in range(options.recordings)]
            labelled = [lines(f"recording {index}", parts, recognizer) for index, parts in enumerate(spliced)]
            for how, found in zip(SETTINGS, zip(*labelled)):
                results[f"{name}{how}"] = score(found).to_dict()
                delay_ms = round(1000 * recognizer.spec.delay_sec)
                if delay_ms:
                    results[f"{name}{how}, shifted"] = score([shifted(item, delay_ms) for item in found]).to_dict()
            sys.stderr.write(f"{name} of {', '.join(options.models)} done\n")
    if options.output:
        with atomic_path(options.output) as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")
    columns = [("model", lambda row: row[0]), ("events", lambda row: str(row[1]["overall"]["events"]))]
    columns += [(title, lambda row, k=key, d=digits: number(row[1]["overall"][k], d)) for title, key, digits in FIGURES]
    sys.stdout.write(table(columns, results.items()) + "\n")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = ("default", "continual", KINETICS, "s", "xs")
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--recordings", type=int, default=16)
    parser.add_argument("--seconds", nargs=2, type=float, default=(8.0, 20.0), help="of each clip, from and to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, metavar="JSON")
    return parser.parse_args()


def opened(models: Sequence[str], folder: Path) -> Iterator[Tuple[str, Recognizer]]:
    """The packaged models, and CoX3D in a size with `full` and `none`."""
    for name in models:
        if name in ("s", "xs"):
            for network in (FULL, NONE):
                yield f"cox3d_{name}, {network}", Variant(network, name, x3d_config(name).frames).open(folder)
        else:
            yield name, Recognizer.open(name)


def clips_for(labels: LabelMap) -> List[Tuple[Path, str]]:
    """Clips with a class, or with the background."""
    if len(labels) == len(LabelMap.kinetics400()):
        return [(clip.path, labels[clip.class_id]) for clip in labelled_clips(labels)]
    gestures = sorted((SHARED / "videos" / "gestures_rgb").glob("*.avi"))
    named = [(path, PACKAGED_ACTIONS[GESTURES[int(path.stem[4])]]) for path in gestures]
    scenes = sorted((SHARED / "videos" / "scenes").glob("*.avi"))
    return named + [(path, BACKGROUND) for path in scenes for _ in range(len(gestures) // 9)]


def drawn(clips: Sequence[Tuple[Path, str]], seconds: Sequence[float], generator: np.random.Generator) -> List[Part]:
    """Clips one after the other, each for some seconds and of another class than the one before."""
    parts: List[Part] = []
    while len(parts) < CLIPS:
        path, label = clips[generator.integers(len(clips))]
        if not parts or parts[-1][1] != label:
            parts.append((path, label, round(float(generator.uniform(*seconds)), 3)))
    return parts


def lines(name: str, parts: Sequence[Part], recognizer: Recognizer) -> List[TimeLine]:
    """Label a recording as a live stream: a time line for each of SETTINGS."""
    stream = recognizer.stream(top_k=1)
    pipelines = [LabelPipeline(stream, settings) for settings in SETTINGS.values()]
    truth: List[Event] = []
    events: List[List[LabelEvent]] = [[] for _ in SETTINGS]
    start_ns = 0
    for path, label, seconds in parts:
        end_ns = start_ns + round(seconds * NANOSECONDS)
        truth.append(Event(start_ns // MS, end_ns // MS, label))
        for frame in played(path, seconds):
            at = Frame(frame.rgb, start_ns + frame.stamp_ns)
            prediction = stream.push(square(at, recognizer.spec.image_size))  # one size, or the stream would restart
            for pipeline, found in zip(pipelines, events):
                found.extend(pipeline.settle(prediction, at.stamp_ns)[1])
        start_ns = end_ns
    length_ms = start_ns // MS
    return [
        TimeLine(name, "", length_ms, 0, length_ms, named(truth), named(shown(found + list(pipeline.close(start_ns)))))
        for pipeline, found in zip(pipelines, events)
    ]


def shown(events: Sequence[LabelEvent]) -> List[Event]:
    """Labels from their begin to their end."""
    return [
        Event(round(event.began_ns / MS), round(event.stamp_ns / MS), event.label, event.score)
        for event in events
        if event.kind == ENDED and event.stamp_ns > event.began_ns
    ]


def named(events: Sequence[Event]) -> Tuple[Event, ...]:
    """Events without the background."""
    return tuple(event for event in events if event.label != BACKGROUND)


def shifted(item: TimeLine, delay_ms: int) -> TimeLine:
    """The labels at the times that they are about."""
    moved = (
        replace(event, start_ms=max(0, event.start_ms - delay_ms), end_ms=event.end_ms - delay_ms)
        for event in item.labels
        if event.end_ms > delay_ms
    )
    return replace(item, labels=tuple(moved))


if __name__ == "__main__":
    main()
