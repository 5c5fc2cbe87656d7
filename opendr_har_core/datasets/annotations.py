"""Annotated segments of videos and bags as a data set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Union

from opendr_har_core.datasets.bag_topic import open_topic
from opendr_har_core.datasets.base import ClipDataset, gather
from opendr_har_core.datasets.clips import ClipSpec, Segment, VideoSource
from opendr_har_core.datasets.video_file import open_video
from opendr_har_core.errors import DataError
from opendr_har_core.labels import ClassIds, LabelMap, Labels
from opendr_har_core.recordings.annotations import Annotation, read_annotations
from opendr_har_core.recordings.sources import is_bag


def annotated_segments(rows: Sequence[Annotation], ids: ClassIds) -> List[Callable[[VideoSource], Segment]]:
    """For each row, what cuts its segment from a source; that raises DataError if the segment lies outside of it.

    Raises LabelError for an unknown label.
    """
    return [partial(_segment, row, ids.id(row.label, row.where)) for row in rows]


def _segment(row: Annotation, class_id: int, source: VideoSource) -> Segment:
    start = row.start_sec or 0.0
    end = source.duration_sec if row.end_sec is None else min(row.end_sec, source.duration_sec)
    if start >= source.duration_sec:
        raise DataError(f"{row.where}: starts at {start} s, but {source.name} is {source.duration_sec:.2f} s long")
    return Segment(source, class_id, start, end - start)


class AnnotationDataset(ClipDataset):
    """Clips of the segments in a CSV with the header `path,start,end,label`; see ClipDataset for items."""

    def __init__(
        self,
        table: Union[str, Path],
        labels: Optional[Labels],
        clip: ClipSpec,
        *,
        root: Optional[Union[str, Path]] = None,
        topic: Optional[str] = None,
        **options: Any,
    ) -> None:
        """Times are in seconds since the first frame; an empty start or end is that of the recording.

        `labels` is the list of classes; None: the labels in the CSV, sorted. Paths of videos and bags are relative to
        `root`, by default the folder of the CSV; `topic` selects the images of bags with several topics. `options` are
        those of ClipDataset: `train`, `transform`, `use_caching`, `cache_folder`. Raises LabelError for a label that is
        not in `labels`, DataError for a malformed CSV or when there is no usable clip, ConfigError for a bag without
        `rosbags`.
        """
        folder = Path(table).parent if root is None else Path(root)
        rows = read_annotations(table, ("path", "start", "end", "label"))
        names = LabelMap(sorted({row.label for row in rows})) if labels is None else LabelMap.of(labels)
        cuts = annotated_segments(rows, ClassIds(names))
        segments, skipped = gather(
            [(folder / row.path, cut) for row, cut in zip(rows, cuts)], partial(_open, topic=topic)
        )
        super().__init__(segments, names, clip, skipped=skipped, **options)


def _open(path: Path, topic: Optional[str]) -> VideoSource:
    return open_topic(path, topic) if is_bag(path) else open_video(path)
