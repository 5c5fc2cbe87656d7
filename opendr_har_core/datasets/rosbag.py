"""Stretches of a recording of a robot's camera."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Union

from opendr_har_core.datasets.bag_topic import open_topic
from opendr_har_core.datasets.base import ClipDataset, Skipped, Transform
from opendr_har_core.datasets.cache import ClipCache
from opendr_har_core.datasets.clips import ClipSpec, Segment
from opendr_har_core.datasets.names import ClassIds, Labels, label_map
from opendr_har_core.datasets.stretches import read_table, segment_of
from opendr_har_core.errors import DataError


class RosbagDataset(ClipDataset):
    """Clips of an image topic of a rosbag2, of the stretches that a CSV with the header `start,end,label` names.

    See ClipDataset for what items are. Needs the package `rosbags`, not ROS.
    """

    def __init__(
        self,
        path: Union[str, Path],
        topic: str,
        table: Union[str, Path],
        labels: Labels,
        clip: ClipSpec,
        *,
        train: bool = False,
        transform: Optional[Transform] = None,
        use_caching: bool = False,
        cache_folder: Optional[Union[str, Path]] = None,
    ) -> None:
        """`path` is a bag's folder (or its one file), sqlite3 or mcap; the topic carries Image or CompressedImage.

        Times are in seconds since the topic's first image, by the images' header stamps; an empty start or end is that
        of the recording. Raises VideoError when the bag or topic can't be read, LabelError for a label that is not
        among the labels, DataError for a malformed table or when there is nothing to use, ConfigError without rosbags.
        """
        names = label_map(labels)
        ids = ClassIds(names)
        rows = read_table(table, ("start", "end", "label"))
        class_ids = [ids.id(row.label, row.where) for row in rows]
        source = open_topic(Path(path), topic)
        segments: List[Segment] = []
        skipped: List[Skipped] = []
        for row, class_id in zip(rows, class_ids):
            try:
                segments.append(segment_of(row, source, class_id))
            except DataError as error:
                skipped.append((source.name, str(error)))
        cache = ClipCache(cache_folder) if use_caching else None
        super().__init__(segments, names, clip, train, transform, cache, skipped)
