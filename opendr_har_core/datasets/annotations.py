"""A table that says what is to be seen when in which video."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Union

from opendr_har_core.datasets.base import ClipDataset, Skipped, Transform
from opendr_har_core.datasets.cache import ClipCache
from opendr_har_core.datasets.clips import ClipSpec, Segment
from opendr_har_core.datasets.index import Found, open_videos
from opendr_har_core.datasets.names import ClassIds, Labels, label_map
from opendr_har_core.datasets.stretches import read_table, segment_of
from opendr_har_core.errors import DataError, VideoError


class AnnotationDataset(ClipDataset):
    """Clips of the stretches that a CSV with the header `path,start,end,label` names; see ClipDataset for items."""

    def __init__(
        self,
        table: Union[str, Path],
        labels: Labels,
        clip: ClipSpec,
        *,
        root: Optional[Union[str, Path]] = None,
        train: bool = False,
        transform: Optional[Transform] = None,
        use_caching: bool = False,
        cache_folder: Optional[Union[str, Path]] = None,
    ) -> None:
        """Times are in seconds; an empty start or end is that of the video.

        Paths count from `root`, by default the table's folder. Raises LabelError for a label that is not among the
        labels, DataError for a malformed table or when there is nothing to use.
        """
        names = label_map(labels)
        ids = ClassIds(names)
        rows = read_table(table, ("path", "start", "end", "label"))
        folder = Path(table).parent if root is None else Path(root)
        class_ids = [ids.id(row.label, row.where) for row in rows]
        cache = ClipCache(cache_folder) if use_caching else None
        paths = list(dict.fromkeys(folder / row.path for row in rows))
        videos: Dict[Path, Found] = dict(zip(paths, open_videos(paths, cache)))
        segments: List[Segment] = []
        skipped: List[Skipped] = [
            (str(path), str(error)) for path, error in videos.items() if isinstance(error, VideoError)
        ]
        for row, class_id in zip(rows, class_ids):
            video = videos[folder / row.path]
            if not isinstance(video, VideoError):
                try:
                    segments.append(segment_of(row, video, class_id))
                except DataError as error:
                    skipped.append((video.name, str(error)))
        super().__init__(segments, names, clip, train, transform, cache, skipped)
