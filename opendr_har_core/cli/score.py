"""`opendr-har score`: measure labels of recordings against the truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from opendr_har_core.cli.options import add_job, add_labels, add_settings, given_labels
from opendr_har_core.cli.output import Result
from opendr_har_core.streaming.settings import LabelSettings

if TYPE_CHECKING:
    from opendr_har_core.recordings.score import Score
    from opendr_har_core.recordings.score_rows import Rows

LISTED = 5
ALL, FROM, TO = "all", "95% from", "95% to"


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "score",
        help="measure labels of recordings against the truth",
        description="Compare the segments that 'infer --output', 'label' or 'bag' wrote with annotations: segment F1, "
        "edit score, accuracy over time, delay, missed events and false alarms, for each class and overall.",
        examples=(
            "results --truth annotations.csv",
            "results --truth elan/*.eaf --tier action --plots charts",
            "results --truth export.json --truth-fps 25 --labels my_classes.csv",
            "people_results --truth scenes/*.csv --json",
            "walk_labels --truth walk --truth-topic /current_action",
        ),
        run=run,
    )
    what = (
        "files of labels (.labels.json, .labels.csv), folders with such files, folders of tables that 'label' wrote, "
        "and bags that 'bag' wrote or a node was recorded into"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="LABELS", help=what)
    what = (
        "CSV with path,start,end,label; tables of people's boxes as of synth --people; files of ELAN (.eaf); "
        "JSON exports of Label Studio's timeline labels; bags"
    )
    parser.add_argument("--truth", nargs="+", type=Path, required=True, metavar="FILE", help=what)
    parser.add_argument("--tier", metavar="NAME", help="the tier of ELAN files (default: the only one)")
    parser.add_argument("--truth-fps", type=float, metavar="HZ", help="frame rate of Label Studio's frame numbers")
    what = "annotations in bags: ActivityEvent, or String, which holds until the next one; an empty one ends it"
    parser.add_argument("--truth-topic", metavar="T", help=what)
    parser.add_argument("--label-topic", metavar="T", help="labels in bags (default: the only ActivityEvents)")
    what = "images in bags whose first one is time zero (default: the only ones there are)"
    parser.add_argument("--topic", metavar="T", help=what)
    add_labels(parser, "any name is a class")
    add_settings(parser, LabelSettings, names=("no_activity_label",))
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="resampled sets (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the resampling (default: 0)")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write charts there; needs matplotlib")


def run(options: argparse.Namespace) -> Result:
    """Score, and print a table."""
    from opendr_har_core.errors import ConfigError
    from opendr_har_core.recordings.score import score
    from opendr_har_core.recordings.score_files import read_labels, read_truth
    from opendr_har_core.recordings.score_lines import time_lines

    if options.bootstrap < 0 or options.seed < 0 or not (options.truth_fps is None or 0 < options.truth_fps < 1e6):
        raise ConfigError("--bootstrap and --seed have to be zero or more, --truth-fps above zero")
    labels = read_labels(options.files, options.label_topic, options.topic)
    truth = read_truth(options.truth, options.tier, options.truth_fps, options.truth_topic, options.topic)
    lines = time_lines(labels, truth, options.no_activity_label, _names(options, labels))
    result = score(lines, options.bootstrap, options.seed)
    charts: List[Path] = []
    if options.plots:
        from opendr_har_core.recordings.score_charts import write_charts

        charts = write_charts(result, lines, options.plots)
    left = len(labels.durations) - result.recordings
    if left:
        options.out.note(f"{left} of {len(labels.durations)} recordings with labels have no truth: they don't count")
    shown = {event.label for line in lines for event in line.labels}
    unseen = [name for name in result.classes if name not in shown]
    if unseen:
        some = f"{', '.join(map(repr, unseen[:LISTED]))}{' and others' if len(unseen) > LISTED else ''}"
        options.out.note(
            f"no label is {some}: never recognized, or spelled in another way; --labels finds misspelled ones"
        )
    text = _text(result) + "".join(f"{path}\n" for path in charts)
    return Result(text, {**result.to_dict(), "without_truth": left, "plots": charts})


def _names(options: argparse.Namespace, labels: Rows) -> Callable[[str, str], str]:
    """What gives the class of a label: as --labels or the files of labels spell it, for data sets differ in that.

    Labels of `class_id_format: index` are numbers of --labels.
    """
    from opendr_har_core.labels import ClassIds, plain_name

    background = options.no_activity_label
    given = given_labels(options)
    ids = ClassIds(given) if given is not None else None
    # Annotators write "no activity", whatever a node is told to call it.
    spelled: Dict[str, str] = {plain_name(name): background for name in (LabelSettings.no_activity_label, background)}
    known = set(spelled)

    def named(label: str, where: str) -> str:
        plain = plain_name(label)
        if ids is not None and given is not None and plain not in known:
            is_number = label.isdecimal() and int(label) < len(given) and label not in given.names
            return given[int(label) if is_number else ids.id(label, where)]
        return spelled.setdefault(plain, label)

    for row in labels.rows:
        named(row.label, row.where)
    return named


def _text(result: Score) -> str:
    from opendr_har_core.benchmarking.tables import number, table

    people = f", {result.people} people" if result.people else ""
    head = f"recordings: {result.recordings}, {result.hours:.3g} h{people}; events: {result.overall['events']}"
    rows: List[Any] = [(ALL, result.overall)]
    intervals = result.overall["intervals"]
    for index, title in enumerate((FROM, TO) if intervals else ()):
        rows.append((title, {key: ends and ends[index] for key, ends in intervals.items()}))
    rows += sorted(result.classes.items(), key=lambda item: not item[1]["events"])

    def cell(key: str, digits: int, factor: float = 1.0) -> Callable[[Any], str]:
        def text(row: Any) -> str:
            value: Optional[float] = row[1].get(key)
            return number(None if value is None else factor * value, digits)

        return text

    columns = (
        ("class", lambda row: str(row[0])),
        ("events", cell("events", 0)),
        ("F1@10", cell("f1_10", 1)),
        ("F1@25", cell("f1_25", 1)),
        ("F1@50", cell("f1_50", 1)),
        ("edit", cell("edit", 1)),
        ("accuracy", cell("accuracy", 1)),
        ("delay s", cell("delay_median_sec", 2)),
        ("p90 s", cell("delay_p90_sec", 2)),
        ("missed %", cell("missed_share", 1, 100)),
        ("false alarms/h", cell("false_alarms_per_hour", 1)),
    )
    return f"{head}\n\n{table(columns, rows)}\n"
