"""A chart of a video's labels over time: frames, segments, and scores or people; needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from opendr_har_core.media.figures import new_figure, save_figure
from opendr_har_core.recordings.video_labels import (
    AnyLabels,
    LabelledVideo,
    PeopleLabels,
    Segment,
    VideoLabels,
    seconds,
)

# White text is legible on each; people with colour blindness tell neighbours apart by their brightness.
COLOURS = ("#00785a", "#b94b19", "#3255a5", "#963c8c", "#785f00", "#0f6e8c", "#af2d4b", "#505f32")
OTHER, NO_LABEL, PROVISIONAL = "#6e747d", "#e2e5e9", "#e6a01e"
PICTURES = 8
WIDTH_INCHES = 16
LETTER_INCHES, NARROW_INCHES = 0.08, 0.05


def write_timeline(labels: AnyLabels, path: Path) -> None:
    """Write the chart as .png or another format of matplotlib: a lane for each person, or for each of the best classes.

    Raises ConfigError without matplotlib, DataError if the file can't be written.
    """
    if isinstance(labels, PeopleLabels):
        _write_people(labels, path)
    else:
        _write_classes(labels, path)


def _write_people(labels: PeopleLabels, path: Path) -> None:
    shown = list(dict.fromkeys(segment.class_id for _, segment in labels.keyed_segments()))
    colours = {class_id: COLOURS[index % len(COLOURS)] for index, class_id in enumerate(shown)}
    count = max(1, len(labels.people))
    figure = new_figure(WIDTH_INCHES, 2.6 + 0.5 * count)
    strip, *lanes = figure.subplots(1 + count, sharex=True, gridspec_kw={"height_ratios": [1.3, *[0.5] * count]})
    figure.suptitle(plain(f"{labels.path.name}: {len(labels.people)} people\n{labels.remark}"), fontsize=12)
    _draw_pictures(strip, labels)
    for axes, person in zip(lanes, labels.people):
        draw_segments(axes, person.segments, colours, person.track_id, labels.duration_sec)
        axes.set_facecolor("white")
        axes.axvspan(person.start_sec, person.end_sec, color=NO_LABEL, zorder=0)
    lanes[-1].set(xlim=(0, labels.duration_sec), xlabel="s")
    save_figure(figure, path)


def _write_classes(labels: VideoLabels, path: Path, classes: int = 5) -> None:
    best = best_classes(labels, classes)
    colours = {class_id: COLOURS[index % len(COLOURS)] for index, class_id in enumerate(best)}
    figure = new_figure(WIDTH_INCHES, 2.6 + 0.8 * len(best))
    strip, bar, *lanes = figure.subplots(
        2 + len(best), sharex=True, gridspec_kw={"height_ratios": [1.3, 0.5, *[0.8] * len(best)]}
    )
    summary = f"{labels.path.name}: {labels.whole.label}, {100 * labels.whole.score:.0f}%"
    figure.suptitle(plain(f"{summary}\n{labels.remark}"), fontsize=12)
    _draw_pictures(strip, labels)
    draw_segments(bar, labels.segments, colours, "label", labels.duration_sec)
    for axes, class_id in zip(lanes, best):
        _draw_scores(axes, labels, class_id, colours[class_id])
    lanes[-1].set(xlim=(0, labels.duration_sec), xlabel="s")
    save_figure(figure, path)


def best_classes(labels: VideoLabels, count: int) -> List[int]:
    """Class ids to chart: those that are shown, longest first, then those with the highest score anywhere."""
    shown: Dict[int, float] = {}
    for segment in labels.segments:
        shown[segment.class_id] = shown.get(segment.class_id, 0.0) + segment.end_sec - segment.start_sec
    first = sorted(shown, key=lambda class_id: -shown[class_id])
    peaks = np.max([sample.scores for sample in labels.samples], axis=0)
    others = [index for index in np.argsort(-peaks, kind="stable").tolist() if index not in shown]
    return [*first, *others][: max(1, count)]


def _draw_pictures(axes: Any, labels: LabelledVideo) -> None:
    """Thumbnails next to each other, each near its time."""
    axes.set_axis_off()
    step = labels.duration_sec / PICTURES
    for index in range(PICTURES):
        middle = (index + 0.5) * step
        nearest = min(labels.thumbnails, key=lambda thumbnail: abs(thumbnail.time_sec - middle))
        place = axes.inset_axes([index / PICTURES, 0, 1 / PICTURES, 1])
        place.imshow(nearest.rgb)
        place.set_axis_off()


def draw_segments(
    axes: Any, segments: Sequence[Segment], colours: Dict[int, str], name: str, duration_sec: float
) -> None:
    """A lane of segments, `name` to its left, with their labels where there is room.

    Classes without a colour are grey.
    """
    axes.set(ylabel=name, yticks=[], facecolor=NO_LABEL)
    axes.yaxis.label.set(rotation=0, ha="right", va="center")
    inches_per_sec = WIDTH_INCHES / duration_sec
    looks: Dict[Tuple[str, str], List[Tuple[float, float]]] = {}
    for segment in segments:
        length = segment.end_sec - segment.start_sec
        colour = colours.get(segment.class_id, OTHER)
        is_narrow = length * inches_per_sec < NARROW_INCHES  # nothing but its edges would be seen
        edge = PROVISIONAL if segment.provisional else colour if is_narrow else "white"
        looks.setdefault((colour, edge), []).append((segment.start_sec, length))
        if length * inches_per_sec > LETTER_INCHES * len(segment.label):
            middle = segment.start_sec + length / 2
            how: Dict[str, Any] = {"color": "white", "ha": "center", "va": "center", "clip_on": True}
            axes.text(middle, 0.5, plain(segment.label), **how)
    for (colour, edge), spans in looks.items():
        axes.broken_barh(spans, (0, 1), color=colour, ec=edge, lw=0.3 if edge == colour else 1)
    axes.set_ylim(0, 1)


def _draw_scores(axes: Any, labels: VideoLabels, class_id: int, colour: str) -> None:
    """The scores of one class; strong colour where it is the label, pale elsewhere."""
    times = [seconds(sample) for sample in labels.samples] + [labels.duration_sec]
    scores = [float(sample.scores[class_id]) for sample in labels.samples]
    scores.append(scores[-1])  # the last label holds to the end
    is_shown = [sample.top[0].class_id == class_id for sample in labels.samples]
    axes.fill_between(times, scores, color=colour, alpha=0.35, lw=0, step="post")
    axes.fill_between(times, scores, where=[*is_shown, is_shown[-1]], color=colour, lw=0, step="post")
    axes.set(ylim=(0, 1), yticks=[0, 1], ylabel=plain(labels.classes[class_id]))
    axes.yaxis.label.set(rotation=0, ha="right", va="center")
    axes.grid(axis="x", color=NO_LABEL)
    axes.set_axisbelow(True)


def plain(text: str) -> str:
    """Text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")
