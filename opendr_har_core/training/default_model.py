"""The packaged demonstration model: a small X3D that tells apart the motions of drawn figures.

It shows on any machine, without any download, that the whole path works. It has never seen a real person.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Iterator, List, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from opendr_har_core.export import export_bundle
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.preprocess import to_network_input
from opendr_har_core.recognizer import DEFAULT_BUNDLE
from opendr_har_core.synth.motions import ACTIONS
from opendr_har_core.synth.scene import render_at

# Sampled like X3D-XS (4 frames, 0.4 s apart), so that the first label comes after 1.2 s.
NANO = X3DConfig(
    "nano",
    image_size=96,
    frames=4,
    stride=12,
    stage_depths=(1, 2, 3, 2),
    stage_widths=(12, 24, 32, 48),
    stem_width=12,
    head_width=128,
)
# Rendering takes as long as training, so clips are drawn small; the recognizer meets larger ones.
IMAGE_SIZE = (144, 192)
# Seeds of clips for training start here; those below are for evaluation.
FIRST_TRAINING_SEED = 1_000_000
BATCH = 24
PEAK_RATE = 4e-3
SOURCE = "trained on drawn figures by opendr_har_core.training.default_model; a demonstration, not for real people"


def train(steps: int, seed: int = 0) -> X3D:
    """Train from random weights; the same seed gives the same clips in the same order."""
    torch.manual_seed(seed)
    network = X3D(NANO, len(ACTIONS)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    for step, (clips, classes) in enumerate(_batches(steps, seed)):
        loss = F.cross_entropy(network(clips), classes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step + 1 == steps:
            sys.stderr.write(f"step {step + 1}/{steps}: loss {loss.item():.3f}\n")
    return network.eval()


def clip(action: str, seed: int) -> np.ndarray:
    """A uint8 (T, S, S, 3) clip of `action`, prepared as the recognizer does it."""
    period = NANO.stride / NANO.train_fps
    times = [index * period for index in range(NANO.frames)]
    frames = render_at(action, times, IMAGE_SIZE, seed)
    return np.stack([to_network_input(frame.rgb, NANO.image_size) for frame in frames])


def _batches(steps: int, seed: int) -> Iterator[Tuple[Tensor, Tensor]]:
    rng = np.random.default_rng(seed)
    clip_seed = FIRST_TRAINING_SEED
    for _ in range(steps):
        classes = rng.integers(0, len(ACTIONS), BATCH)
        clips: List[np.ndarray] = []
        for class_id in classes:
            clips.append(clip(ACTIONS[class_id], clip_seed))
            clip_seed += 1
        pixels = torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float()
        yield (pixels / 255 - 0.45) / 0.225, torch.from_numpy(classes)


def main() -> None:
    """Train and write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=DEFAULT_BUNDLE, help="bundle to write")
    parser.add_argument("--steps", type=int, default=900, help="training steps of 24 clips")
    parser.add_argument("--seed", type=int, default=0, help="for weights and order of classes")
    options = parser.parse_args()
    network = train(options.steps, options.seed)
    path = export_bundle(network, options.output, LabelMap(ACTIONS), source=SOURCE)
    sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
