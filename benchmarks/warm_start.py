"""How often provisional labels hold, and what dense sampling and a warm start cost.

python benchmarks/warm_start.py [--starts 3] [--json FILE]

CoX3D-S, X3D-XS and X3D-S with real Kinetics-400 weights over the real clips of ../shared (or $HAR_SHARED), each entered
at several moments and repeated end to end where it is shorter than the warm-up.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
import tracemalloc
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np

from opendr_har_core import Frame, Prediction, Recognizer, Stream
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.media.video import loop_frames, probe
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.streaming.preprocess import to_network_input

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WEIGHTS = "x3d_xs_k400_slowfast.pyth"  # fits XS, S and M
NETWORKS = {"cox3d_s": (CoX3D, "s"), "x3d_xs": (X3D, "xs"), "x3d_s": (X3D, "s")}
FOLDERS = ("labelled", "gestures_rgb", "scenes")
# How much of the warm-up has been seen; a whole one counts as 1.
MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
CONFIDENT = 0.5
SECOND = 1_000_000_000
COST_FPS, COST_SEC, COST_ROUNDS = 30, 4, 7


@dataclass(frozen=True)
class Answer:
    """One provisional label beside the first one of an ordinary stream on the same frames.

    Attributes:
        network, clip, start_sec: what was shown, and the moment at which it was entered.
        moment: share of the warm-up that had been seen; 0 is the first frame.
        frames: real frames seen.
        label, score: what the stream with a warm start said.
        holds: whether the ordinary stream's first label was the same.
        right: whether the clip is of that label; None where it shows none of the classes.
    """

    network: str
    clip: str
    start_sec: float
    moment: float
    frames: int
    label: str
    score: float
    holds: bool
    right: Any


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=3, help="moments at which each clip is entered")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: Dict[str, Any] = {"answers": [], "cost": []}
    with TemporaryDirectory() as folder:
        for name in NETWORKS:
            recognizer = Recognizer.open(bundle(name, Path(folder)))
            answers = answers_of(recognizer, options.starts)
            tell(name, answers)
            report["answers"] += [asdict(answer) for answer in answers]
            report["cost"].append(cost(name, recognizer))
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1), encoding="utf-8")


def bundle(name: str, folder: Path) -> Path:
    """The network with the real weights as a bundle."""
    kind, size = NETWORKS[name]
    network = kind(x3d_config(size))
    load_weights(network, SHARED / "weights" / WEIGHTS)
    return export_bundle(network, folder / f"{name}.onnx", source=WEIGHTS)


def answers_of(recognizer: Recognizer, starts: int) -> List[Answer]:
    """All clips, entered at `starts` moments each."""
    clips = [path for folder in FOLDERS for path in sorted((SHARED / "videos" / folder).iterdir())]
    found: List[Answer] = []
    for clip in clips:
        frames = decoded(recognizer, clip, starts)
        length = duration_ns(clip)
        for index in range(starts):
            start = index * length // starts
            entered = [frame for frame in frames if frame.stamp_ns >= start]
            found += compared(recognizer, clip, start / SECOND, entered)
    return found


def duration_ns(clip: Path) -> int:
    """Length of a clip, at most a minute of it."""
    info = probe(clip)
    seconds = info.frames / info.fps if info.frames else info.duration_sec
    return round(min(seconds or 10, 60) * SECOND)


def decoded(recognizer: Recognizer, clip: Path, starts: int) -> List[Frame]:
    """As many frames as all starts need, already of the network's size."""
    spec = recognizer.spec
    end = duration_ns(clip) * (starts - 1) // starts + (spec.warm_up + 2) * spec.period_ns
    frames = takewhile(lambda frame: frame.stamp_ns <= end, loop_frames(clip))
    return [Frame(to_network_input(frame.rgb, spec.image_size), frame.stamp_ns) for frame in frames]


def compared(recognizer: Recognizer, clip: Path, start_sec: float, frames: Sequence[Frame]) -> Iterator[Answer]:
    """The labels of a warm start at all moments, beside the first label of an ordinary stream."""
    name, warm_up = recognizer.spec.name, recognizer.spec.warm_up
    warm = predictions(recognizer.stream(warm_start="repeat"), frames, warm_up + 1)
    cold = predictions(recognizer.stream(), frames, 1)[-1]
    truth = clip.stem.replace("_ucf", "").replace("_", " ") if clip.parent.name == "labelled" else None
    for moment in MOMENTS:
        count = max(1, math.ceil(moment * warm_up)) if moment < 1 else warm_up + 1
        said = warm[count - 1]
        right = None if truth is None else said.label == truth
        holds = said.label == cold.label
        yield Answer(name, clip.name, start_sec, moment, count, said.label, said.score, holds, right)


def predictions(stream: Stream, frames: Sequence[Frame], count: int) -> List[Prediction]:
    """The first `count` predictions on frames."""
    found: List[Prediction] = []
    for frame in frames:
        prediction = stream.push(frame)
        if prediction:
            found.append(prediction)
        if len(found) == count:
            return found
    raise ValueError(f"{len(frames)} frames give {len(found)} predictions, expected {count}")


def tell(name: str, answers: Sequence[Answer]) -> None:
    """One row per moment: how often labels held, by kind of clip too; and how often they were right."""
    say(f"{name}: share of provisional labels that were also the first label of an ordinary stream")
    for moment in MOMENTS:
        at = [answer for answer in answers if answer.moment == moment]
        confident = [answer for answer in at if answer.score >= CONFIDENT]
        parts = {
            folder: [answer for answer in at if (SHARED / "videos" / folder / answer.clip).exists()]
            for folder in FOLDERS
        }
        kinds = ", ".join(f"{folder} {share(part)}" for folder, part in parts.items())
        named = [answer for answer in at if answer.right is not None]
        right = f"{sum(answer.right for answer in named)}/{len(named)}"
        say(
            f"  {at[0].frames:3} frames: {share(at)}; with a score of {CONFIDENT} or more {share(confident)}; {kinds}; "
            f"named rightly {right}"
        )


def share(answers: Sequence[Answer]) -> str:
    """Held, of all."""
    held = sum(answer.holds for answer in answers)
    return f"{held}/{len(answers)} ({100 * held / max(len(answers), 1):.0f}%)"


def cost(name: str, recognizer: Recognizer) -> Dict[str, Any]:
    """Work and memory of kinds of streams on a 30 Hz camera, and the first push of each; kinds take turns."""
    kinds: Dict[str, Dict[str, str]] = {
        "stamps": {},
        "dense": {"sampling": "dense"},
        "stamps, repeat": {"warm_start": "repeat"},
        "dense, repeat": {"sampling": "dense", "warm_start": "repeat"},
    }
    cpu: Dict[str, List[float]] = {kind: [] for kind in kinds}
    first: Dict[str, List[float]] = {kind: [] for kind in kinds}
    for _ in range(COST_ROUNDS):
        for kind, options in kinds.items():
            stream, frames = recognizer.stream(**options), camera(recognizer)
            first[kind].append(cpu_ms(stream, frames[:1]))
            cpu_ms(stream, frames[1:COST_FPS])  # all histories begin within the first second
            cpu[kind].append(cpu_ms(stream, frames[COST_FPS:]) / (COST_SEC - 1))
    memory = {kind: held_bytes(recognizer, options) for kind, options in kinds.items()}
    rows = [
        {
            "network": name,
            "kind": kind,
            "cpu_ms_per_sec": statistics.median(cpu[kind]),
            "cpu_ratio": ratio(cpu[kind], cpu[kind.replace("dense", "stamps")]),
            "first_push_ms": statistics.median(first[kind]),
            "memory_mb": memory[kind] / 1e6,
        }
        for kind in kinds
    ]
    for row in rows:
        say(
            f"  {row['kind']:<15} {row['cpu_ms_per_sec']:7.1f} ms of CPU for a second of 30 Hz video, "
            f"{row['cpu_ratio']:.2f} x the same with stamps; first push {row['first_push_ms']:.0f} ms; "
            f"{row['memory_mb']:.1f} MB"
        )
    return {"network": name, "rows": rows}


def camera(recognizer: Recognizer) -> List[Frame]:
    """Random frames of the network's size."""
    side = recognizer.spec.image_size
    rgb = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return [Frame(rgb, round(index * SECOND / COST_FPS)) for index in range(COST_FPS * COST_SEC)]


def cpu_ms(stream: Stream, frames: Sequence[Frame]) -> float:
    """CPU time of pushing frames, over all threads."""
    start = time.process_time()
    for frame in frames:
        stream.push(frame)
    return 1000 * (time.process_time() - start)


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Median over rounds, so that a slow round counts for both."""
    return statistics.median(value / other for value, other in zip(values, base))


def held_bytes(recognizer: Recognizer, options: Dict[str, str]) -> int:
    """What a stream has allocated after a second of video, as NumPy tells."""
    frames = camera(recognizer)[:COST_FPS]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    stream = recognizer.stream(**options)
    for frame in frames:
        stream.push(frame)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
