"""The files that `opendr-har infer --output` writes for each video."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ContextManager, Dict, Mapping, Optional, Sequence, Tuple

from opendr_har_core.cli.inputs import ANNOTATED, names_for
from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from opendr_har_core.recordings.annotated_copy import AnnotatedCopy
    from opendr_har_core.recordings.video_labels import VideoLabels

VIDEO, TIMELINE, CSV, JSON = "video", "timeline", "csv", "json"
KINDS = (VIDEO, TIMELINE, CSV, JSON)
ENDINGS: Mapping[str, Tuple[str, ...]] = {
    VIDEO: (ANNOTATED,),
    TIMELINE: (".timeline.png",),
    CSV: (".labels.csv", ".scores.csv"),
    JSON: (".labels.json",),
}
FEWEST_LANES = 5


@dataclass(frozen=True)
class OutputFiles:
    """Where the results of each video go.

    Attributes:
        folder: of all results.
        names: the first part of the name of a video's results.
        kinds: which are written.
        lanes: classes in the timeline.
    """

    folder: Path
    names: Mapping[Path, str]
    kinds: Tuple[str, ...]
    lanes: int

    @classmethod
    def of(cls, videos: Sequence[Path], options: argparse.Namespace) -> OutputFiles:
        """Create the folder; raises ConfigError if that fails or a file would be overwritten."""
        folder = Path(options.output)
        names = dict(zip(videos, names_for(videos)))
        files = cls(folder, names, tuple(options.write), max(FEWEST_LANES, options.top_k))
        existing = [path for video in videos for path in files.paths(video) if path.exists()]
        if existing and not options.overwrite:
            more = f" and {len(existing) - 1} more exist" if len(existing) > 1 else " exists"
            raise ConfigError(f"{existing[0]}{more}; give --overwrite or another --output")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the folder {folder} can't be created: {error}") from None
        return files

    def paths(self, video: Path) -> Tuple[Path, ...]:
        """The results of a video."""
        return tuple(self._path(video, ending) for kind in self.kinds for ending in ENDINGS[kind])

    def copy(self, video: Path) -> ContextManager[Optional[AnnotatedCopy]]:
        """The annotated video to fill while labelling, or None if it is not wanted."""
        if VIDEO not in self.kinds:
            return nullcontext()
        from opendr_har_core.recordings.annotated_copy import annotated_copy

        return annotated_copy(self._path(video, ANNOTATED))

    def write(self, labels: VideoLabels) -> Dict[str, str]:
        """Write the other results atomically; returns the paths by kind."""
        written: Dict[str, str] = {}
        for kind in self.kinds:
            path, *others = (self._path(labels.path, ending) for ending in ENDINGS[kind])
            if kind == TIMELINE:
                from opendr_har_core.recordings.timeline import write_timeline

                write_timeline(labels, path, self.lanes)
            elif kind == CSV:
                labels.write_segments(path)
                labels.write_scores(others[0])
                written["scores"] = str(others[0])
            elif kind == JSON:
                labels.write_json(path)
            written[kind] = str(path)
        return written

    def _path(self, video: Path, ending: str) -> Path:
        return self.folder / f"{self.names[video]}{ending}"
