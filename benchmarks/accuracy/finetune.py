"""Fine-tuning of X3D-XS on real clips of a few persons, tested on a person it has never seen: each held out in turn.

python benchmarks/accuracy/finetune.py [--tasks gestures silhouettes] [--output FOLDER] [--threads 2]

Trains the last stage and the head. The outputs of the layers before them are computed once, for several augmented views
of each video. A test video's label is the mean over several of its clips. Nothing is chosen by looking at the held-out
person: all folds have the same settings, and the weights are those of the last epoch.

Reads data and weights from ../shared (or $HAR_SHARED). Writes results.json, and for each task a confusion matrix and
the curves of all folds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from features import FeatureDataset, Tail
from real_videos import SHARED, RealVideo, gestures, silhouettes
from torch.utils.data import Subset

from opendr_har_core.datasets.base import ClipDataset
from opendr_har_core.datasets.clips import ClipSpec, Segment, nearest
from opendr_har_core.datasets.transforms import EvalTransform, TrainTransform
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.figures import new_figure, save_figure
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.training.evaluate import confusion_picture, score
from opendr_har_core.training.fit import fit
from opendr_har_core.training.settings import TrainingSettings

WEIGHTS = "weights/x3d_xs_k400_slowfast.pyth"
CONFIG = x3d_config("xs")
CLIP = ClipSpec.of(CONFIG)
TASKS = {"gestures": gestures, "silhouettes": silhouettes}
VIEWS = {"gestures": 32, "silhouettes": 12}
TEST_CLIPS = 5
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
    parser.add_argument("--tasks", nargs="+", choices=tuple(TASKS), default=list(TASKS))
    parser.add_argument("--persons", nargs="+", help="hold out only these (default: each in turn)")
    parser.add_argument("--output", type=Path, default=Path("finetune_results"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    results: Dict[str, Any] = {"threads": options.threads, "torch": torch.__version__}
    for task in options.tasks:
        settings = replace(SETTINGS, epochs=options.epochs)
        results[task] = run(task, list(TASKS[task]()), settings, options.persons, options.output)
        with atomic_path(options.output / "results.json") as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


def run(task: str, videos: List[RealVideo], settings: TrainingSettings, persons: Any, output: Path) -> Dict[str, Any]:
    """All folds of one task; writes the pictures."""
    start = time.monotonic()
    labels = LabelMap(sorted({video.kind for video in videos}))
    views, tests = features(videos, labels, VIEWS[task], settings.seed)
    sys.stdout.write(f"{task}: {len(views)} views, {len(tests)} test clips in {time.monotonic() - start:.0f} s\n")
    scores, truth, folds = [], [], {}
    for person in persons or sorted({video.person for video in videos}):
        fold_scores, fold_truth, history = fold(videos, labels, person, views, tests, settings)
        right = int((fold_scores.argmax(dim=1) == fold_truth).sum())
        sys.stdout.write(f"  without {person}: {right} of {len(fold_truth)} right\n")
        sys.stdout.flush()
        scores.append(fold_scores)
        truth.append(fold_truth)
        folds[person] = {"right": right, "of": len(fold_truth), "history": history}
    total = score(torch.cat(scores), torch.cat(truth), [*labels])
    right = int(np.trace(total.confusion))
    title = f"{task}, person held out: {right} of {total.count} right"
    sys.stdout.write(title + "\n")
    confusion_picture(total.confusion, list(labels), output / f"{task}_confusion.png", title)
    curves_picture({name: row["history"] for name, row in folds.items()}, output / f"{task}_curves.png", task)
    return {
        "right": right,
        "of": total.count,
        "seconds": round(time.monotonic() - start),
        "settings": settings.to_dict(),
        **total.to_dict(),
        "folds": folds,
    }


def features(videos: List[RealVideo], labels: LabelMap, views: int, seed: int) -> Tuple[FeatureDataset, FeatureDataset]:
    """Outputs of the frozen layers: augmented views of all videos, view by view, and test clips, video by video."""
    torch.manual_seed(seed)
    network = pretrained(len(labels))
    colour = 0.2 if videos[0].group == "gestures" else 0.0
    vary = TrainTransform(CONFIG.image_size, scale=(1.0, 1.25), colour=colour, erase=0.0)
    squares, fps = [video.square for video in videos], videos[0].fps
    targets = [labels.id(video.kind) for video in videos]
    train = ClipDataset(segments(squares, targets, fps), labels, CLIP, train=True, transform=vary)
    repeated = LabelledSubset(train, list(range(len(videos))) * views)
    clips = [clip for square in squares for clip in test_clips(square, fps)]
    clip_targets = [target for target in targets for _ in range(2 * TEST_CLIPS)]
    tests = ClipDataset(segments(clips, clip_targets, fps), labels, CLIP, transform=EvalTransform(CONFIG.image_size))
    return FeatureDataset.of(network, repeated), FeatureDataset.of(network, tests)


class LabelledSubset(Subset):
    """A subset that keeps the names of its classes."""

    def __init__(self, dataset: ClipDataset, indices: List[int]) -> None:
        super().__init__(dataset, indices)
        self.labels = dataset.labels


@dataclass(frozen=True, eq=False)
class ArrayVideo:
    """VideoSource of uint8 (T, H, W, 3) RGB frames at a constant rate."""

    pixels: np.ndarray
    fps: float
    name: str

    @property
    def duration_sec(self) -> float:
        """Length in seconds."""
        return len(self.pixels) / self.fps

    def fingerprint(self) -> str:
        """Arrays are not cached."""
        return self.name

    def frames(self, times_sec: Sequence[float]) -> Iterator[np.ndarray]:
        """See VideoSource.frames."""
        return iter(self.pixels[nearest(np.arange(len(self.pixels)) / self.fps, times_sec)])


def segments(videos: Sequence[np.ndarray], targets: Sequence[int], fps: float) -> List[Segment]:
    """Whole videos with their class ids."""
    sources = [ArrayVideo(video, fps, f"video {index}") for index, video in enumerate(videos)]
    return [Segment(source, target, 0.0, source.duration_sec) for source, target in zip(sources, targets)]


def test_clips(video: np.ndarray, fps: float) -> List[np.ndarray]:
    """Clips of the network's length at even intervals of the video, and their mirror images."""
    length = round(CLIP.span_ticks / CLIP.train_fps * fps) + 1
    starts = np.linspace(0, max(0, len(video) - length), TEST_CLIPS).round().astype(int)
    clips = [video[start : start + length] for start in starts]
    return [*clips, *(clip[:, :, ::-1] for clip in clips)]


def fold(
    videos: List[RealVideo],
    labels: LabelMap,
    person: str,
    views: FeatureDataset,
    tests: FeatureDataset,
    settings: TrainingSettings,
) -> Tuple[torch.Tensor, torch.Tensor, List[Any]]:
    """Train without one person and test on that person's videos: log-probabilities (N, C), classes (N,), history."""
    per_video = 2 * TEST_CLIPS
    others = [index for index in range(len(views)) if videos[index % len(videos)].person != person]
    own = [index for index, video in enumerate(videos) if video.person == person]
    held_out = tests.subset([index * per_video + clip for index in own for clip in range(per_video)])
    torch.manual_seed(settings.seed)
    tail = Tail(pretrained(len(labels)))
    report = fit(tail, views.subset(others), held_out, settings)
    if report.cancelled:
        raise SystemExit("stopped")
    with torch.inference_mode():
        scores = tail(held_out.features).log_softmax(dim=1).unflatten(0, (len(own), per_video)).mean(dim=1)
    return scores, torch.tensor([labels.id(videos[index].kind) for index in own]), list(report.history)


def pretrained(num_classes: int) -> X3D:
    """X3D-XS with its Kinetics-400 weights and a new classifier."""
    network = X3D(CONFIG, num_classes)
    load_weights(network, SHARED / WEIGHTS, new_head=True)
    return network.eval()


def curves_picture(histories: Mapping[str, Sequence[Mapping[str, float]]], path: Path, title: str) -> None:
    """Write loss and accuracy over epochs, one line per fold, as a PNG."""
    figure = new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    for index, (name, rows) in enumerate(histories.items()):
        epochs = [row["epoch"] + 1 for row in rows]
        for axes, quantity in ((left, "loss"), (right, "accuracy")):
            axes.plot(epochs, [row[f"train_{quantity}"] for row in rows], color=f"C{index % 10}", lw=1, ls=":")
            axes.plot(epochs, [row[f"val_{quantity}"] for row in rows], color=f"C{index % 10}", lw=1.5, label=name)
    left.set(xlabel="epoch", ylabel="loss", title=f"{title} (dotted: training)")
    right.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
    right.legend(fontsize="small")
    save_figure(figure, path)


if __name__ == "__main__":
    main()
