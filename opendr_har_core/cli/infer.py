"""`opendr-har infer`: what happens in videos."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Set

from opendr_har_core.cli.infer_files import KINDS, OutputFiles
from opendr_har_core.cli.inputs import videos_of
from opendr_har_core.cli.options import (
    VIDEOS,
    add_file,
    add_folder,
    add_job,
    add_model,
    add_recognizer,
    add_runtime,
    filter_settings,
    open_recognizer,
    stream_settings,
)
from opendr_har_core.cli.output import DONE, FAILED, Output, Result
from opendr_har_core.cli.progress import ignore
from opendr_har_core.errors import ConfigError, HarError

if TYPE_CHECKING:
    from opendr_har_core.prediction import Prediction
    from opendr_har_core.recordings.collect import LabelVideoSettings
    from opendr_har_core.recordings.records import VideoLabels
    from opendr_har_core.streaming.recognizer import Recognizer


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "infer",
        help="label videos",
        description="Print the labels of videos over time, then the label of the whole. With --output, write an "
        "annotated video, a timeline picture and tables for each instead.",
        examples=(
            "clip.mp4",
            "clip.mp4 --model cox3d_s.onnx --output results",
            "videos 'more/*.avi' --output results --write timeline,csv --threshold 0.5 --smoothing 0.5",
            "clip.mp4 --json --quiet",
        ),
        run=run,
    )
    what = "files, folders (with all videos below them) and patterns, or the number of a webcam"
    add_file(parser, "videos", suffixes=VIDEOS, nargs="+", metavar="VIDEO", help=what)
    add_model(parser)
    add_folder(parser, "--output", metavar="FOLDER", help="write results there; it is made where there is none")
    parser.add_argument(
        "--write",
        type=kinds,
        default=KINDS,
        metavar="KINDS",
        help=f"which, separated by commas (default: all, {','.join(KINDS)})",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
    parser.add_argument(
        "--once", action="store_true", help="play each file once: quicker, but short ones may get no label"
    )
    add_recognizer(parser, top_k=3)
    add_runtime(parser)


def kinds(text: str) -> List[str]:
    """What --write says; the order does not matter."""
    wanted = [word.strip() for word in text.split(",")]
    strays = [word for word in wanted if word not in KINDS]
    if strays:
        raise argparse.ArgumentTypeError(f"{strays} can't be written, expected some of {','.join(KINDS)}")
    return [kind for kind in KINDS if kind in wanted]


def run(options: argparse.Namespace) -> Result:
    """Stream each file through the model, as a camera would; a file that fails does not keep the others from it."""
    if len(options.videos) == 1 and options.videos[0].isdigit():
        return _watch(options, open_recognizer(options))
    paths, missing = videos_of(options.videos)
    files = OutputFiles.of(paths, options) if options.output else None
    recognizer = open_recognizer(options)
    job = _Job(options, recognizer, files, several=len(paths) + len(missing) > 1)
    for argument, error in missing:
        job.fail(argument, error)
    for path in paths:
        job.run(path)
    return job.result()


class _Job:
    """The videos one by one."""

    def __init__(
        self, options: argparse.Namespace, recognizer: Recognizer, files: Optional[OutputFiles], several: bool
    ) -> None:
        self._options = options
        self._out: Output = options.out
        self._recognizer = recognizer
        self._settings = _settings(options)
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
            return Result(values=values, exit_code=DONE)
        if self._several:
            error = f"{len(self._failed)} of {len(self._failed) + len(self._done)} videos could not be labelled"
        else:
            error = self._failed[0]["error"]
        return Result(values=values, exit_code=FAILED, error=error)

    def _labelled(self, path: Path) -> Dict[str, Any]:
        from opendr_har_core.recordings.collect import label_video

        on_sample = None
        if self._files is None:
            if self._several:
                self._out.text(f"{path}\n")
            on_sample = _Rows(self._out, path)
        with self._progress(path.name) as report:
            labels = label_video(self._recognizer, path, self._settings, report, on_sample)
        files = {} if self._files is None else self._files.write(labels)
        self._say(labels, files)
        return {**_values(labels), "files": files}

    def _progress(self, name: str) -> Any:
        if self._files is None and self._out.results_on_terminal():
            return nullcontext(ignore)
        return self._out.progress(f"labelling {name}", "frames")

    def _say(self, labels: VideoLabels, files: Dict[str, str]) -> None:
        if self._files is None:
            self._out.text(_line("whole", labels.whole))
        else:
            count = len(labels.segments)
            spans = "1 segment" if count == 1 else f"{count} segments"
            said = f"{labels.path}: {labels.whole.label} {labels.whole.score:.2f}, {spans}"
            self._out.text(said + "".join(f"\n  {name}" for name in files.values()) + "\n")
        if labels.remark not in self._remarks:  # many files of one model have the same
            self._remarks.add(labels.remark)
            self._out.note(f"{labels.path}: {labels.remark}" if self._several else labels.remark)


class _Rows:
    """Says each sample as it comes."""

    def __init__(self, out: Output, path: Path) -> None:
        self._out = out
        self._path = path

    def __call__(self, sample: Prediction) -> None:
        if self._out.json:
            from opendr_har_core.recordings.records import sample_values

            self._out.row({"video": str(self._path), **sample_values(sample)})
        else:
            self._out.text(_line(f"{sample.stamp_ns / 1e9:.2f}", sample))


def _watch(options: argparse.Namespace, recognizer: Recognizer) -> Result:
    """A webcam, until Ctrl-C; its rows are stamped by the clock."""
    from opendr_har_core.recordings.offline import recognize_video

    if options.output:
        raise ConfigError("--output is for files; a webcam has no end to write at")
    say = _Rows(options.out, Path(options.videos[0]))
    source = options.videos[0]
    for prediction in recognize_video(recognizer, source, options.top_k, **stream_settings(options)):
        say(prediction)
    return Result()


def _settings(options: argparse.Namespace) -> LabelVideoSettings:
    from opendr_har_core.recordings.collect import LabelVideoSettings

    return LabelVideoSettings(filter=filter_settings(options), once=options.once, **stream_settings(options))


def _values(labels: VideoLabels) -> Dict[str, Any]:
    """All but the samples, which are rows or in files."""
    return {name: value for name, value in labels.to_dict().items() if name != "samples"}


def _line(when: str, prediction: Prediction) -> str:
    labels = ", ".join(f"{item.label} {item.score:.2f}" for item in prediction.top)
    mark = "  (provisional)" if prediction.provisional else ""
    return f"{when:>8}  {labels}{mark}\n"
