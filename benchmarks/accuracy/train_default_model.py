"""Train the packaged models: `default`, an X3D-XS, and `continual`, a CoX3D-XS without lookahead.

`make default-model WEIGHTS=x3d_xs.pyth` runs this file. Both models keep the Kinetics-400 weights of real videos,
except for the last stage and the head, which are trained on synthetic clips (docs/default-model.md). The continual
model starts from the default one, is fine-tuned in the form in which it steps, and averaged with those weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Optional, Tuple, cast

import numpy as np
import torch
from features import FeatureDataset, Tail
from torch import Tensor
from torch.utils.data import Dataset

from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.bundles.quantization import quantize_bundle
from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import NONE
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_at
from opendr_har_core.training.fit import fit
from opendr_har_core.training.settings import TrainingSettings

# X3D-XS sees 4 frames 0.4 s apart: the first label comes after 1.2 s.
CONFIG = x3d_config("xs")
CLIP = ClipSpec.of(CONFIG)
# Rendering a clip takes half as long as the frozen layers take for it.
WORKERS = 1
BATCH, SHOWN_EVERY = 16, 800
# Seeds of clips for training start here; those below are for evaluation.
FIRST_TRAINING_SEED = 1_000_000
# "No activity" has more variants than the other actions.
SHARES = {"no activity": 2}
SETTINGS = TrainingSettings(
    epochs=5,
    batch_size=32,
    lr=1e-3,
    backbone_lr_factor=0.3,
    optimizer="adamw",
    weight_decay=0.01,
    lr_schedule="cosine",
    warmup_steps=100,
    label_smoothing=0.1,
    freeze_batch_norm=True,
    keep="last",
    progress_bar=True,
)
# Fine-tuning without lookahead: one short epoch that changes little.
CAUSAL_CONFIG = x3d_config("xs", NONE)
CAUSAL_SETTINGS = replace(SETTINGS, epochs=1, lr=3e-4, warmup_steps=20)
CAUSAL_SHARE = 4 / 9  # of the clips of each action
# Fine-tuned weights are better on synthetic clips, earlier ones on people; their mean is best on people (robust
# fine-tuning: Wortsman et al., CVPR 2022, arXiv 2109.01903, section 3, with the recommended mixing factor).
MIXING = 0.5
CONTINUAL_BUNDLE = DEFAULT_BUNDLE.with_name("continual.onnx")
SOURCE = (
    "X3D-XS from Kinetics-400 weights (PyTorchVideo's, Apache-2.0), last stage and head trained on drawn figures by "
    "benchmarks/accuracy/train_default_model.py; its card is docs/default-model.md"
)
CONTINUAL_SOURCE = (
    "CoX3D-XS without lookahead that goes on from the packaged default model's weights (X3D-XS from Kinetics-400 "
    "weights, PyTorchVideo's, Apache-2.0, trained on drawn figures), by "
    "benchmarks/accuracy/train_default_model.py; its card is docs/default-model.md"
)
FROM_NOTHING = "X3D-XS trained from random weights on drawn figures by benchmarks/accuracy/train_default_model.py"
# A little larger than the networks' squares, like camera images; rendering time grows with the size.
SIZE = (180, 240)


class SyntheticDataset(Dataset):
    """Items are (uint8 (3, T, S, S) clip, class id); each is rendered when it is read, always the same.

    Attributes:
        labels: the actions.
        targets: class id per item; adjacent items have different ones.
    """

    def __init__(self, clips_per_action: int) -> None:
        """Item n is rendered with the seed FIRST_TRAINING_SEED + n; an action has SHARES times as many clips."""
        self.labels = LabelMap(ACTIONS)
        turn = [class_id for class_id, action in enumerate(ACTIONS) for _ in range(SHARES.get(action, 1))]
        self.targets = turn * clips_per_action

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tuple[Tensor, int]:
        class_id = self.targets[index]
        times = [tick / CLIP.train_fps for tick in range(0, CLIP.span_ticks + 1, CLIP.stride)]
        frames = render_at(ACTIONS[class_id], times, SIZE, FIRST_TRAINING_SEED + index)
        squares = np.stack([to_network_input(frame.rgb, CLIP.image_size) for frame in frames])
        return torch.from_numpy(squares).permute(3, 0, 1, 2).contiguous(), class_id


def train(weights: Optional[Path], clips_per_action: int, settings: TrainingSettings) -> X3D:
    """An X3D of the synthetic actions; with `weights` None, all layers are trained from random weights.

    The same settings and number of clips give the same network on the same machine. Raises CheckpointError for unusable
    weights.
    """
    torch.manual_seed(settings.seed)
    clips = SyntheticDataset(clips_per_action)
    network = X3D(CONFIG, len(clips.labels))
    if weights is None:  # running statistics of random weights are useless
        fit(network, clips, settings=replace(settings, freeze_batch_norm=False))
        return network
    load_weights(network, weights, new_head=True)
    features = FeatureDataset.of(network, clips, BATCH, num_workers=WORKERS, listener=_show)
    fit(cast(X3D, Tail(network)), features, settings=settings)
    return network


def without_lookahead(network: X3D, clips_per_action: int, settings: TrainingSettings = CAUSAL_SETTINGS) -> CoX3D:
    """The CoX3D that is fine-tuned from `network`, on the same synthetic clips frame by frame."""
    torch.manual_seed(settings.seed)
    clips = SyntheticDataset(max(1, round(clips_per_action * CAUSAL_SHARE)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    continual = CoX3D(CAUSAL_CONFIG, network.num_classes)
    continual.load_state_dict(before)
    features = FeatureDataset.of(continual, clips, BATCH, num_workers=WORKERS, listener=_show)
    fit(cast(X3D, Tail(continual)), features, settings=settings)
    after = continual.state_dict()
    continual.load_state_dict(
        {k: torch.lerp(before[k], v, MIXING) if v.is_floating_point() else v for k, v in after.items()}
    )
    return continual


def write(network: X3D, path: Path, source: str = SOURCE) -> Path:
    """Write the bundle of `network`, with float16 weights."""
    with tempfile.TemporaryDirectory() as folder:
        whole = export_bundle(network, Path(folder) / "whole.onnx", LabelMap(ACTIONS), source=source)
        return quantize_bundle(whole, path).path


def _show(done: int, total: int) -> None:
    if done % SHOWN_EVERY < BATCH or done == total:
        sys.stderr.write(f"frozen layers: {done} of {total} clips\n")


def main() -> None:
    """Train both models and write their bundles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="Kinetics-400 weights, such as x3d_xs.pyth")
    parser.add_argument("--random-weights", action="store_true", help="train all layers from random weights instead")
    parser.add_argument("--output", type=Path, default=DEFAULT_BUNDLE, help="default model (default: the packaged one)")
    parser.add_argument(
        "--continual-output", type=Path, default=CONTINUAL_BUNDLE, help="continual model (default: the packaged one)"
    )
    parser.add_argument("--clips", type=int, default=1800, help="synthetic clips of each action (default: 1800)")
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs, help=f"default: {SETTINGS.epochs}")
    parser.add_argument("--seed", type=int, default=0, help="seed of the head's weights and of the order of clips")
    options = parser.parse_args()
    if (options.weights is None) != options.random_weights:
        parser.error("give either --weights FILE or --random-weights")
    start = time.monotonic()
    settings = replace(SETTINGS, epochs=options.epochs, seed=options.seed)
    network = train(options.weights, options.clips, settings)
    source = FROM_NOTHING if options.random_weights else SOURCE
    _write_and_say(network, options.output, source, start)
    if options.weights is not None:
        continual = without_lookahead(network, options.clips, replace(CAUSAL_SETTINGS, seed=options.seed))
        _write_and_say(continual, options.continual_output, CONTINUAL_SOURCE, start)


def _write_and_say(network: X3D, path: Path, source: str, start: float) -> None:
    write(network, path, source)
    minutes = (time.monotonic() - start) / 60
    sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.2f} MB after {minutes:.1f} minutes\n")


if __name__ == "__main__":
    main()
