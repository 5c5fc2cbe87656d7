"""How soon X3D and CoX3D name a new action, how right they are, and what they cost.

python benchmarks/reaction/run.py [--parts steady reaction first packaged cost] [--sizes xs s m]
    [--networks clip full none] [--windows 4 8 13] [--splices 10] [--output results.json] [--picture reaction.svg]

Real Kinetics-400 weights on the labelled clips of ../shared (or $HAR_SHARED). The weights were trained as an XS; S and
M have the same shapes. New results are merged into the file `--output`, so that parts and sizes can be measured one by
one; `--parts` without a value only makes the tables and the picture.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "accuracy"))
from real_videos import real_videos

from opendr_har_core import Frame, Recognizer
from opendr_har_core.benchmarking.cost import costs_of
from opendr_har_core.benchmarking.footage import Track, Viewer, follow, lead_seconds, played
from opendr_har_core.benchmarking.reaction import (
    Splice,
    reactions_to,
    splice_pairs,
    steadiness,
    summarise,
)
from opendr_har_core.benchmarking.tables import UNKNOWN, aligned
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import read_video
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import FULL, NANOSECONDS, NONE
from opendr_har_core.storage.atomic import atomic_path

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).resolve().parents[3] / "shared"))
WEIGHTS = "x3d_xs_k400_slowfast.pyth"
SIZES = ("xs", "s", "m")
CLIP = "clip"
NETWORKS = (CLIP, FULL, NONE)
WINDOWS = (4, 8, 13)
STEADY, REACTION, FIRST, PACKAGED, COST = PARTS = ("steady", "reaction", "first", "packaged", "cost")
PACKAGED_VIDEOS = ("gestures", "silhouettes")
STEADY_PREDICTIONS = 20
STARTS = 10
CAMERA = (480, 640)

Results = Dict[str, Any]
Video = Tuple[List[Frame], int]  # all its frames, and the class that it shows


@dataclass(frozen=True)
class Clip:
    """A video and the class that it shows."""

    path: Path
    class_id: int


@dataclass(frozen=True)
class Variant:
    """One network in one size; `window` is None for a clip network."""

    network: str
    size: str
    window: Optional[int] = None

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.network}, window {self.window}" if self.network == NONE else self.network

    def open(self, folder: Path) -> Recognizer:
        """Exported into a folder with the real weights."""
        if self.network == CLIP:
            network: X3D = X3D(x3d_config(self.size))
        else:
            network = CoX3D(x3d_config(self.size, self.network), window=self.window)
        load_weights(network, SHARED / "weights" / WEIGHTS)
        path = folder / f"{self.size}_{self.network}_{self.window}.onnx"
        return Recognizer.open(export_bundle(network, path, source=WEIGHTS))


def main() -> None:
    """Measure, write, print."""
    options = arguments()
    results: Results = {}
    if options.output and options.output.exists():
        results = json.loads(options.output.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        for size in options.sizes if set(options.parts) - {PACKAGED} else ():
            for _ in measured(results.setdefault(size, {}), size, options, Path(folder)):
                write(results, options.output)
    if PACKAGED in options.parts:
        results[PACKAGED] = packaged_part()
        write(results, options.output)
    for size in filter(results.get, SIZES):
        say(f"\n{size.upper()}\n\n{variants_table(results[size])}")
        if FIRST in results[size]:
            say(f"\n{first_table(results[size][FIRST])}")
    for group, rows in results.get(PACKAGED, {}).items():
        say(f"\npackaged continual model, {group}\n\n{first_table(rows)}")
    if options.picture:
        draw(results, options.picture)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--windows", nargs="+", type=int, default=WINDOWS, help="of networks without lookahead")
    parser.add_argument("--splices", type=int, default=10, help="pairs of clips that are spliced, at most")
    parser.add_argument("--output", type=Path, metavar="JSON")
    parser.add_argument("--picture", type=Path, metavar="SVG")
    return parser.parse_args()


def measured(results: Results, size: str, options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Put all parts that were asked for, of one size, into the results; yields each that is done."""
    if FIRST in options.parts:
        recognizer = Variant(NONE, size, x3d_config(size).frames).open(folder)
        clips = labelled_clips(recognizer.labels)
        results[FIRST] = first_frames(recognizer, ((list(read_video(clip.path)), clip.class_id) for clip in clips))
        yield FIRST
    variants = [Variant(CLIP, size)] if CLIP in options.networks else []
    variants += [Variant(FULL, size, x3d_config(size).frames)] if FULL in options.networks else []
    variants += [Variant(NONE, size, window) for window in options.windows if NONE in options.networks]
    if not set(options.parts) - {FIRST, PACKAGED}:
        return
    recognizers = [variant.open(folder) for variant in variants]
    clips = labelled_clips(recognizers[0].labels)
    parts: Dict[str, Callable[[], List[Results]]] = {
        STEADY: lambda: steady_part(recognizers, clips),
        REACTION: lambda: reaction_part(recognizers, clips, options.splices),
        COST: lambda: [asdict(cost) for cost in costs_of(recognizers, CAMERA)],
    }
    for part, run in parts.items():
        if part in options.parts:
            for variant, values in zip(variants, run()):
                results.setdefault("variants", {}).setdefault(variant.name, {})[part] = values
            yield part


def write(results: Results, path: Optional[Path]) -> None:
    """The file is replaced as a whole, where one is wanted."""
    if path is not None:
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


def labelled_clips(labels: LabelMap) -> List[Clip]:
    """The clips whose file names are classes."""
    paths = sorted((SHARED / "videos" / "labelled").iterdir())
    return [Clip(path, labels.id(path.stem.replace("_ucf", "").replace("_", " "))) for path in paths]


def steady_part(recognizers: Sequence[Recognizer], clips: Sequence[Clip]) -> List[Results]:
    """Of each model the accuracy over clips that are looped, after the longest warm-up of all."""
    lead_sec = lead_seconds(recognizers)
    lead_ns = round(lead_sec * NANOSECONDS)
    seconds = (STEADY_PREDICTIONS + 1) * recognizers[0].spec.period_ns / NANOSECONDS
    shown = [
        follow(
            [Viewer.ready_at(recognizer, lead_ns) for recognizer in recognizers], played(clip.path, lead_sec + seconds)
        )
        for clip in clips
    ]
    results = []
    for index, recognizer in enumerate(recognizers):
        tracks = [tracks[index] for tracks in shown]
        found = [steadiness(head(track.since(lead_ns)), clip.class_id) for track, clip in zip(tracks, clips)]
        results.append(
            {
                "first_label_sec": recognizer.stream().status.silent_frames * recognizer.spec.period_ns / NANOSECONDS,
                "right": sum(item.right for item in found),
                "clips": len(found),
                "probability": float(np.mean([item.probability for item in found])),
                "frame_wise": float(np.mean([item.frame_wise for item in found])),
                "by_clip": {clip.path.name: asdict(item) for clip, item in zip(clips, found)},
            }
        )
    return results


def head(track: Track) -> Track:
    """The predictions that count as steady."""
    return Track(track.stamps_ns[:STEADY_PREDICTIONS], track.scores[:STEADY_PREDICTIONS])


def reaction_part(recognizers: Sequence[Recognizer], clips: Sequence[Clip], count: int) -> List[Results]:
    """Of each model the seconds from a splice to the second clip's label."""
    pairs = islice(splice_pairs([clip.class_id for clip in clips]), count)
    splices = [Splice(clips[first].path, clips[second].path, class_id) for first, second, class_id in pairs]
    names = [f"{Path(splice.first).stem} -> {Path(splice.second).stem}" for splice in splices]
    results = []
    for reactions in reactions_to(recognizers, splices):
        by_splice = {name: item and asdict(item) for name, item in zip(names, reactions)}
        results.append({**asdict(summarise(reactions)), "by_splice": by_splice})
    return results


def packaged_part() -> Dict[str, List[Results]]:
    """The first frames of the packaged continual model, on real gestures and silhouettes."""
    recognizer = Recognizer.open("continual")
    videos: Dict[str, List[Video]] = {}
    for video in real_videos(SHARED):
        if video.action is not None and video.group in PACKAGED_VIDEOS:
            videos.setdefault(video.group, []).append((video.frames, recognizer.labels.id(video.action)))
    return {group: first_frames(recognizer, found) for group, found in videos.items()}


def first_frames(recognizer: Recognizer, videos: Iterable[Video]) -> List[Results]:
    """Accuracy of the prediction after 1, 2, 3, ... sampled frames, up to a full window; each video is looped."""
    spec = recognizer.spec
    scores, truth = [], []
    for frames, class_id in videos:
        for start in range(STARTS):
            entered = looped(frames, start * len(frames) // STARTS, (spec.window + 1) * spec.period_ns)
            (track,) = follow([Viewer(recognizer, min_frames=1)], entered)
            scores.append(track.scores[: spec.window])
            truth.append(class_id)
    by_frame = np.stack(scores, axis=1)  # (window, clips * starts, classes)
    right = by_frame.argmax(axis=2) == np.array(truth)
    probability = by_frame[:, range(len(truth)), truth]
    return [
        {
            "frames": index + 1,
            "seconds": index * spec.period_ns / NANOSECONDS,
            "starts": len(truth),
            "top1": float(right[index].mean()),
            "probability": float(probability[index].mean()),
        }
        for index in range(spec.window)
    ]


def looped(frames: Sequence[Frame], start: int, span_ns: int) -> Iterator[Frame]:
    """Frames of a whole video from index `start` on, over and over for a time, at its mean rate."""
    interval = frames[-1].stamp_ns // (len(frames) - 1)
    for index in range(span_ns // interval):
        yield Frame(frames[(start + index) % len(frames)].rgb, index * interval)


def variants_table(results: Results) -> str:
    """One row for each network."""
    lines = [
        [
            "network",
            "right",
            "p(true)",
            "top-1",
            "first label",
            "new label",
            "slowest",
            "stable",
            "named",
            "ms",
            "CPU",
            "MB",
        ]
    ]
    for name, parts in results.get("variants", {}).items():
        steady, reaction, cost = (parts.get(part, {}) for part in (STEADY, REACTION, COST))
        lines.append(
            [
                name,
                f"{steady['right']} of {steady['clips']}" if steady else UNKNOWN,
                number(steady.get("probability"), 2),
                number(steady.get("frame_wise"), 2),
                number(steady.get("first_label_sec"), 1, " s"),
                number(reaction.get("median_sec"), 2, " s"),
                number(reaction.get("slowest_sec"), 2, " s"),
                number(reaction.get("stable_median_sec"), 2, " s"),
                f"{reaction['named']} of {reaction['splices']}" if reaction else UNKNOWN,
                number(cost.get("step_sec"), 1, "", 1000),
                number(cost.get("cpu_sec"), 3, " s"),
                number(cost.get("stream_bytes"), 1, "", 1e-6),
            ]
        )
    return aligned(lines)


def first_table(rows: Sequence[Results]) -> str:
    """One row for each number of frames."""
    lines = [["frames", "after", "top-1", "p(true)"]]
    for row in rows:
        lines.append([str(row["frames"]), f"{row['seconds']:.1f} s", f"{row['top1']:.2f}", f"{row['probability']:.2f}"])
    return aligned(lines)


def number(value: Optional[float], digits: int, unit: str = "", factor: float = 1) -> str:
    """A cell of a table."""
    return UNKNOWN if value is None else f"{factor * value:.{digits}f}{unit}"


def draw(results: Results, path: Path) -> None:
    """Seconds from each splice to the new label, a row for each network, with the median."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = path.stem  # the same results give the same file
    sizes = [size for size in SIZES if any(REACTION in parts for parts in variants_of(results, size).values())]
    rows = [sum(REACTION in parts for parts in variants_of(results, size).values()) for size in sizes]
    figure = Figure(figsize=(8, 0.9 + 0.34 * sum(rows)), layout="constrained")
    panels = figure.subplots(len(sizes), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
    for size, panel in zip(sizes, panels):
        reactions = {name: parts[REACTION] for name, parts in variants_of(results, size).items() if REACTION in parts}
        for row, (name, reaction) in enumerate(reactions.items()):
            colour = "tab:orange" if name == FULL else "tab:blue" if name.startswith(NONE) else "tab:grey"
            seconds = [item["first_sec"] for item in filter(None, reaction["by_splice"].values())]
            seconds = [value for value in seconds if value is not None]
            panel.plot(seconds, [row] * len(seconds), "o", color=colour, alpha=0.35, markersize=5, markeredgewidth=0)
            if reaction["median_sec"] is not None:
                panel.plot([reaction["median_sec"]] * 2, [row - 0.35, row + 0.35], color=colour, linewidth=2.5)
        panel.set_yticks(range(len(reactions)), reactions)
        panel.set_ylim(len(reactions) - 0.4, -0.6)
        panel.set_title(size.upper(), loc="left", fontsize=10)
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlim(left=0)
    panels[-1].set_xlabel("seconds from the change of action to the first label that names it; bars: medians")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata={"Date": None})


def variants_of(results: Results, size: str) -> Results:
    """The networks of a size."""
    found: Results = results.get(size, {}).get("variants", {})
    return found


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
