"""`opendr-har infer`: label videos or a webcam."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set

from opendr_har_core.cli.options import (
    add_job,
    add_model,
    add_recognizer,
    add_runtime,
    open_pipeline,
    open_recognizer,
    read_settings,
)
from opendr_har_core.cli.output import FAILED, Output, Result, ignore
from opendr_har_core.cli.videos import KINDS, TIMELINE, OutputFiles, videos_of
from opendr_har_core.errors import HarError
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

if TYPE_CHECKING:
    from opendr_har_core.prediction import Prediction
    from opendr_har_core.recordings.video_labels import VideoLabels


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "infer",
        help="label videos",
        description="Print the labels of videos over time, then the label of the whole. With --output, write an "
        "annotated video, a timeline chart and tables for each instead.",
        examples=(
            "clip.mp4",
            "clip.mp4 --model cox3d_s.onnx --output results",
            "videos 'more/*.avi' --output results --write timeline,csv --threshold 0.5 --smoothing 0.5",
            "0 --threshold 0.5",
            "clip.mp4 --json --quiet",
        ),
        run=run,
    )
    what = "files, folders (with all videos below them) and patterns, or the number of a webcam"
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help=what)
    add_model(parser)
    parser.add_argument("--output", metavar="FOLDER", help="write results there; created if needed")
    parser.add_argument(
        "--write",
        type=kinds,
        metavar="KINDS",
        help=f"which results, separated by commas (default: all, {','.join(KINDS)}; timeline needs matplotlib)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    add_recognizer(parser, top_k=3)
    add_runtime(parser)


def kinds(text: str) -> List[str]:
    """The results that --write names; the order does not matter."""
    wanted = [word.strip() for word in text.split(",")]
    strays = [word for word in wanted if word not in KINDS]
    if strays:
        raise argparse.ArgumentTypeError(f"{strays} can't be written, expected some of {','.join(KINDS)}")
    return [kind for kind in KINDS if kind in wanted]


def run(options: argparse.Namespace) -> Result:
    """Stream each video through the model as a camera would; a file that fails does not stop the others."""
    is_camera = len(options.videos) == 1 and options.videos[0].isdigit()
    paths, missing = ([Path(options.videos[0])], []) if is_camera else videos_of(options.videos)
    if options.write is None:
        options.write = _writable(options)
    files = OutputFiles.of(paths, options) if options.output else None
    if is_camera and files is None:
        return _watch(options)
    job = _Job(options, files, several=len(paths) + len(missing) > 1)
    for argument, error in missing:
        job.fail(argument, error)
    for path in paths:
        job.run(path)
    return job.result()


def _writable(options: argparse.Namespace) -> List[str]:
    if find_spec("matplotlib") is not None:
        return list(KINDS)
    if options.output:
        options.out.note("no timelines: they need matplotlib, pip install 'opendr_har_ros[plots]'")
    return [kind for kind in KINDS if kind != TIMELINE]


class _Job:
    """Labels the videos one by one."""

    def __init__(self, options: argparse.Namespace, files: Optional[OutputFiles], several: bool) -> None:
        self._out: Output = options.out
        self._recognizer = open_recognizer(options)
        self._stream = read_settings(options, StreamSettings)
        self._labels = read_settings(options, LabelSettings)
        self._files = files
        self._several = several
        self._done: List[Dict[str, Any]] = []
        self._failed: List[Dict[str, str]] = []
        self._remarks: Set[str] = set()

    def run(self, path: Path) -> None:
        try:
            self._done.append(self._labelled(path))
        except HarError as error:
            self.fail(str(path), error)

    def fail(self, what: str, error: HarError) -> None:
        self._failed.append({"video": what, "error": str(error)})
        if self._several:
            self._out.warn(str(error))

    def result(self) -> Result:
        values = {"videos": self._done, "failed": self._failed}
        if not self._failed:
            return Result(values=values)
        if self._several:
            error = f"{len(self._failed)} of {len(self._failed) + len(self._done)} videos could not be labelled"
        else:
            error = self._failed[0]["error"]
        return Result(values=values, exit_code=FAILED, error=error)

    def _labelled(self, path: Path) -> Dict[str, Any]:
        from opendr_har_core.recordings.label_video import label_video

        on_sample = None if self._files else partial(_print, self._out, path)
        if self._several and not self._files:
            self._out.text(f"{path}\n")
        with self._progress(path) as report, self._files.copy(path) if self._files else nullcontext() as copy:
            labels = label_video(self._recognizer, path, self._stream, self._labels, report, on_sample, copy)
        written = self._files.write(labels) if self._files else {}
        self._describe(labels, written)
        return {**{name: value for name, value in labels.to_dict().items() if name != "samples"}, "files": written}

    def _progress(self, path: Path) -> Any:
        if self._files is None and self._out.results_on_terminal():
            return nullcontext(ignore)
        return self._out.progress(f"labelling {path.name}", "frames")

    def _describe(self, labels: VideoLabels, files: Dict[str, str]) -> None:
        if self._files is None:
            self._out.text(_line("whole", labels.whole))
        else:
            count = len(labels.segments)
            spans = "1 segment" if count == 1 else f"{count} segments"
            summary = f"{labels.path}: {labels.whole.label} {labels.whole.score:.2f}, {spans}"
            self._out.text(summary + "".join(f"\n  {name}" for name in files.values()) + "\n")
        if labels.remark not in self._remarks:  # many files of one model have the same
            self._remarks.add(labels.remark)
            self._out.note(f"{labels.path}: {labels.remark}" if self._several else labels.remark)


def _watch(options: argparse.Namespace) -> Result:
    """Print the labels of a webcam until Ctrl-C, stamped by the clock; keeps nothing."""
    from opendr_har_core.media.video import read_video
    from opendr_har_core.streaming.label_pipeline import label_frames

    camera = options.videos[0]
    for item in label_frames(open_pipeline(options), read_video(camera)):
        if item.shown is not None:
            _print(options.out, Path(camera), item.shown)
    return Result()


def _print(out: Output, path: Path, sample: Prediction) -> None:
    """Print a prediction when it comes."""
    if out.json:
        from opendr_har_core.recordings.video_labels import sample_values

        out.row({"video": str(path), **sample_values(sample)})
    else:
        out.text(_line(f"{sample.stamp_ns / 1e9:.2f}", sample))


def _line(when: str, prediction: Prediction) -> str:
    labels = ", ".join(f"{item.label} {item.score:.2f}" for item in prediction.top)
    mark = "  (provisional)" if prediction.provisional else ""
    return f"{when:>8}  {labels}{mark}\n"
