"""What the packaged model has to beat: a linear classifier on the frozen official weights' features.

python benchmarks/default_probe.py [--clips 300] [--threads 2]

The features are those of X3D-XS's last hidden layer (2048), with Kinetics-400 weights. The classifier (multinomial
logistic regression) learns either from drawn clips, as the packaged model does, or from the real videos of all persons
but one, and is tested on that one. A video's answer is the mean over 5 clips.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import List, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from default_material import RealVideo, real_videos
from torch import Tensor
from torch.utils.data import DataLoader

from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.synthetic import DrawnDataset
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.training.default_model import FIRST_TRAINING_SEED
from opendr_har_core.training.loss import standardised

SHARED = Path(os.environ.get("HAR_SHARED", Path(__file__).resolve().parents[2] / "shared"))
CONFIG = x3d_config("xs")
CLIP = ClipSpec.of(CONFIG)
TEST_CLIPS = 5
DECAY = 1e-3
STEPS = 200


def main() -> None:
    """Compute features once, fit and test all classifiers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=300, help="drawn clips per action")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = X3D(CONFIG)
    load_weights(network, SHARED / "weights" / "x3d_xs_k400_slowfast.pyth")
    network.eval()
    drawn, classes = of_drawn(network, options.clips)
    weights = fitted(drawn, classes)
    groups = {}
    for video in real_videos(SHARED):
        groups.setdefault(video.group, []).append((video, of_clips(network, clips_of(video))))
    for group, found in groups.items():
        known = [(video, features) for video, features in found if video.action is not None]
        right = sum(named(features, weights) == video.action for video, features in known)
        say(f"{group}: probe trained on drawn clips {right} of {len(known)}")
        if group != "scenes":
            say(f"{group}: probe trained on the other persons {others(known)} of {len(known)}")


def of_drawn(network: X3D, clips: int) -> tuple[Tensor, Tensor]:
    """Features (N, 2048) and classes (N,) of drawn clips."""
    found, classes = [], []
    for batch, targets in DataLoader(DrawnDataset(CLIP, clips, FIRST_TRAINING_SEED), 16, num_workers=1):
        found.append(hidden(network, batch))
        classes.append(targets)
    return torch.cat(found), torch.cat(classes)


def clips_of(video: RealVideo) -> np.ndarray:
    """uint8 (TEST_CLIPS, T, S, S, 3), spread over the video; a short one's last frame is held."""
    step_ns = CLIP.stride / CLIP.train_fps * NANOSECONDS
    stamps = np.array([frame.stamp_ns for frame in video.frames])
    room = max(0.0, stamps[-1] - step_ns * (CLIP.frames - 1))
    clips = []
    for start in np.linspace(0, room, TEST_CLIPS):
        indices = [int(np.abs(stamps - start - step_ns * index).argmin()) for index in range(CLIP.frames)]
        clips.append(np.stack([to_network_input(video.frames[index].rgb, CLIP.image_size) for index in indices]))
    return np.stack(clips)


def of_clips(network: X3D, clips: np.ndarray) -> Tensor:
    """Features (N, 2048) of uint8 (N, T, S, S, 3) clips."""
    return hidden(network, torch.from_numpy(clips).permute(0, 4, 1, 2, 3))


@torch.inference_mode()
def hidden(network: X3D, clips: Tensor) -> Tensor:
    """uint8 (B, 3, T, S, S) -> features of the last hidden layer (B, 2048)."""
    found: List[Tensor] = []
    hook = network.head.lin_5.register_forward_hook(lambda _, __, output: found.append(F.relu(output).flatten(1)))
    network(standardised(clips, network.spec))
    hook.remove()
    return found[0].clone()


def fitted(features: Tensor, classes: Tensor) -> Tensor:
    """Weights (2049, C) of a multinomial logistic regression with an L2 penalty."""
    inputs = _with_one(features)
    weights = torch.zeros(inputs.shape[1], len(ACTIONS), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(inputs @ weights, classes) + DECAY * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


def others(known: Sequence) -> int:
    """Videos named rightly by classifiers that have seen all persons but theirs."""
    right = 0
    for person in sorted({video.person for video, _ in known}):
        seen = [(video, features) for video, features in known if video.person != person]
        classes: List[int] = [ACTIONS.index(video.action) for video, features in seen for _ in features]
        weights = fitted(torch.cat([features for _, features in seen]), torch.tensor(classes))
        right += sum(named(features, weights) == video.action for video, features in known if video.person == person)
    return right


def named(features: Tensor, weights: Tensor) -> str:
    """The action with the highest mean probability over a video's clips."""
    return ACTIONS[int((_with_one(features) @ weights).softmax(dim=1).mean(dim=0).argmax())]


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _with_one(features: Tensor) -> Tensor:
    return torch.cat([features, torch.ones(len(features), 1)], dim=1)


if __name__ == "__main__":
    main()
