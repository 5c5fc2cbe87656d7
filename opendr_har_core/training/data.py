"""Batches of a dataset: shuffled, split over processes and seeded so that a run can resume at any step.

Order and augmentation are functions of (seed, epoch, item), not of the state of a generator, so they do not depend on
the number of workers or on a resume.
"""

from __future__ import annotations

import random
from typing import Any, Iterator, List, Sequence, Tuple

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.labels import LabelMap
from opendr_har_core.training.checkpoint import Progress
from opendr_har_core.training.settings import TrainingSettings

DATASET = ("labels", "targets", "__len__", "__getitem__")
Key = Tuple[int, int]
Item = Tuple[Tensor, int]


def mixed_seed(*parts: int) -> int:
    """One 32-bit seed from several numbers, without patterns between neighbours."""
    return int(np.random.SeedSequence([part & 0xFFFFFFFF for part in parts]).generate_state(1)[0])


def seed_everything(*parts: int) -> None:
    """Seed PyTorch, NumPy and Python."""
    seed = mixed_seed(*parts)
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


class SeededItems(Dataset):
    """A dataset whose item (epoch, index) always has the same augmentation."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self._dataset = dataset
        self._seed = seed

    def __getitems__(self, keys: List[Key]) -> List[Item]:
        """Items of a batch, without those that a ClipDataset can't read and lists in its report."""
        read = getattr(self._dataset, "try_item", self._dataset.__getitem__)
        items: List[Item] = []
        for epoch, index in keys:
            seed_everything(self._seed, epoch, index)
            item = read(index)
            if item is not None:
                clip, class_id = item
                items.append((clip, class_id))
        # The dataset's own error says why none of them can be read.
        return items or self._dataset.__getitems__([index for _, index in keys])


class EpochBatches(Sampler[List[Key]]):
    """Remaining batches of one process in the current epoch.

    A batch of n processes is n times as large, and process k takes its k-th part: together the clips that one process
    with n times the batch size takes. The last batch is filled with clips from the start of the epoch, so that all
    processes have the same number of clips.
    """

    def __init__(self, count: int, settings: TrainingSettings, progress: Progress, rank: int, world: int) -> None:
        super().__init__()
        self._count, self._size = count, settings.batch_size
        self._seed = settings.seed
        self._progress = progress
        self._rank, self._world = rank, world
        self._in_epoch = batches_per_epoch(count, settings, world)

    def __len__(self) -> int:
        return self._in_epoch - self._progress.batch

    def __iter__(self) -> Iterator[List[Key]]:
        epoch, first = self._progress.epoch, self._progress.batch
        order = np.random.default_rng(mixed_seed(self._seed, epoch)).permutation(self._count)
        together = self._size * self._world
        if self._world > 1 and self._in_epoch * together > self._count:
            order = np.resize(order, self._in_epoch * together)
        for index in range(first, self._in_epoch):
            mine = order[index * together : (index + 1) * together][self._rank * self._size :][: self._size]
            yield [(epoch, int(item)) for item in mine]


def batches_per_epoch(count: int, settings: TrainingSettings, world: int) -> int:
    """Number of batches per process in an epoch of `count` clips."""
    together = settings.batch_size * world
    return max(1, count // together) if settings.drop_last else -(-count // together)


class ClipData(pl.LightningDataModule):
    """Training and validation clips; `progress` says where to continue."""

    def __init__(self, train: Any, val: Any, settings: TrainingSettings, progress: Progress) -> None:
        super().__init__()
        self._train, self._val = train, val
        self._settings, self._progress = settings, progress

    @property
    def labels(self) -> Sequence[str]:
        """Class names of the training clips."""
        labels: Sequence[str] = self._train.labels
        return labels

    @property
    def validates(self) -> bool:
        """Whether there is validation data."""
        return self._val is not None

    def train_dataloader(self) -> DataLoader:
        """The current epoch, or what is left of it."""
        batches = EpochBatches(len(self._train), self._settings, self._progress, *self._place())
        return self._loader(self._train, batches)

    def val_dataloader(self) -> Any:
        """All validation clips in order, each on one process."""
        if self._val is None:
            return []
        size = self._settings.batch_size
        rank, world = self._place()
        mine = list(range(len(self._val)))[rank::world]
        batches = [[(0, index) for index in mine[at : at + size]] for at in range(0, len(mine), size)]
        return self._loader(self._val, batches)

    def _place(self) -> Tuple[int, int]:
        """Rank of this process, and number of processes."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    def _loader(self, dataset: Any, batches: Any) -> DataLoader:
        settings = self._settings
        return DataLoader(
            SeededItems(dataset, settings.seed),
            batch_sampler=batches,
            num_workers=settings.num_workers,
            pin_memory=settings.pin_memory,
            persistent_workers=settings.num_workers > 0,
        )


def check_dataset(dataset: Any, num_classes: int, role: str) -> None:
    """Check that a dataset can be used with a network of `num_classes` classes.

    Raises DataError for an object that is not a dataset, has no items, or has class ids outside its class list,
    LabelError for unusable class names, ConfigError for another number of classes.
    """
    missing = [name for name in DATASET if not hasattr(dataset, name)]
    if missing:
        raise DataError(
            f"the {role} dataset is a {type(dataset).__name__} without {missing}; expected a dataset such as "
            f"FolderDataset: labels (class names), targets (a class id for each clip), len() and items (clip, class id)"
        )
    if len(LabelMap(dataset.labels)) != num_classes:
        raise ConfigError(
            f"the {role} dataset has {len(dataset.labels)} classes, the network {num_classes}; "
            f"create the network with num_classes={len(dataset.labels)}"
        )
    if len(dataset) == 0:
        raise DataError(f"the {role} dataset has no clips; check its folder, split and report")
    strays = sorted({target for target in dataset.targets if not 0 <= target < len(dataset.labels)})
    if strays:
        raise DataError(f"the {role} dataset has class ids {strays}, but its list has {len(dataset.labels)} classes")
