"""Reaction time, accuracy and cost of X3D and of CoX3D with and without lookahead, on labelled clips.

python benchmarks/accuracy/reaction.py [--parts steady reaction cost] [--sizes xs s m] [--networks clip full none]
    [--windows 4 8 13] [--splices 10] [--output results.json] [--picture reaction.svg]

Reads real Kinetics-400 weights and clips from ../shared (or $HAR_SHARED). The weights were trained as an XS; S and M
have the same shapes. Results are merged into the file `--output`, so parts and sizes can be measured one by one;
`--parts` without a value only prints the tables and draws the picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

import numpy as np
from real_videos import SHARED

from opendr_har_core import Recognizer
from opendr_har_core.benchmarking.agreement import camera_costs
from opendr_har_core.benchmarking.footage import (
    Splice,
    Track,
    Viewer,
    follow,
    lead_seconds,
    played,
    reactions_to,
    splice_pairs,
    summarize,
)
from opendr_har_core.benchmarking.tables import UNKNOWN, table
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import FULL, NANOSECONDS, NONE
from opendr_har_core.storage.atomic import atomic_path

WEIGHTS = "x3d_xs_k400_slowfast.pyth"
SIZES = ("xs", "s", "m")
CLIP = "clip"
NETWORKS = (CLIP, FULL, NONE)
WINDOWS = (4, 8, 13)
STEADY, REACTION, COST = PARTS = ("steady", "reaction", "cost")
STEADY_PREDICTIONS = 20
CAMERA = (480, 640)
# (column, part, key, digits, unit, factor)
COLUMNS = (
    ("p(true)", STEADY, "probability", 2, "", 1.0),
    ("top-1", STEADY, "frame_wise", 2, "", 1.0),
    ("first label", STEADY, "first_label_sec", 1, " s", 1.0),
    ("new label", REACTION, "median_sec", 2, " s", 1.0),
    ("slowest", REACTION, "slowest_sec", 2, " s", 1.0),
    ("stable", REACTION, "stable_median_sec", 2, " s", 1.0),
    ("named", REACTION, "named", 0, "", 1.0),
    ("ms", COST, "step_sec", 1, "", 1e3),
    ("CPU", COST, "cpu_sec", 3, " s", 1.0),
)

Results = Dict[str, Any]


@dataclass(frozen=True)
class Clip:
    """A video and its class."""

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
        """Name in tables."""
        return f"{self.network}, window {self.window}" if self.network == NONE else self.network

    def open(self, folder: Path) -> Recognizer:
        """Export the network with the real weights into a folder, and open it."""
        if self.network == CLIP:
            network: X3D = X3D(x3d_config(self.size))
        else:
            network = CoX3D(x3d_config(self.size, self.network), window=self.window)
        load_weights(network, SHARED / "weights" / WEIGHTS)
        path = folder / f"{self.size}_{self.network}_{self.window}.onnx"
        return Recognizer.open(export_bundle(network, path, source=WEIGHTS))


def main() -> None:
    """Measure, write and print."""
    options = arguments()
    results: Results = {}
    if options.output and options.output.exists():
        results = json.loads(options.output.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        for size in options.sizes if options.parts else ():
            for _ in measured(results.setdefault(size, {}), size, options, Path(folder)):
                if options.output:
                    with atomic_path(options.output) as temporary:
                        temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")
    for size in filter(results.get, SIZES):
        sys.stdout.write(f"\n{size.upper()}\n\n{variants_table(results[size])}\n")
    if options.picture:
        draw(results, options.picture)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--windows", nargs="+", type=int, default=WINDOWS, help="of networks without lookahead")
    parser.add_argument("--splices", type=int, default=10, help="largest number of pairs of clips to splice")
    parser.add_argument("--output", type=Path, metavar="JSON")
    parser.add_argument("--picture", type=Path, metavar="SVG")
    return parser.parse_args()


def measured(results: Results, size: str, options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Measure the requested parts for one size, into the results; yields each part when it is done."""
    variants = [Variant(CLIP, size)] if CLIP in options.networks else []
    variants += [Variant(FULL, size, x3d_config(size).frames)] if FULL in options.networks else []
    variants += [Variant(NONE, size, window) for window in options.windows if NONE in options.networks]
    recognizers = [variant.open(folder) for variant in variants]
    clips = labelled_clips(recognizers[0].labels)
    parts: Dict[str, Callable[[], List[Results]]] = {
        STEADY: lambda: steady_part(recognizers, clips),
        REACTION: lambda: reaction_part(recognizers, clips, options.splices),
        COST: lambda: [dict(zip(("step_sec", "cpu_sec"), cost)) for cost in camera_costs(recognizers, CAMERA)],
    }
    for part in options.parts:
        for variant, values in zip(variants, parts[part]()):
            results.setdefault(variant.name, {})[part] = values
        yield part


def labelled_clips(labels: LabelMap) -> List[Clip]:
    """The clips whose file names are classes."""
    paths = sorted((SHARED / "videos" / "labelled").iterdir())
    return [Clip(path, labels.id(path.stem.replace("_ucf", "").replace("_", " "))) for path in paths]


def steady_part(recognizers: Sequence[Recognizer], clips: Sequence[Clip]) -> List[Results]:
    """Accuracy of each model on looped clips, after the longest warm-up of all models."""
    lead_sec = lead_seconds(recognizers)
    lead_ns = round(lead_sec * NANOSECONDS)
    seconds = (STEADY_PREDICTIONS + 1) * recognizers[0].spec.period_ns / NANOSECONDS
    shown = [
        follow([Viewer.ready_at(item, lead_ns) for item in recognizers], played(clip.path, lead_sec + seconds))
        for clip in clips
    ]
    results = []
    for index, recognizer in enumerate(recognizers):
        found = [accuracy(tracks[index].since(lead_ns), clip.class_id) for tracks, clip in zip(shown, clips)]
        mean = {name: float(np.mean([item[name] for item in found])) for name in ("probability", "frame_wise")}
        silent = recognizer.stream().status.silent_frames
        results.append(
            {
                "first_label_sec": silent * recognizer.spec.period_ns / NANOSECONDS,
                "right": sum(item["right"] for item in found),
                "clips": len(found),
                **mean,
            }
        )
    return results


def accuracy(track: Track, class_id: int) -> Results:
    """Accuracy of the first steady predictions for a clip of one class."""
    scores, labels = track.scores[:STEADY_PREDICTIONS], track.labels[:STEADY_PREDICTIONS]
    return {
        "right": bool(scores.mean(axis=0, dtype=np.float64).argmax() == class_id),
        "probability": scores[:, class_id].mean(dtype=np.float64),
        "frame_wise": (labels == class_id).mean(),
    }


def reaction_part(recognizers: Sequence[Recognizer], clips: Sequence[Clip], count: int) -> List[Results]:
    """Seconds from a splice to the label of the second clip, for each model."""
    pairs = islice(splice_pairs([clip.class_id for clip in clips]), count)
    splices = [Splice(clips[first].path, clips[second].path, class_id) for first, second, class_id in pairs]
    return [
        {**asdict(summarize(reactions)), "first_sec": [item and item.first_sec for item in reactions]}
        for reactions in reactions_to(recognizers, splices)
    ]


def variants_table(variants: Results) -> str:
    """One row for each network."""

    def right(row: Any) -> str:
        steady = row[1].get(STEADY)
        return f"{steady['right']} of {steady['clips']}" if steady else UNKNOWN

    def cell(part: str, key: str, digits: int, unit: str, factor: float, row: Any) -> str:
        value = row[1].get(part, {}).get(key)
        return UNKNOWN if value is None else f"{factor * value:.{digits}f}{unit}"

    columns = [("network", lambda row: row[0]), ("right", right)]
    return table([*columns, *((title, partial(cell, *how)) for title, *how in COLUMNS)], variants.items())


def draw(results: Results, path: Path) -> None:
    """Seconds from each splice to the new label, a row for each network, with the median."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = path.stem  # the same results give the same file
    panels = {
        size: {name: parts[REACTION] for name, parts in results[size].items() if REACTION in parts}
        for size in filter(results.get, SIZES)
    }
    rows = [len(reactions) for reactions in panels.values()]
    figure = Figure(figsize=(8, 0.9 + 0.34 * sum(rows)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
    for (size, reactions), panel in zip(panels.items(), axes):
        for row, (name, reaction) in enumerate(reactions.items()):
            colour = "tab:orange" if name == FULL else "tab:blue" if name.startswith(NONE) else "tab:grey"
            seconds = [value for value in reaction["first_sec"] if value is not None]
            panel.plot(seconds, [row] * len(seconds), "o", color=colour, alpha=0.35, markersize=5, markeredgewidth=0)
            if reaction["median_sec"] is not None:
                panel.plot([reaction["median_sec"]] * 2, [row - 0.35, row + 0.35], color=colour, linewidth=2.5)
        panel.set_yticks(range(len(reactions)), reactions)
        panel.set_ylim(len(reactions) - 0.4, -0.6)
        panel.set_title(size.upper(), loc="left", fontsize=10)
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlim(left=0)
    axes[-1].set_xlabel("seconds from the change of action to the first label that names it; bars: medians")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata={"Date": None})


if __name__ == "__main__":
    main()
