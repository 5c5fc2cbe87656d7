"""What to do without lookahead with weights that were trained on 13 frames: nothing, a remedy, or fine-tuning.

python benchmarks/lookahead_weights.py --weights x3d_xs.pyth --folder work [--clips 216] [--image-size 96]

Trains an X3D-S on drawn clips of 13 frames, from Kinetics-400 weights: first its last stage and head, then all layers;
makes CoX3Ds without lookahead of the result in several ways (see VARIANTS); and compares them with the clip network and
with full lookahead, as streams, on drawn actions of other seeds and on real gestures. Stages that are in `folder`
already are not run again.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from default_material import real_videos
from torch import Tensor, nn
from torch.utils.data import Dataset

from opendr_har_core import Frame, Recognizer
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.synthetic import DrawnDataset
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.layers import TemporalConv
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import NONE
from opendr_har_core.storage.atomic import atomic_path
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_at
from opendr_har_core.training.features import FeatureDataset, Tail
from opendr_har_core.training.fit import fit
from opendr_har_core.training.loss import standardised
from opendr_har_core.training.out_of_memory import keep_freed_memory
from opendr_har_core.training.settings import TrainingSettings

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SIZE = "s"
BATCH = 4
# The last stage and the head learn the actions, then all layers follow at a rate that leaves them stable: the weights
# come with their normalisations folded in.
HEAD_SETTINGS = TrainingSettings(
    epochs=8,
    batch_size=BATCH,
    lr=1e-3,
    backbone_lr_factor=0.3,
    optimizer="adamw",
    lr_schedule="cosine",
    warmup_steps=10,
    label_smoothing=0.1,
    freeze_batch_norm=True,
    keep="last",
    progress_bar=False,
)
SETTINGS = replace(HEAD_SETTINGS, epochs=1, lr=3e-4)
FIRST_TRAINING_SEED = 2_000_000
FOOTAGE = 64  # unlabelled clips from which the cheap remedies take their statistics
SHARE_OF_TUNING = 4  # tuning takes a quarter of the clips
STREAM_SEC, STEADY = 11.0, 12
IMAGE_SIZE = (180, 240)
VARIANTS = {
    "clip": "X3D over the last 13 frames",
    "full": "CoX3D with lookahead",
    "none": "no lookahead, the same weights",
    "folded": "no lookahead, future taps folded into the others by linear prediction",
    "norm": "no lookahead, statistics of normalisations re-estimated",
    "distilled": "no lookahead, distilled from the clip network without labels",
    "tuned": "no lookahead, fine-tuned in that form",
    "direct": "no lookahead, trained in that form from the start",
}


class Kept(Dataset):
    """Clips of another dataset, drawn once and kept in memory."""

    def __init__(self, source: DrawnDataset) -> None:
        self.labels, self.targets = source.labels, source.targets
        self._items = [source[index] for index in range(len(source))]

    def part(self, count: int) -> Kept:
        """The first `count` clips."""
        part = copy.copy(self)
        part.targets, part._items = self.targets[:count], self._items[:count]
        return part

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Tuple[Tensor, int]:
        return self._items[index]

    def batches(self) -> Iterator[Tensor]:
        """uint8 clips (B, 3, T, S, S), without labels."""
        for start in range(0, len(self), BATCH):
            yield torch.stack([clip for clip, _ in self._items[start : start + BATCH]])


def networks(weights: Path, folder: Path, clips: int, image_size: int) -> Dict[str, X3D]:
    """The network of every variant; what was trained before is read from `folder`."""
    config = replace(x3d_config(SIZE), image_size=image_size)
    causal_config = replace(config, lookahead=NONE)
    training = Kept(DrawnDataset(ClipSpec.of(config), -(-clips // len(ACTIONS)), FIRST_TRAINING_SEED))
    some, footage = training.part(len(training) // SHARE_OF_TUNING), training.part(FOOTAGE)

    def pretrained(network: X3D) -> X3D:
        load_weights(network, weights, new_head=True)
        return network

    def trained(name: str, network: X3D, train: Callable[[X3D], object]) -> X3D:
        path = folder / f"{name}.pyth"
        if path.is_file():
            load_weights(network, path)
            return network.eval()
        start = time.monotonic()
        train(network)
        with atomic_path(path) as temporary:
            torch.save({"model_state": network.state_dict()}, temporary)
        sys.stderr.write(f"{name}: {(time.monotonic() - start) / 60:.1f} minutes\n")
        return network.eval()

    def without_lookahead(state: Dict[str, Tensor]) -> CoX3D:
        network = CoX3D(causal_config, len(ACTIONS))
        network.load_state_dict(state)
        return network.eval()

    torch.manual_seed(0)
    clip = trained("clip", pretrained(X3D(config, len(ACTIONS))), lambda n: learn(n, training))
    state = clip.state_dict()
    full = CoX3D(config, len(ACTIONS))
    full.load_state_dict(state)
    causal = without_lookahead(state)
    return {
        "clip": clip,
        "full": full.eval(),
        "none": causal,
        "folded": folded(clip, without_lookahead(state), footage),
        "norm": with_new_statistics(clip, without_lookahead(state), footage),
        "distilled": trained("distilled", without_lookahead(state), lambda n: distil(clip, n, some)),
        "tuned": trained("tuned", without_lookahead(state), lambda n: fit(n, some, settings=SETTINGS)),
        "direct": trained(
            "direct",
            pretrained(CoX3D(causal_config, len(ACTIONS))),
            lambda n: learn(n, training),
        ),
    }


def learn(network: X3D, clips: Kept) -> None:
    """Train the last stage and the head, then all layers."""
    fit(cast(X3D, Tail(network)), FeatureDataset.of(network, clips, BATCH), settings=HEAD_SETTINGS)
    fit(network, clips, settings=SETTINGS)


@torch.inference_mode()
def folded(clip_network: X3D, causal: CoX3D, footage: Kept) -> CoX3D:
    """Predict each future input z(t+1) as a z(t) + b z(t-1), by channel, and let the other taps do its work."""
    moments: Dict[str, Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, inputs: Any, __: Any) -> None:
            after, now, before = (inputs[0][:, :, first : inputs[0].shape[2] - 2 + first] for first in (2, 1, 0))
            pairs = ((now, now), (now, before), (before, before), (after, now), (after, before))
            sums = torch.stack([(one * other).sum(dim=(0, 2, 3, 4), dtype=torch.float64) for one, other in pairs])
            moments[name] = moments.get(name, torch.zeros_like(sums)) + sums

        return hook

    layers = {name: layer for name, layer in clip_network.named_modules() if isinstance(layer, TemporalConv)}
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    for clips in footage.batches():
        clip_network(standardised(clips, clip_network.spec))
    for hook in hooks:
        hook.remove()
    for name, layer in causal.named_modules():
        if isinstance(layer, TemporalConv):
            now, cross, before, now_after, before_after = moments[name]
            determinant = (now * before - cross * cross).clamp(min=1e-12)
            a = (now_after * before - before_after * cross) / determinant
            b = (before_after * now - now_after * cross) / determinant
            _fold(layer, a.float()[:, None, None, None], b.float()[:, None, None, None])
    return causal


def _fold(layer: TemporalConv, a: Tensor, b: Tensor) -> None:
    weight, now = layer.weight, layer.kernel_size[0] // 2
    ahead = (a, b)  # z(t+k) as so much of z(t) and of z(t-1)
    for tap in range(now + 1, layer.kernel_size[0]):
        weight[:, :, now] += ahead[0] * weight[:, :, tap]
        weight[:, :, now - 1] += ahead[1] * weight[:, :, tap]
        ahead = (a * ahead[0] + ahead[1], b * ahead[0])


@torch.no_grad()
def with_new_statistics(clip_network: X3D, causal: CoX3D, footage: Kept) -> CoX3D:
    """Let every normalisation give its channels the mean and variance that they have in the clip network."""
    norms = {name: layer for name, layer in clip_network.named_modules() if isinstance(layer, nn.BatchNorm3d)}
    sums = {name: torch.zeros(3, layer.num_features, dtype=torch.float64) for name, layer in norms.items()}

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, inputs: Any, __: Any) -> None:
            x = inputs[0].double()
            axes = (0, 2, 3, 4)
            count = torch.full((x.shape[1],), x.numel() / x.shape[1], dtype=torch.float64)
            sums[name] += torch.stack([count, x.sum(axes), x.square().sum(axes)])

        return hook

    hooks = [layer.register_forward_hook(watch(name)) for name, layer in norms.items()]
    for clips in footage.batches():
        clip_network(standardised(clips, clip_network.spec))
    for hook in hooks:
        hook.remove()
    for name, layer in causal.named_modules():
        if isinstance(layer, nn.BatchNorm3d):
            count, total, squares = sums[name]
            mean, scale = (total / count).float(), 1 / torch.sqrt(layer.running_var + layer.eps)
            deviation = torch.sqrt((squares / count).float() - mean.square() + layer.eps)
            # The same function as before, with the clip network's statistics worked in ...
            layer.bias += layer.weight * (mean - layer.running_mean) * scale
            layer.weight *= deviation * scale
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
    for clips in footage.batches():  # ... which those of this form now replace.
        causal(standardised(clips, causal.spec))
    return causal.eval()


def distil(teacher: X3D, student: CoX3D, clips: Kept) -> None:
    """Let the student give the teacher's probabilities; labels are not looked at."""
    optimizer = torch.optim.AdamW(student.parameters(), lr=SETTINGS.lr * SETTINGS.backbone_lr_factor)
    student.eval()  # dropout and normalisations stay as they are deployed
    for batch in clips.batches():
        x = standardised(batch, student.spec)
        with torch.no_grad():
            wanted = teacher(x).softmax(dim=1)
        loss = F.kl_div(student(x).log_softmax(dim=1), wanted, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def measure(recognizer: Recognizer, streams: List[Any], videos: List[Any]) -> Dict[str, float]:
    """Steady accuracy on drawn streams, and how many real videos are named right."""
    steady, confidence = [], []
    for action, frames in streams:
        shown = frames if recognizer.spec.is_continual else frames[-STEADY - recognizer.spec.warm_up :]
        found = [p for p in map(recognizer.stream().push, shown) if p and not p.provisional][-STEADY:]
        class_id = recognizer.labels.id(action)
        steady += [p.label == action for p in found]
        confidence += [float(p.scores[class_id]) for p in found]
    result = {"drawn": float(np.mean(steady)), "p_true": float(np.mean(confidence))}
    result["gestures"] = sum(named(recognizer, video.frames) == video.action for video in videos)
    return result


def named(recognizer: Recognizer, frames: List[Frame]) -> str:
    """The label of a video that plays again until it is past every network's warm-up."""
    period = frames[1].stamp_ns - frames[0].stamp_ns
    length = frames[-1].stamp_ns + period
    passes = 1 + -(-recognizer.spec.silent_frames * recognizer.spec.period_ns // length)
    stream = recognizer.stream()
    shown = (Frame(frame.rgb, turn * length + frame.stamp_ns) for turn in range(passes) for frame in frames)
    found = [p for p in map(stream.push, shown) if p]
    steady = [p for p in found if not p.provisional] or found
    return recognizer.labels[int(np.mean([p.scores for p in steady], axis=0).argmax())]


def main() -> None:
    """Train what is missing, measure everything, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="x3d_xs.pyth or the like, of Kinetics-400")
    parser.add_argument("--folder", type=Path, required=True, help="where trained weights are kept")
    parser.add_argument("--clips", type=int, default=216, help="drawn clips to train on")
    parser.add_argument("--image-size", type=int, default=96, help="side of the input; the published one is 160")
    parser.add_argument("--streams", type=int, default=4, help="drawn streams of each action to measure with")
    parser.add_argument("--output", type=Path, help="write results here, .json")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    found = networks(options.weights, options.folder, options.clips, options.image_size)
    times = [index / 5 for index in range(int(STREAM_SEC * 5))]
    streams = [
        (action, list(render_at(action, times, IMAGE_SIZE, seed)))
        for action in ACTIONS
        for seed in range(options.streams)
    ]
    videos = [video for video in real_videos(SHARED) if video.group == "gestures"]
    results = {}
    for name, network in found.items():
        path = export_bundle(network, options.folder / f"{name}.onnx", source=VARIANTS[name], labels=list(ACTIONS))
        results[name] = measure(Recognizer.open(path), streams, videos)
        sys.stdout.write(f"{name:<10} {json.dumps(results[name])}\n")
        sys.stdout.flush()
    if options.output:
        with atomic_path(options.output) as temporary:
            temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
