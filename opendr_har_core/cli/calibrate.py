"""`opendr-har calibrate`: teach a bundle what none of its classes looks like."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List

from opendr_har_core.cli.options import add_bundles, add_job, add_runtime, add_settings, check_writable, file_values
from opendr_har_core.cli.output import Result
from opendr_har_core.recordings.sources import is_bag
from opendr_har_core.streaming.settings import LabelSettings

if TYPE_CHECKING:
    from opendr_har_core.streaming.stream import AnyFrame
    from opendr_har_core.teaching.calibration import Stretch


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "calibrate",
        help="make a bundle report no activity for what it does not know",
        description="Write a copy of a bundle that rejects what none of its classes looks like, for a wanted rate of "
        "false alarms on footage in which none of its classes happens: videos, folders of videos or rosbag2s of the "
        "robot's own camera, an hour if possible; or the camera itself for some minutes. Nodes and commands use it by "
        "default.",
        examples=(
            "mine.onnx --background idle.mp4 --output mine.onnx",
            "mine.onnx --background 0 --minutes 30 --output mine.onnx",
            "mine.onnx --background bags/evening --examples gestures --false-alarms-per-hour 1 --output quiet.onnx",
        ),
        run=run,
    )
    add_bundles(parser)
    parser.add_argument(
        "--background",
        nargs="+",
        required=True,
        metavar="VIDEO_OR_BAG",
        help="footage without any of the classes: videos, folders of them, rosbag2s, a webcam's number, an "
        "address such as rtsp://camera/stream",
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, metavar="M", help="time to watch a webcam or an address (default: 10)"
    )
    parser.add_argument("--topic", metavar="T", help="images of the bags (default: the only ones there are)")
    parser.add_argument(
        "--examples",
        metavar="FOLDER",
        help="folder with a folder of videos for each class, other ones than those it was taught: for the temperature "
        "of the scores, and for the recall in the report",
    )
    parser.add_argument(
        "--false-alarms-per-hour", type=float, default=2.0, metavar="N", help="labels that may begin (default: 2)"
    )
    add_settings(parser, LabelSettings, names=("min_duration_sec", "no_activity_label"))
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Write the bundle and report rates before and after."""
    from opendr_har_core.bundles.head import Head
    from opendr_har_core.bundles.rewrite import write_with_head
    from opendr_har_core.spec import NANOSECONDS
    from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
    from opendr_har_core.teaching.calibration import calibrate
    from opendr_har_core.teaching.footage import stretches_of

    check_writable(options.output)
    recognizer = Recognizer.open(options.bundle, options.providers, options.threads)
    background: List[Stretch] = []
    sources, done = _sources(options.background), 0
    with options.out.progress("reading the background", "frames") as report:

        def counted(frames: Iterator[AnyFrame]) -> Iterator[AnyFrame]:
            nonlocal done
            for frame in frames:
                yield frame
                done += 1
                report(done, None)

        for source in sources:
            background += stretches_of(recognizer, counted(_frames(source, options.topic, options.minutes)))
    head = recognizer.head or Head(recognizer.base_labels, kept=len(recognizer.base_labels))
    found = calibrate(
        head,
        background,
        recognizer.spec.period_ns / NANOSECONDS,
        options.false_alarms_per_hour,
        _positives(options.examples, recognizer) if options.examples else {},
        (options.no_activity_label,),
        options.min_duration_sec,
    )
    path = write_with_head(bundle_path(options.bundle), found.head, options.output)
    lines = [
        f"{path}: {60 * found.hours:.1f} minutes of background",
        f"false alarms per hour: {found.false_alarms_before:.1f} before, {found.false_alarms:.1f} after, on this "
        "footage, which set the limits; expect more on other footage",
    ]
    if options.examples:
        lines.append(f"recall on the examples: {found.recall:.0%}")
        lines.append(f"expected calibration error: {found.error_before:.3f} before, {found.error:.3f} after")
    if found.hours < 1 / max(options.false_alarms_per_hour, 1e-9):
        options.out.warn(
            f"{60 * found.hours:.1f} minutes of background are too few to measure {options.false_alarms_per_hour:g} "
            f"false alarms per hour: no alarm is left in them; give more"
        )
    values = {
        **file_values(path),
        "hours": found.hours,
        "false_alarms_per_hour_before": found.false_alarms_before,
        "false_alarms_per_hour": found.false_alarms,
        "recall": found.recall,
        "calibration_error_before": found.error_before,
        "calibration_error": found.error,
    }
    return Result("\n".join([*lines, ""]), values)


def _sources(arguments: List[str]) -> List[str]:
    """Bags and cameras as they are given, and the bags and videos that the other arguments name; raises DataError."""
    from opendr_har_core.cli.videos import videos_of
    from opendr_har_core.media.video import is_camera

    found: List[str] = []
    for argument in arguments:
        if is_bag(Path(argument)) or is_camera(argument):
            found.append(argument)
            continue
        bags = _bags_in(Path(argument))
        videos, missing = videos_of([argument])
        if missing and not bags:
            raise missing[0][1]
        found += [*bags, *map(str, videos)]
    return found


def _bags_in(folder: Path) -> List[str]:
    found = {path for path in folder.rglob("*") if is_bag(path)}
    return sorted(str(path) for path in found if path.parent not in found)  # those are files of a bag


def _frames(source: str, topic: Any, minutes: float) -> Iterator[AnyFrame]:
    from opendr_har_core.errors import ImageError
    from opendr_har_core.media.video import is_camera, read_video
    from opendr_har_core.recordings.bag_reader import open_images
    from opendr_har_core.spec import NANOSECONDS

    if not is_bag(Path(source)):
        first_ns = None
        for frame in read_video(source):
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            if is_camera(source) and frame.stamp_ns - first_ns > minutes * 60 * NANOSECONDS:
                return
            yield frame
        return
    with open_images(Path(source), topic) as images:
        for image in images.images():
            try:
                yield image.read()[1]
            except ImageError:  # costs only itself
                continue


def _positives(folder: str, recognizer: Any) -> Dict[str, List[Stretch]]:
    """What the network makes of the videos of each of the bundle's classes; raises DataError."""
    from opendr_har_core.labels import ClassIds
    from opendr_har_core.teaching.footage import stretches_of
    from opendr_har_core.teaching.lessons import Lessons

    found: Dict[str, List[Stretch]] = {}
    ids = ClassIds(recognizer.labels)
    for lesson in Lessons(folder).list():
        if lesson.clip is not None:
            label = recognizer.labels[ids.id(lesson.label, folder)]
            found.setdefault(label, []).extend(stretches_of(recognizer, _frames(str(lesson.clip), None, 0.0)))
    return found
