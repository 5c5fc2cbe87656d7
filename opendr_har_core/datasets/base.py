"""Base of all datasets of clips: sample, cache and transform labelled segments, and report what can't be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from opendr_har_core.datasets.augmentation import AugmentationSettings
from opendr_har_core.datasets.cache import ClipCache, scaled
from opendr_har_core.datasets.clips import ClipSpec, Segment, VideoSource
from opendr_har_core.datasets.transforms import EvalTransform
from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.labels import LabelMap

Transform = Callable[[Tensor], Tensor]
Item = Tuple[Tensor, int]
Skipped = Tuple[str, str]

# A longer segment is decoded at each use; its frames would fill memory and disk.
MAX_CACHED_SEC = 60.0
SHOWN = 10
# Opening a file waits for the disk or the network more than for the processor.
THREADS = 8


@dataclass(frozen=True)
class DataReport:
    """What a dataset contains, and everything that it leaves out.

    Attributes:
        items: number of usable clips.
        skipped: (path, reason) of files and segments that can't be used.
        absent: number of clips in the annotations that are not on disk.
        short: number of clips that are shorter than the network's; their last frame is repeated.
        missing_classes: names of classes without a clip.
        classes: number of classes.
    """

    items: int
    skipped: Tuple[Tuple[str, str], ...] = ()
    absent: int = 0
    short: int = 0
    missing_classes: Tuple[str, ...] = ()
    classes: int = 0

    def __str__(self) -> str:
        lines = [f"{self.items} clips of {self.classes - len(self.missing_classes)} of {self.classes} classes"]
        if self.absent:
            lines.append(f"{self.absent} clips are in the annotations but not on disk")
        if self.short:
            lines.append(f"{self.short} clips are shorter than the network's; their last frame is repeated")
        if self.items and self.missing_classes:
            lines.append(f"{len(self.missing_classes)} classes without a clip: {_some(self.missing_classes)}")
        if self.skipped:
            lines.append(f"{len(self.skipped)} skipped:")
            lines += [f"  {reason if path in reason else f'{path}: {reason}'}" for path, reason in self.skipped[:SHOWN]]
            lines += [f"  and {len(self.skipped) - SHOWN} more"] if len(self.skipped) > SHOWN else []
        return "\n".join(lines)


def _some(names: Tuple[str, ...]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


class ClipDataset(Dataset[Item]):
    """Items are `(clip, class_id)`: a uint8 tensor (3, T, S, S), RGB, and an int.

    A custom `transform` takes the frames of a clip as a uint8 tensor (T, H, W, 3) and returns (3, T, S, S), either
    uint8 or standardised floats.

    For training, the clip of a segment starts at random, with PyTorch's random numbers; otherwise it is the middle one.
    Frames are those nearest to the clip's ticks; a segment that is shorter than the clip repeats its last frame.

    What can't be read when the dataset is created is left out and listed in `report`. An item that can't be read later
    raises DataError from `dataset[i]`; a torch.utils.data.DataLoader gets a batch without it. From then on it is listed
    in `report`, even if a worker found it, and not read again. `verify` finds all such items beforehand.

    Attributes:
        labels: the list of classes; class ids are its indices.
        clip: how clips are sampled.
        transform: of the frames of a clip.
    """

    def __init__(
        self,
        segments: Iterable[Segment],
        labels: LabelMap,
        clip: ClipSpec,
        *,
        train: bool = False,
        transform: Optional[Transform] = None,
        use_caching: bool = False,
        cache_folder: Optional[Union[str, Path]] = None,
        skipped: Sequence[Skipped] = (),
        absent: int = 0,
        start_step: int = 1,
    ) -> None:
        """Clips start at multiples of `start_step` ticks. Raises DataError when there is no segment.

        `use_caching` keeps decoded frames in `cache_folder`, by default in the user's cache folder. `skipped` and
        `absent` are for the report.
        """
        if start_step < 1:
            raise ConfigError(f"the step between clips is {start_step}, expected 1 frame or more")
        self.labels = labels
        self.clip = clip
        self._train = train
        self.transform = transform if transform is not None else _default_transform(labels, clip, train)
        self._cache = ClipCache(cache_folder) if use_caching else None
        self._start_step = start_step
        self._absent = absent
        self._set_segments(list(segments), list(skipped))

    @property
    def targets(self) -> List[int]:
        """Class id of each item; nothing is decoded."""
        return [segment.class_id for segment in self._segments]

    @property
    def report(self) -> DataReport:
        """Numbers of clips, and everything that was left out until now."""
        marks = self._failed.tolist()
        failed = [index for index, mark in enumerate(marks) if mark]
        left = [segment for segment, mark in zip(self._segments, marks) if not mark]
        present = {segment.class_id for segment in left}
        return DataReport(
            items=len(left),
            skipped=(*self._skipped, *((self._segments[index].name, self._reason(index)) for index in failed)),
            absent=self._absent,
            short=sum(self.clip.is_longer_than(segment.duration_sec) for segment in left),
            missing_classes=tuple(name for index, name in enumerate(self.labels) if index not in present),
            classes=len(self.labels),
        )

    def verify(self) -> DataReport:
        """Read every item once and leave out those that fail, which changes `len` and the indices.

        Raises DataError when no item is left.
        """
        for index in range(len(self)):
            self.try_item(index)
        report = self.report
        marks = self._failed.tolist()
        self._set_segments([s for s, failed in zip(self._segments, marks) if not failed], list(report.skipped))
        return report

    def __len__(self) -> int:
        return len(self._segments)

    def __getitem__(self, index: int) -> Item:
        segment = self._segments[index]
        return self._clip_of(segment), segment.class_id

    def try_item(self, index: int) -> Optional[Item]:
        """The item, or None if it can't be read; it is then listed in `report` and not tried again."""
        if self._failed[index]:
            return None
        try:
            return self[index]
        except DataError as error:
            self._failed[index] = 1
            self._reasons[index] = str(error)
            return None

    def __getitems__(self, indices: Sequence[int]) -> List[Item]:
        """Items of a batch that can be read; raises DataError if there are none."""
        items = [item for item in map(self.try_item, indices) if item is not None]
        if not items:
            names = [f"{self._segments[index].name}: {self._reason(index)}" for index in indices[:3]]
            raise DataError(
                f"none of the {len(indices)} clips of a batch can be read; remove them or call verify() first: {names}"
            )
        return items

    def _reason(self, index: int) -> str:
        """Why an item can't be read; one that a data loader worker has marked is read once more to tell."""
        if index not in self._reasons:
            self._reasons[index] = "a data loader worker could not read it"
            try:
                with torch.random.fork_rng(devices=()):
                    self[index]
            except DataError as error:
                self._reasons[index] = str(error)
        return self._reasons[index]

    def _set_segments(self, segments: List[Segment], skipped: List[Skipped]) -> None:
        self._segments = segments
        self._skipped = skipped
        # In shared memory, so that marks of data loader workers reach this process.
        self._failed = torch.zeros(len(segments), dtype=torch.uint8)
        self._failed.share_memory_()  # type: ignore[no-untyped-call]
        self._reasons: Dict[int, str] = {}
        if not segments:
            raise DataError(f"there is no usable clip; check the path and the labels. {self.report}")

    def _clip_of(self, segment: Segment) -> Tensor:
        ticks = self.clip.ticks(self._start(segment), segment.duration_sec)
        if self._cache is None:
            return self._transformed(self._decoded(segment, ticks))
        if not self._train and getattr(self.transform, "deterministic", False):
            key = f"{segment.source.fingerprint()}|{segment.start_sec}|{ticks}|{self.clip}|{self.transform}"
            made = self._cache.get(key, lambda: self._transformed(self._decoded(segment, ticks)).numpy())
            return torch.from_numpy(np.array(made))
        if segment.duration_sec > MAX_CACHED_SEC:
            return self._transformed(self._decoded(segment, ticks))
        return self._transformed(self._cached_segment(segment, self._cache)[ticks])

    def _cached_segment(self, segment: Segment, cache: ClipCache) -> np.ndarray:
        """A frame for each tick of a segment, no larger than the largest scale of training."""
        side = -(-self.clip.image_size * 10 // 7)
        end = segment.start_sec + segment.duration_sec
        key = f"{segment.source.fingerprint()}|{segment.start_sec}|{end}|{self.clip.train_fps}|{side}"
        ticks = np.arange(self.clip.ticks_in(segment.duration_sec))
        return cache.get(key, lambda: self._decoded(segment, ticks, side))

    def _decoded(self, segment: Segment, ticks: np.ndarray, short_side: Optional[int] = None) -> np.ndarray:
        times = [segment.start_sec + float(second) for second in self.clip.seconds(ticks)]
        frames = segment.source.frames(times)
        pictures = [frame if short_side is None else scaled(frame, short_side) for frame in frames]
        if len({picture.shape for picture in pictures}) != 1:
            raise DataError(f"{segment.name} has no frames, or frames of different sizes; convert it to one size")
        return np.stack(pictures)

    def _start(self, segment: Segment) -> int:
        if not self._train:
            return self.clip.middle_start(segment.duration_sec, self._start_step)
        last = self.clip.last_start(segment.duration_sec, self._start_step)
        return self._start_step * int(torch.randint(last // self._start_step + 1, ()))

    def _transformed(self, frames: np.ndarray) -> Tensor:
        # PyTorch needs a writable array; a view of a cache file is not.
        clip = self.transform(torch.from_numpy(frames if frames.flags.writeable else np.array(frames)))
        if not isinstance(clip, Tensor) or clip.ndim != 4 or clip.shape[0] != 3:
            shape = tuple(clip.shape) if isinstance(clip, Tensor) else type(clip).__name__
            raise ConfigError(f"the transform returned {shape}, expected a tensor of shape (3, T, S, S)")
        return clip


def gather(
    wanted: Sequence[Tuple[Path, Callable[[VideoSource], Segment]]], open_source: Callable[[Path], VideoSource]
) -> Tuple[List[Segment], List[Skipped]]:
    """Open every path once and make the segments that are wanted of it; what raises DataError is skipped."""

    def opened(path: Path) -> Union[VideoSource, DataError]:
        try:
            return open_source(path)
        except DataError as error:
            return error

    paths = list(dict.fromkeys(path for path, _ in wanted))
    with ThreadPoolExecutor(THREADS) as pool:
        sources = dict(zip(paths, pool.map(opened, paths)))
    segments: List[Segment] = []
    skipped: Dict[Skipped, None] = {}  # as a set that keeps its order
    for path, segment_of in wanted:
        source = sources[path]
        try:
            if isinstance(source, DataError):
                raise source
            segments.append(segment_of(source))
        except DataError as error:
            skipped[str(path), str(error)] = None
    return segments, list(skipped)


def _default_transform(labels: LabelMap, clip: ClipSpec, train: bool) -> Transform:
    if train:
        return AugmentationSettings().transform(clip.image_size, labels)
    return EvalTransform(clip.image_size)
