"""A tiny network and clips that it can learn, shared by the tests of training."""

from __future__ import annotations

from dataclasses import replace

import torch

from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.training.settings import TrainingSettings

TINY = X3DConfig("tiny", image_size=32, frames=3, stride=1, stage_depths=(1, 2), stage_widths=(8, 16), stem_width=8)
ACTIONS = ("walking", "jumping")  # of the fixture clip_folder; not in the order of their folders' names
LABELS = LabelMap(["rises", "falls"])
QUICK = TrainingSettings(epochs=3, batch_size=4, lr=1e-2, seed=5)


class Ramps:
    """Clips that get brighter or darker, with noise; `noisy` items differ at each call, like augmented ones."""

    labels = LABELS

    def __init__(self, count=12, noisy=False, targets=None, noise=10):
        generator = torch.Generator().manual_seed(count)
        self.targets = list(targets) if targets is not None else [index % 2 for index in range(count)]
        self.noisy = noisy
        self.clips = []
        for target in self.targets:
            level = torch.tensor([60.0, 120.0, 180.0])
            ramp = (level if target == 0 else level.flip(0))[None, :, None, None].expand(3, 3, 32, 32)
            self.clips.append((ramp + torch.randn(3, 3, 32, 32, generator=generator) * noise).clamp(0, 255).byte())

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        clip = self.clips[index]
        if self.noisy:
            clip = (clip.float() + 10 * torch.randn(clip.shape)).clamp(0, 255).byte()
        return clip, self.targets[index]


def tiny(kind=X3D, seed=1, num_classes=2):
    torch.manual_seed(seed)
    return kind(TINY, num_classes)


def causal(window=None, seed=1):
    """Without lookahead."""
    torch.manual_seed(seed)
    return CoX3D(replace(TINY, lookahead="none"), 2, window)


def quick(**changes):
    return replace(QUICK, **changes)


def weights_of(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def assert_same_weights(first, second):
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
