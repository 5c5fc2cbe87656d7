"""The packaged default model: a CoX3D-XS without lookahead that learns actions from drawn figures.

Its layers keep what they know of real videos from Kinetics-400, but for the last stage and the head, which learn the
actions from clips that the project draws itself (docs/default-model.md). It is trained in the form in which it is
deployed: each frame sees the frames before it and zeros in place of those after it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Optional, cast

import torch

from opendr_har_core.bundle import PRECISIONS
from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.drawn import DrawnDataset
from opendr_har_core.export import export_bundle
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.quantization import quantize_bundle
from opendr_har_core.recognizer import DEFAULT_BUNDLE
from opendr_har_core.spec import NONE
from opendr_har_core.training.features import FeatureDataset, Tail
from opendr_har_core.training.fit import fit
from opendr_har_core.training.settings import TrainingSettings

# Clips of 4 frames 0.4 s apart.
CONFIG = x3d_config("xs", NONE)
CLIP = ClipSpec.of(CONFIG)
# Drawing a clip takes half as long as what the frozen layers make of it.
WORKERS = 1
BATCH, SHOWN_EVERY = 16, 800
# Seeds of clips for training start here; those below are for evaluation.
FIRST_TRAINING_SEED = 1_000_000
# There are more ways to do nothing than there are to wave.
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
SOURCE = (
    "CoX3D-XS from Kinetics-400 weights (PyTorchVideo's, Apache-2.0), last stage and head trained on drawn figures by "
    "opendr_har_core.training.default_model; its card is docs/default-model.md"
)
FROM_NOTHING = "CoX3D-XS trained from random weights on drawn figures by opendr_har_core.training.default_model"


def train(weights: Optional[Path], clips_per_action: int, settings: TrainingSettings) -> CoX3D:
    """A CoX3D of the drawn actions; None for `weights` starts from random ones and trains all layers.

    The same settings and number of clips give the same network on the same machine. Raises CheckpointError for weights
    that can't be used.
    """
    torch.manual_seed(settings.seed)
    clips = DrawnDataset(CLIP, clips_per_action, FIRST_TRAINING_SEED, shares=SHARES)
    network = CoX3D(CONFIG, len(clips.labels))
    if weights is None:  # the statistics of a network that knows nothing are not worth keeping
        fit(network, clips, settings=replace(settings, freeze_batch_norm=False))
        return network
    load_weights(network, weights, new_head=True)
    features = FeatureDataset.of(network, clips, BATCH, num_workers=WORKERS, listener=_show)
    fit(cast(X3D, Tail(network)), features, settings=settings)
    return network


def write(network: X3D, path: Path, precision: str = "float16", source: str = SOURCE) -> Path:
    """The bundle of `network`, its weights stored in fewer bits."""
    with tempfile.TemporaryDirectory() as folder:
        whole = export_bundle(network, Path(folder) / "whole.onnx", DrawnDataset(CLIP, 1).labels, source=source)
        return quantize_bundle(whole, path, precision).path


def _show(done: int, total: int) -> None:
    if done % SHOWN_EVERY < BATCH or done == total:
        sys.stderr.write(f"frozen layers: {done} of {total} clips\n")


def main() -> None:
    """Train and write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="x3d_xs.pyth or the like, of Kinetics-400")
    parser.add_argument("--random-weights", action="store_true", help="start from nothing instead, train all layers")
    parser.add_argument("--output", type=Path, default=DEFAULT_BUNDLE, help="bundle to write (default: the packaged)")
    parser.add_argument("--clips", type=int, default=1800, help="drawn clips of each action (default: 1800)")
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs, help=f"default: {SETTINGS.epochs}")
    parser.add_argument("--precision", choices=PRECISIONS[1:], default="float16", help="of what is stored")
    parser.add_argument("--seed", type=int, default=0, help="of the head's first weights and the order of clips")
    options = parser.parse_args()
    if (options.weights is None) != options.random_weights:
        parser.error("give either --weights FILE or --random-weights")
    start = time.monotonic()
    settings = replace(SETTINGS, epochs=options.epochs, seed=options.seed)
    network = train(options.weights, options.clips, settings)
    source = FROM_NOTHING if options.random_weights else SOURCE
    path = write(network, options.output, options.precision, source)
    minutes = (time.monotonic() - start) / 60
    sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.2f} MB after {minutes:.1f} minutes\n")


if __name__ == "__main__":
    main()
