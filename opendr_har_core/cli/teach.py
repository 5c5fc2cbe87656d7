"""`opendr-har teach`: teach a bundle new classes from a few videos of each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from opendr_har_core.cli.options import (
    add_bundle_output,
    add_job,
    add_runtime,
    check_writable,
    file_values,
)
from opendr_har_core.cli.output import Result


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "teach",
        help="teach a bundle new classes from a few videos of each",
        description="Write a copy of a bundle that knows the classes of a folder with a folder of videos for each: "
        "three to five short videos of a class are enough. It takes seconds and no PyTorch. A folder of lessons that a "
        "node was taught is such a folder, too.",
        examples=(
            "--base kinetics400 --examples gestures --output mine.onnx",
            "--examples /data/lessons --output mine.onnx --json",
        ),
        run=run,
    )
    parser.add_argument(
        "--base", default="default", help="bundle to start from: a path or a packaged model's name (default: default)"
    )
    parser.add_argument(
        "--examples", required=True, metavar="FOLDER", help="folder with a folder of videos for each class"
    )
    parser.add_argument(
        "--keep-base",
        action="store_true",
        help="keep the base's own classes beside the taught ones; for the packaged models default and continual",
    )
    add_bundle_output(parser)
    add_runtime(parser)


def run(options: argparse.Namespace) -> Result:
    """Write the bundle and report what it has learned, and what may go wrong."""
    from opendr_har_core.bundles.rewrite import write_with_head
    from opendr_har_core.errors import DataError
    from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
    from opendr_har_core.teaching.fit import confusions, fit_head
    from opendr_har_core.teaching.lessons import Lessons
    from opendr_har_core.teaching.teacher import Teacher, example_of

    check_writable(options.output)
    recognizer = Recognizer.open(options.base, options.providers, options.threads)
    lessons = Lessons(options.examples)
    teacher = Teacher(recognizer, lessons, keep_base=options.keep_base)
    total = len(lessons.list())
    with options.out.progress(f"reading {options.examples}", "videos") as report:
        done = 0

        def example(video: Path) -> Any:
            nonlocal done
            done += 1
            report(done, total)
            return example_of(recognizer, video)

        examples = lessons.examples(recognizer.base, example, keep=False)
    if not examples.by_label:
        why = f": {examples.problems[0]}" if examples.problems else "" if lessons.folder.exists() else ": it is missing"
        raise DataError(f"{options.examples} has no usable video in a folder named after its class{why}")
    head = fit_head(examples.by_label, recognizer.head, options.keep_base)
    taken = confusions(examples.by_label, recognizer.head, options.keep_base)
    tried = sum(len(group) for group in examples.by_label.values() if len(group) > 1)
    wrong = sum(round(share * len(examples.by_label[label])) for label, _, share in taken)
    path = write_with_head(bundle_path(options.base), head, options.output)
    for warning in teacher.warnings(examples, head):
        options.out.warn(warning)
    counts = [f"  {label}: {len(group)} examples" for label, group in examples.by_label.items()]
    estimate = f"of examples left out, {tried - wrong} of {tried} get their label" if tried else "no estimate"
    found = [f"  {label} is taken for {other}: {share:.0%}" for label, other, share in taken]
    lines = [f"{path}: {recognizer.spec.name}, {len(head.labels)} classes; taught:", *counts, estimate, *found, ""]
    values = {
        **file_values(path),
        "classes": list(head.labels),
        "examples": examples.counts,
        "left_out": tried,
        "left_out_right": tried - wrong,
        "confusions": [{"label": label, "taken_for": other, "share": share} for label, other, share in taken],
        "problems": examples.problems,
    }
    return Result("\n".join(lines), values)
