"""`opendr-har label`: label any number of recordings into Parquet tables."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opendr_har_core.cli.options import add_job, add_model, add_people, add_recognizer, add_runtime, read_settings
from opendr_har_core.cli.output import FAILED, Result
from opendr_har_core.errors import ConfigError
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "label",
        help="label many recordings into Parquet tables",
        description="Label videos and bags, each once, in a process per core or on a Ray cluster, into a folder of "
        "Parquet files: recordings, segments, predictions, people and failures. What is there already is skipped, so "
        "an interrupted command continues where it was.",
        examples=(
            "recordings --to labels",
            "'bags/*' videos.csv --people --to labels --workers 8",
            "s3://bucket/site/2024 --to /shared/labels --ray auto",
        ),
        run=run,
        extra="scale",
    )
    what = "videos, bags, folders, patterns, CSV files with a column `path`, or URLs of fsspec"
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=what)
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="tables; created if needed")
    parser.add_argument("--topic", metavar="T", help="images in bags (default: the only ones there are)")
    what = "processes, or actors on Ray (default: one per core; on Ray, as many as there is room for)"
    parser.add_argument("--workers", type=int, default=0, metavar="N", help=what)
    parser.add_argument("--ray", metavar="ADDRESS", help="run on this Ray cluster; auto: the one of this machine")
    what = "try a recording that takes longer once more, then let it fail (default: no limit)"
    parser.add_argument("--timeout", type=float, default=0.0, metavar="SEC", help=what)
    parser.add_argument("--retry-failed", action="store_true", help="try recordings that failed before again")
    add_model(parser)
    add_people(parser)
    add_recognizer(parser)
    add_runtime(parser, threads=1)


def run(options: argparse.Namespace) -> Result:
    """Label all sources; exit code 1 if there is one without labels."""
    from opendr_har_core.recordings.label_many import LabelJob, label_many
    from opendr_har_core.recordings.sources import find_sources

    if options.workers < 0:
        raise ConfigError(f"--workers is {options.workers}, expected 0 or more")
    if not 0 <= options.timeout < math.inf:
        raise ConfigError(f"--timeout is {options.timeout}, expected 0 (no limit) or seconds")
    job = LabelJob(
        options.to.absolute(),
        read_settings(options, ModelSettings),
        read_settings(options, StreamSettings),
        read_settings(options, LabelSettings),
        read_settings(options, PeopleSettings) if options.people else None,
        options.topic,
        options.timeout,
    )
    sources = find_sources(options.sources)
    with options.out.progress("labelling", "recordings") as report:
        done = label_many(job, sources, options.workers, options.ray, options.retry_failed, report)
    values = {**asdict(done), "sources": len(sources)}
    text = (
        f"{done.path}: {done.labelled} labelled ({done.duration_sec / 3600:.2f} hours), {done.failed} failed, "
        f"{done.skipped} skipped, {done.failed_before} failed before\n"
    )
    failed = done.failed + done.failed_before
    if not failed:
        return Result(text, values)
    hint = "; --retry-failed tries those of earlier runs again" if done.failed_before else ""
    error = f"{failed} of {len(sources)} recordings have no labels, see the table failures{hint}"
    return Result(text, values, FAILED, error)
