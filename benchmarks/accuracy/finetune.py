"""Fine-tune X3D-XS on real clips of few persons, and test on a person whom it has never seen: each in turn.

python benchmarks/accuracy/finetune.py [--tasks gestures silhouettes] [--output FOLDER] [--threads 2]

The last stage and the head are trained; what the layers before them give is computed once for a number of augmented
views of each video and kept. A test video's answer is the mean over several of its clips. No choice is made by looking
at the held-out person: all folds have the same settings, and the weights are those of the last epoch. Then a CoX3D
with these weights is stepped over a live stream of each test video, and compared with the X3D.

Data and weights are read from ../shared (or $HAR_SHARED). Writes results.json, and per task a confusion matrix and the
curves of all folds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import torch
from finetune_live import live_agreement
from finetune_material import Material, gestures, silhouettes
from torch.utils.data import Subset

from opendr_har_core.datasets.arrays import ArrayDataset
from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.transforms import EvalTransform, TrainTransform
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.training.evaluate import EvalReport, score
from opendr_har_core.training.features import FeatureDataset, Tail
from opendr_har_core.training.fit import fit
from opendr_har_core.training.plots import confusion_picture, curves_picture
from opendr_har_core.training.settings import TrainingSettings

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).resolve().parents[3] / "shared"))
WEIGHTS = "weights/x3d_xs_k400_slowfast.pyth"
CONFIG = x3d_config("xs")
CLIP = ClipSpec.of(CONFIG)
TARGETS = {"gestures": 26, "silhouettes": 85}
VIEWS = {"gestures": 32, "silhouettes": 12}
TEST_CLIPS = 5
COUNTS = ("right", "of", "live_right", "live_same")
SETTINGS = TrainingSettings(
    epochs=6,
    batch_size=16,
    lr=1e-3,
    backbone_lr_factor=0.3,
    optimizer="adamw",
    weight_decay=0.01,
    lr_schedule="cosine",
    warmup_steps=20,
    label_smoothing=0.1,
    freeze="last_stage",
    freeze_batch_norm=True,
    keep="last",
)


def main() -> None:
    """Train and test all folds, write results and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=tuple(TARGETS), default=list(TARGETS))
    parser.add_argument("--persons", nargs="+", help="hold out only these (default: each in turn)")
    parser.add_argument("--output", type=Path, default=Path("finetune_results"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    results: Dict[str, Any] = {"threads": options.threads, "torch": torch.__version__}
    for task in options.tasks:
        material = gestures(SHARED) if task == "gestures" else silhouettes(SHARED)
        settings = replace(SETTINGS, epochs=options.epochs)
        results[task] = run(material, settings, options.persons or sorted(set(material.persons)), options.output)
        with atomic_path(options.output / "results.json") as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Fold:
    """One person held out.

    Attributes:
        network: trained on the others.
        videos: indices of the person's videos.
        scores: float32 (N, C), log-probabilities of the videos, the mean over their test clips.
        truth: int64 (N,), their classes.
        history: one row per epoch, the test clips as validation data.
    """

    network: X3D
    videos: List[int]
    scores: torch.Tensor
    truth: torch.Tensor
    history: List[Dict[str, float]]


def run(material: Material, settings: TrainingSettings, held_out: List[str], output: Path) -> Dict[str, Any]:
    """All folds of one task."""
    start = time.monotonic()
    views, tests = features(material, settings.seed)
    say(f"{material.name}: {len(views)} views and {len(tests)} test clips in {time.monotonic() - start:.0f} s")
    done: List[Fold] = []
    rows: Dict[str, Any] = {}
    for person in held_out:
        begun = time.monotonic()
        done.append(fold(material, person, views, tests, settings))
        rows[person] = {**described(done[-1], material), "seconds": round(time.monotonic() - begun)}
        say(f"  without {person}: {summary(rows[person])}")
    total = score(
        torch.cat([each.scores for each in done]), torch.cat([each.truth for each in done]), [*material.labels]
    )
    result = {
        **{name: sum(row[name] for row in rows.values()) for name in COUNTS},
        "wanted": TARGETS[material.name],
        "seconds": round(time.monotonic() - start),
        "views": VIEWS[material.name],
        "test_clips": TEST_CLIPS,
        "settings": settings.to_dict(),
        "labels": list(material.labels),
        **total.to_dict(),
        "folds": rows,
    }
    say(f"{material.name}: {summary(result)}; wanted: {result['wanted']} of all right")
    draw(material, total, {person: row["history"] for person, row in rows.items()}, output)
    return result


def described(done: Fold, material: Material) -> Dict[str, Any]:
    """What a fold has come to, live streams included."""
    videos = [material.videos[index] for index in done.videos]
    live = live_agreement(done.network, videos, material.fps, material.labels)
    return {
        "right": int((done.scores.argmax(dim=1) == done.truth).sum()),
        "of": len(done.truth),
        "live_right": sum(answer == wanted for answer, wanted in zip(live.live, done.truth.tolist())),
        "live_same": live.same,
        "live_same_steps": live.same_steps,
        "history": done.history,
    }


def summary(row: Dict[str, Any]) -> str:
    """The counts of a fold or of all, for people."""
    live = f"live {row['live_right']} right, {row['live_same']} as the X3D"
    return f"{row['right']}/{row['of']} right, {live}, {row['seconds']} s"


def draw(material: Material, total: EvalReport, histories: Dict[str, List[Dict[str, float]]], output: Path) -> None:
    """The confusion matrix and the curves of all folds."""
    title = f"{material.name}, person held out: {int(np.trace(total.confusion))}/{total.count}"
    confusion_picture(total.confusion, list(material.labels), output / f"{material.name}_confusion.png", title)
    curves_picture(histories, output / f"{material.name}_curves.png", material.name)


def features(material: Material, seed: int) -> Tuple[FeatureDataset, FeatureDataset]:
    """Outputs of the frozen layers: augmented views of all videos, view by view, and test clips, video by video."""
    torch.manual_seed(seed)
    network = pretrained(len(material.labels))
    colour = 0.2 if material.is_colour else 0.0
    vary = TrainTransform(CONFIG.image_size, scale=(1.0, 1.25), colour=colour, erase=0.0)
    videos, targets, labels = material.videos, material.targets, material.labels
    train = ArrayDataset(videos, targets, labels, CLIP, vary, train=True, fps=material.fps)
    every = list(range(len(videos))) * VIEWS[material.name]
    views = FeatureDataset.of(network, LabelledSubset(train, every))
    clips = [clip for video in videos for clip in test_clips(video, material.fps)]
    clip_targets = [target for target in targets for _ in range(2 * TEST_CLIPS)]
    whole = EvalTransform(CONFIG.image_size)
    tests = FeatureDataset.of(network, ArrayDataset(clips, clip_targets, labels, CLIP, whole, fps=material.fps))
    return views, tests


class LabelledSubset(Subset):
    """A subset that still knows the names of its classes."""

    def __init__(self, dataset: ArrayDataset, indices: List[int]) -> None:
        super().__init__(dataset, indices)
        self.labels = dataset.labels


def test_clips(video: np.ndarray, fps: float) -> List[np.ndarray]:
    """Stretches of one clip's length, evenly over the video, and their mirror images; a short one gives itself."""
    length = round(CLIP.span_ticks / CLIP.train_fps * fps) + 1
    starts = np.linspace(0, max(0, len(video) - length), TEST_CLIPS).round().astype(int)
    clips = [video[start : start + length] for start in starts]
    return [*clips, *(clip[:, :, ::-1] for clip in clips)]


def fold(
    material: Material, person: str, views: FeatureDataset, tests: FeatureDataset, settings: TrainingSettings
) -> Fold:
    """Train without one person, test on that person's videos."""
    count, per_video = len(material.videos), 2 * TEST_CLIPS
    others = [index for index in range(len(views)) if material.persons[index % count] != person]
    own = [index for index in range(count) if material.persons[index] == person]
    held_out = tests.subset([index * per_video + clip for index in own for clip in range(per_video)])
    torch.manual_seed(settings.seed)
    network = pretrained(len(material.labels))
    tail = Tail(network)
    report = fit(tail, views.subset(others), held_out, settings)
    if report.cancelled:
        raise SystemExit("stopped")
    with torch.inference_mode():
        scores = tail(held_out.features).log_softmax(dim=1).unflatten(0, (len(own), per_video)).mean(dim=1)
    truth = torch.tensor([material.targets[index] for index in own])
    return Fold(network, own, scores, truth, list(report.history))


def pretrained(num_classes: int) -> X3D:
    """X3D-XS as it learned Kinetics-400, with a fresh classifier."""
    network = X3D(CONFIG, num_classes)
    load_weights(network, SHARED / WEIGHTS, new_head=True)
    return network.eval()


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
