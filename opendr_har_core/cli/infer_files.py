"""The files that `opendr-har infer --output` writes of each video."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Mapping, Sequence, Tuple

from opendr_har_core.cli.inputs import ANNOTATED, names_for
from opendr_har_core.cli.output import Output
from opendr_har_core.errors import ConfigError

if TYPE_CHECKING:
    from opendr_har_core.recordings.records import VideoLabels

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
        folder: of all.
        names: what the results of a video begin with.
        kinds: which are written.
        lanes: classes in the timeline.
    """

    folder: Path
    names: Mapping[Path, str]
    kinds: Tuple[str, ...]
    lanes: int
    out: Output

    @classmethod
    def of(cls, videos: Sequence[Path], options: argparse.Namespace) -> OutputFiles:
        """Makes the folder; raises ConfigError where it can't be, or where something would be overwritten."""
        folder = Path(options.output)
        names = dict(zip(videos, names_for(videos)))
        files = cls(folder, names, tuple(options.write), max(FEWEST_LANES, options.top_k), options.out)
        there = [path for video in videos for path in files.paths(video) if path.exists()]
        if there and not options.overwrite:
            more = f" and {len(there) - 1} more are" if len(there) > 1 else " is"
            raise ConfigError(f"{there[0]}{more} there already; give --overwrite or another --output")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the folder {folder} can't be made: {error}") from None
        return files

    def paths(self, video: Path) -> Tuple[Path, ...]:
        """What will be written of a video."""
        return tuple(self._path(video, ending) for kind in self.kinds for ending in ENDINGS[kind])

    def write(self, labels: VideoLabels) -> Dict[str, str]:
        """Write them, each whole or not at all, and say where: names for --json, and paths."""
        from opendr_har_core.recordings import tables
        from opendr_har_core.recordings.timeline import write_timeline

        written: Dict[str, str] = {}
        for kind in self.kinds:
            path, *others = (self._path(labels.path, ending) for ending in ENDINGS[kind])
            if kind == VIDEO:
                self._write_video(labels, path)
            elif kind == TIMELINE:
                write_timeline(labels, path, self.lanes)
            elif kind == CSV:
                tables.write_segments(labels, path)
                tables.write_scores(labels, others[0])
                written["scores"] = str(others[0])
            else:
                tables.write_json(labels, path)
            written[kind] = str(path)
        return written

    def _write_video(self, labels: VideoLabels, path: Path) -> None:
        from opendr_har_core.recordings.annotated_video import write_annotated

        with self.out.progress(f"drawing {path.name}", "frames") as report:
            write_annotated(labels, path, report)

    def _path(self, video: Path, ending: str) -> Path:
        return self.folder / f"{self.names[video]}{ending}"
