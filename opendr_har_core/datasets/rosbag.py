"""Annotated segments of an image topic in a rosbag2, without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union

from opendr_har_core.datasets.annotations import annotated_segments
from opendr_har_core.datasets.bag_topic import open_topic
from opendr_har_core.datasets.base import ClipDataset, gather
from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.labels import ClassIds, LabelMap, Labels
from opendr_har_core.recordings.annotations import read_annotations


class RosbagDataset(ClipDataset):
    """Clips of an image topic, of the segments in a CSV with the header `start,end,label`; see ClipDataset for items.

    It needs the package `rosbags`, not ROS.
    """

    def __init__(
        self,
        path: Union[str, Path],
        topic: str,
        table: Union[str, Path],
        labels: Labels,
        clip: ClipSpec,
        **options: Any,
    ) -> None:
        """`path` is a bag's folder (or its one file), sqlite3 or mcap; the topic carries Image or CompressedImage.

        Times are in seconds since the topic's first image, by header stamps; an empty start or end is that of the
        recording. `options` are those of ClipDataset: `train`, `transform`, `use_caching`, `cache_folder`. Raises
        VideoError when the bag or topic can't be read, LabelError for a label that is not in `labels`, DataError for a
        malformed CSV or when there is no usable clip, ConfigError without `rosbags`.
        """
        names = LabelMap.of(labels)
        cuts = annotated_segments(read_annotations(table, ("start", "end", "label")), ClassIds(names))
        source = open_topic(Path(path), topic)
        segments, skipped = gather([(Path(path), cut) for cut in cuts], lambda _: source)
        super().__init__(segments, names, clip, skipped=skipped, **options)
