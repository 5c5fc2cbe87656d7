"""`opendr-har infer`: label videos or a webcam."""

from __future__ import annotations

import argparse
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Set, Union

from opendr_har_core.cli.options import (
    add_job,
    add_model,
    add_people,
    add_recognizer,
    add_runtime,
    open_detector,
    open_people,
    open_pipeline,
    open_recognizer,
    read_settings,
)
from opendr_har_core.cli.output import FAILED, Output, Result
from opendr_har_core.cli.videos import KINDS, TIMELINE, OutputFiles, videos_of
from opendr_har_core.errors import ConfigError, HarError
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

if TYPE_CHECKING:
    from opendr_har_core.people.pipeline import Person
    from opendr_har_core.prediction import Prediction
    from opendr_har_core.recordings.video_labels import AnyLabels


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "infer",
        help="label videos",
        description="Print the labels of videos over time, then the label of the whole. With --output, write an "
        "annotated video, a timeline chart and tables for each instead. With --people, each person has labels.",
        examples=(
            "clip.mp4",
            "clip.mp4 --model cox3d_s.onnx --output results",
            "videos 'more/*.avi' --output results --write timeline csv --threshold 0.5 --smoothing 0.5",
            "0 --threshold 0.5",
            "clip.mp4 --people --output results",
            "clip.mp4 --json --quiet",
        ),
        run=run,
    )
    what = (
        "files, folders (with all videos below them) and patterns; or a webcam's number or a network camera's address"
    )
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help=what)
    add_model(parser)
    parser.add_argument("--output", metavar="FOLDER", help="write results there; created if needed")
    what = f"which results (default: all, {' '.join(KINDS)}; timeline needs matplotlib)"
    parser.add_argument("--write", nargs="+", choices=KINDS, metavar="KIND", help=what)
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    add_people(parser)
    add_recognizer(parser, top_k=3)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Stream each video through the model as a camera would; a file that fails does not stop the others."""
    from opendr_har_core.media.video import is_address, is_camera

    is_live = len(options.videos) == 1 and is_camera(options.videos[0])
    if is_live and options.output and is_address(options.videos[0]):
        raise ConfigError("an address has no files as results: leave out --output, or record the stream first")
    paths, missing = ([Path(options.videos[0])], []) if is_live else videos_of(options.videos)
    files = OutputFiles(options.output, paths, _kinds(options), options.overwrite) if options.output else None
    if is_live and files is None:
        return _watch(options)
    several = len(paths) + len(missing) > 1
    job = _Job(options, files, several)
    done: List[Dict[str, Any]] = []
    failed: List[Dict[str, str]] = []

    def fail(what: str, error: HarError) -> None:
        failed.append({"video": what, "error": str(error)})
        if several:
            options.out.warn(str(error))

    for argument, error in missing:
        fail(argument, error)
    for path in paths:
        try:
            done.append(job.labelled(path))
        except HarError as error:
            fail(str(path), error)
    values = {"videos": done, "failed": failed}
    if not failed:
        return Result(values=values)
    total = len(done) + len(failed)
    message = f"{len(failed)} of {total} videos could not be labelled" if several else failed[0]["error"]
    return Result(values=values, exit_code=FAILED, error=message)


def _kinds(options: argparse.Namespace) -> Sequence[str]:
    """The results that --write names, or all that can be written here."""
    if options.write is not None:
        return [kind for kind in KINDS if kind in options.write]
    if find_spec("matplotlib") is not None:
        return KINDS
    options.out.note("no timelines: they need matplotlib, pip install 'opendr_har_ros[plots]'")
    return [kind for kind in KINDS if kind != TIMELINE]


class _Job:
    """Labels the videos one by one."""

    def __init__(self, options: argparse.Namespace, files: Optional[OutputFiles], several: bool) -> None:
        from opendr_har_core.recordings.label_video import label_people, label_video

        self._out: Output = options.out
        stream, labels = read_settings(options, StreamSettings), read_settings(options, LabelSettings)
        self._label: Any = partial(label_video, open_recognizer(options))
        if options.people:
            people = read_settings(options, PeopleSettings)
            self._label = partial(label_people, open_recognizer(options), open_detector(options), people=people)
        self._label = partial(self._label, stream=stream, labels=labels)
        self._files = files
        self._several = several
        self._remarks: Set[str] = set()

    def labelled(self, path: Path) -> Dict[str, Any]:
        """Label a video and print or write the results; the values of --json. Raises HarError."""
        written: Dict[str, str] = {}
        if self._files is None:
            if self._several:
                self._out.text(f"{path}\n")
            labels = self._label(path, on_sample=partial(_print, self._out, str(path)))
            self._out.text(_whole(labels))
        else:
            title = f"labelling {path.name}"
            with self._out.progress(title, "frames") as report, self._files.copy(path) as copy:
                labels = self._label(path, on_frame=report, copy=copy)
            written = self._files.write(labels)
            self._summarize(labels, written)
        if labels.remark not in self._remarks:  # many files of one model have the same
            self._remarks.add(labels.remark)
            self._out.note(f"{path}: {labels.remark}" if self._several else labels.remark)
        return {**{name: value for name, value in labels.to_dict().items() if name != "samples"}, "files": written}

    def _summarize(self, labels: AnyLabels, files: Dict[str, str]) -> None:
        from opendr_har_core.recordings.video_labels import VideoLabels

        if isinstance(labels, VideoLabels):
            what = f"{labels.whole.label} {labels.whole.score:.2f}, {_counted(len(labels.segments), 'segment')}"
        else:
            what = f"\n{_whole(labels).rstrip()}"
        self._out.text("\n  ".join([f"{labels.path}: {what}", *files.values()]) + "\n")


def _watch(options: argparse.Namespace) -> Result:
    """Print the labels of a webcam or address until Ctrl-C or its end; keeps nothing."""
    from opendr_har_core.media.video import public_name, read_video
    from opendr_har_core.streaming.label_pipeline import label_frames

    camera = options.videos[0]
    if options.people:
        from opendr_har_core.people.pipeline import people_frames

        for frame in people_frames(open_people(options), read_video(camera)):
            for person in (person for person in frame.people.people if person.is_new):
                _print(options.out, public_name(camera), person)
        return Result()
    for item in label_frames(open_pipeline(options), read_video(camera)):
        if item.shown is not None:
            _print(options.out, public_name(camera), item.shown)
    return Result()


def _print(out: Output, video: str, new: Union[Prediction, Person]) -> None:
    """Print a prediction, or that of a person, when it comes."""
    from opendr_har_core.prediction import Prediction
    from opendr_har_core.recordings.video_labels import sample_values

    sample, who = (new, "") if isinstance(new, Prediction) else (new.label, new.track_id)
    if sample is None:
        return
    if out.json:
        out.row({"video": video, **({"track_id": who} if who else {}), **sample_values(sample)})
    else:
        out.text(_line(f"{sample.stamp_ns / 1e9:.2f}" + (f"{who:>5}" if who else ""), sample))


def _whole(labels: AnyLabels) -> str:
    """The label of the whole video, or a table of people with theirs."""
    from opendr_har_core.recordings.video_labels import VideoLabels

    if isinstance(labels, VideoLabels):
        return _line("whole", labels.whole)
    lines = [f"{'person':>8}  {'in view':<15}  label\n"] if labels.people else ["nobody was found\n"]
    for person in labels.people:
        best = f"{person.whole.label} {person.whole.score:.2f}" if person.whole else "-"
        times = f"{person.start_sec:.1f} to {person.end_sec:.1f} s"
        lines.append(f"{person.track_id:>8}  {times:<15}  {best}, {_counted(len(person.segments), 'segment')}\n")
    return "".join(lines)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _line(when: str, prediction: Prediction) -> str:
    labels = ", ".join(f"{item.label} {item.score:.2f}" for item in prediction.top)
    mark = "  (provisional)" if prediction.provisional else ""
    return f"{when:>8}  {labels}{mark}\n"
