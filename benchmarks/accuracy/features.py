"""Features of frozen layers, computed once instead of once per epoch, to train the last layers on."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from opendr_har_core.backends.allocator import keep_freed
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.layers import ResidualBlock
from opendr_har_core.networks.x3d import FIRST_STAGE, X3D, in_fast_layout, standardized
from opendr_har_core.spec import ModelSpec

GIB = 1 << 30
Listener = Callable[[int, int], None]


class Trunk(nn.Module):
    """The layers of a network before its last stage, sharing its weights: those that `last_stage` freezes."""

    def __init__(self, network: X3D) -> None:
        super().__init__()
        self.stem = network.stem
        self.stages = nn.ModuleList(getattr(network, name) for name in _stages(network)[:-1])
        self.spec: ModelSpec = network.spec

    def forward(self, clips: Tensor) -> Tensor:
        """Clips as datasets give them, (B, 3, T, S, S) -> features (B, C, T, H, W)."""
        x = self.stem(in_fast_layout(standardized(clips, self.spec)))
        for block in _blocks(self.stages):
            x = block(x)
        return x  # type: ignore[no-any-return]


class Tail(nn.Module):
    """The last stage and the head of a network, sharing its weights: training this trains the network.

    `fit` and `evaluate` take it as they take a network, over a FeatureDataset.
    """

    def __init__(self, network: X3D) -> None:
        super().__init__()
        self.config, self.spec, self.num_classes = network.config, network.spec, network.num_classes
        self.add_module(_stages(network)[-1], getattr(network, _stages(network)[-1]))
        self.head = network.head

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, T, H, W) -> logits (B, num_classes)."""
        x = in_fast_layout(x)
        for block in _blocks(self):
            x = block(x)
        logits: Tensor = self.head(x)
        return logits


class FeatureDataset(Dataset):
    """Items are (features, class_id) of the clips of a dataset, in memory.

    Attributes:
        features: float32 (N, C, T, H, W).
        targets: class id per item.
        labels: the dataset's.
    """

    def __init__(self, features: Tensor, targets: Sequence[int], labels: LabelMap) -> None:
        self.features, self.targets, self.labels = features, list(targets), labels

    @classmethod
    @torch.inference_mode()
    def of(
        cls, network: X3D, dataset: Any, batch_size: int = 16, num_workers: int = 0, listener: Optional[Listener] = None
    ) -> FeatureDataset:
        """Run the frozen layers on every item of `dataset` once; each item has one fixed augmentation.

        `num_workers` processes prepare the items; `listener` is called after each batch with the number of items done
        and the number of all. The result takes 154 kB of memory per item of an X3D-XS.
        """
        keep_freed(GIB, GIB)
        trunk = Trunk(network).eval()
        features: List[Tensor] = []
        targets: List[Tensor] = []
        for clips, classes in DataLoader(dataset, batch_size, num_workers=num_workers):
            features.append(trunk(clips))
            targets.append(classes)
            if listener is not None:
                listener(sum(map(len, targets)), len(dataset))
        return cls(torch.cat(features), torch.cat(targets).tolist(), dataset.labels)

    def subset(self, indices: Sequence[int]) -> FeatureDataset:
        """Some of the items."""
        rows = list(indices)
        return FeatureDataset(self.features[rows], [self.targets[index] for index in rows], self.labels)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tuple[Tensor, int]:
        return self.features[index], self.targets[index]


def _stages(network: X3D) -> List[str]:
    return [f"s{FIRST_STAGE + index}" for index in range(len(network.config.stage_depths))]


def _blocks(module: nn.Module) -> Iterator[ResidualBlock]:
    return (block for block in module.modules() if isinstance(block, ResidualBlock))
