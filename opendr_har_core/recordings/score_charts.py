"""Charts of a score: precision and recall over the threshold, delays, and truth against labels; needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Sequence

from opendr_har_core.errors import DataError
from opendr_har_core.media.figures import new_figure, save_figure
from opendr_har_core.recordings.score import Score, score, threshold_curve
from opendr_har_core.recordings.score_lines import Event, TimeLine
from opendr_har_core.recordings.score_match import OVERLAPS
from opendr_har_core.recordings.timeline import COLOURS, OTHER, WIDTH_INCHES, draw_segments, plain
from opendr_har_core.recordings.video_labels import Segment

# Time lines are drawn of so many recordings, those with the lowest accuracy.
WORST = 20


def write_charts(result: Score, lines: Sequence[TimeLine], folder: Path) -> List[Path]:
    """Write `threshold.png`, `delays.png` and a `<recording>.truth.png` for each of the worst recordings.

    Raises ConfigError without matplotlib, DataError if a file can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {folder} can't be created: {error}") from None
    paths = [_threshold(lines, folder / "threshold.png"), _delays(result, folder / "delays.png")]
    recordings: Dict[str, List[TimeLine]] = {}
    for line in lines:
        recordings.setdefault(line.recording, []).append(line)
    worst = sorted(recordings.items(), key=lambda item: score(item[1], 0).overall["accuracy"] or 0.0)[:WORST]
    for number, (name, items) in enumerate(worst, start=1):
        paths.append(_truth(name, items, folder / f"{number:02d}.{Path(name).name}.truth.png"))
    return paths


def _threshold(lines: Sequence[TimeLine], path: Path) -> Path:
    thresholds, precision, recall = threshold_curve(lines)
    figure = new_figure(12, 5)
    left, right = figure.subplots(1, 2)
    for index, (overlap, colour) in enumerate(zip(OVERLAPS, COLOURS)):
        left.step(thresholds, precision[:, index], where="pre", color=colour, label=f"IoU {overlap}: precision")
        left.step(thresholds, recall[:, index], where="pre", color=colour, ls="--", label="recall")
        right.plot(recall[:, index], precision[:, index], color=colour, marker=".")
    left.set(xlabel="least score of a segment", ylabel="precision, recall", xlim=(0, 1.02), ylim=(0, 1.02))
    right.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    return save_figure(figure, path)


def _delays(result: Score, path: Path) -> Path:
    figure = new_figure(8, 4)
    axes = figure.subplots()
    overall = result.overall
    axes.hist(result.delays_sec, bins=30, range=(0, max(result.delays_sec, default=0) or 1), color=COLOURS[2])
    for key, style in (("delay_median_sec", "-"), ("delay_p90_sec", "--")):
        if overall[key] is not None:
            axes.axvline(overall[key], color=COLOURS[1], ls=style, label=f"{key[6:-4]}: {overall[key]:.2f} s")
            axes.legend()
    axes.set(xlabel="seconds from the beginning of an event to its label", ylabel="events", xlim=(0, None))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"{overall['events']} events, {overall['missed']} missed", fontsize=11)
    return save_figure(figure, path)


def _truth(name: str, lines: Sequence[TimeLine], path: Path) -> Path:
    spans: Dict[str, int] = {}
    for event in (event for line in lines for event in (*line.truth, *line.labels)):
        spans[event.label] = spans.get(event.label, 0) + event.end_ms - event.start_ms
    shown = sorted(spans, key=lambda label: -spans[label])
    colours = dict(enumerate(COLOURS[: len(shown)]))
    duration_sec = lines[0].length_ms / 1000
    rows = [(line, what) for line in lines for what in ("truth", "labels")]
    # A track that is nobody has no truth.
    rows = [(line, what) for line, what in rows if what == "labels" or line.end_ms > line.start_ms]
    figure = new_figure(WIDTH_INCHES, 1.3 + 0.45 * len(rows))
    lanes = figure.subplots(len(rows), sharex=True, squeeze=False)[:, 0]
    figure.suptitle(plain(name), fontsize=12)
    for axes, (line, what) in zip(lanes, rows):
        segments = [_segment(event, shown) for event in getattr(line, what)]
        draw_segments(axes, segments, colours, plain(f"{line.person} {what}".strip()), duration_sec)
    lanes[-1].set(xlim=(0, duration_sec), xlabel="s")
    names = [plain(label) for label in shown[: len(colours)]] + ["others"] * (len(shown) > len(colours))
    bars = [lanes[-1].bar(0, 0, color=colour) for colour in (*colours.values(), OTHER)][: len(names)]
    figure.legend(bars, names, loc="outside lower center", ncols=5, frameon=False)
    return save_figure(figure, path)


def _segment(event: Event, shown: List[str]) -> Segment:
    ends = event.start_ms / 1000, event.end_ms / 1000
    return Segment(*ends, event.label, shown.index(event.label), event.score, False)
