"""Scores of time lines: by hand, against the published implementation, and properties."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opendr_har_core.errors import DataError
from opendr_har_core.recordings.score import score, threshold_curve
from opendr_har_core.recordings.score_lines import Event, TimeLine, time_lines
from opendr_har_core.recordings.score_match import edit_score
from opendr_har_core.recordings.score_rows import Row, Rows

# What eval.py of MS-TCN (frame by frame, class "-" as background) says of labels and truth:
# true positives at IoU 0.1, 0.25 and 0.5, edit score, accuracy.
PUBLISHED = (
    (
        "-----------bbbbbbbbbbbbbb------bb-------",
        "--------------bbbbb-bbbbbbbb----a-bb--b-",
        [1, 1, 0],
        40.0,
        70.0,
    ),
    ("cccbcccaaaaaabbbb", "aaaacccccaaaaaa--", [2, 2, 2], 40.0, 41.176471),
    ("aaaaa", "aa-aa", [1, 1, 0], 50.0, 80.0),
    ("aaaaaaaaaaaaaaaccccccc", "-----cccccccccccaaaaaa", [0, 0, 0], 0.0, 4.545455),
    (
        "bbbbbbbbccccccccccaaaaaaaabbbbbcc--c",
        "--cbbbbbbbbccccccccbcaaaaaaaabbbbbcc",
        [5, 5, 2],
        50.0,
        55.555556,
    ),
    (
        "bbbbbb-------aaa-bbbccccbbbaaaaaaaaa",
        "bbbbbbbbbbbbbbbbaaaaaaa---aaaaaaaaaa",
        [2, 2, 1],
        50.0,
        41.666667,
    ),
)


def events(text, frame_ms=40):
    """The events of a frame-wise text, such as "aab-": one letter a frame, "-" for none."""
    found = []
    for index, letter in enumerate(text):
        if index and text[index - 1] == letter and letter != "-":
            found[-1][1] += frame_ms
        elif letter != "-":
            found.append([index * frame_ms, (index + 1) * frame_ms, letter])
    return tuple(Event(*item) for item in found)


def line(truth, labels, recording="a", length_ms=None, person=""):
    length_ms = length_ms or max([event.end_ms for event in (*truth, *labels)], default=0)
    return TimeLine(recording, person, length_ms, 0, length_ms, tuple(truth), tuple(labels))


@pytest.mark.parametrize(("truth", "labels", "hits", "edit", "accuracy"), PUBLISHED)
def test_figures_are_those_of_the_published_implementation(truth, labels, hits, edit, accuracy):
    assert edit_score(events(labels), events(truth)) == pytest.approx(edit)
    found = score([line(events(truth), events(labels), length_ms=40 * len(truth))]).overall
    assert found["accuracy"] == pytest.approx(accuracy)
    total = len(events(truth)) + len(events(labels))
    assert [found[key] for key in ("f1_10", "f1_25", "f1_50")] == pytest.approx([200 * hit / total for hit in hits])


def test_a_score_worked_out_by_hand():
    truth = (Event(0, 4000, "walk"), Event(4000, 6000, "wave"), Event(8000, 10_000, "jump"))
    labels = (Event(1000, 5000, "walk"), Event(5500, 6500, "wave"), Event(7000, 7500, "walk"))
    found = score([line(truth, labels, length_ms=36_000)])
    # walk: IoU 3/5. wave: 0.5/2.5 = 0.2. The second walk touches no walk: a false alarm. jump: missed.
    assert [found.overall[key] for key in ("f1_10", "f1_25", "f1_50")] == pytest.approx([400 / 6, 200 / 6, 200 / 6])
    # walk wave walk for walk wave jump: one of three replaced.
    assert found.overall["edit"] == pytest.approx(200 / 3)
    # Right: 3 s of walk, 0.5 s of wave, and of the 28 s of nothing all but 1 s.
    assert found.overall["accuracy"] == pytest.approx(100 * (3 + 0.5 + 27) / 36)
    assert (found.overall["events"], found.overall["missed"], found.overall["false_alarms"]) == (3, 1, 1)
    assert found.overall["false_alarms_per_hour"] == pytest.approx(100)
    # Delays 1 s, 1.5 s and infinite: two of three are enough for the median, not for nine of ten.
    assert (found.overall["delay_median_sec"], found.overall["delay_p90_sec"]) == (1.5, None)
    assert found.delays_sec == (1.0, 1.5)
    walk = found.classes["walk"]
    assert (walk["f1_50"], walk["accuracy"], walk["false_alarms"]) == (pytest.approx(200 / 3), 75.0, 1)
    assert found.classes["jump"]["missed_share"] == 1.0
    assert found.overall["intervals"] is None  # one recording says nothing about others


# Events of at least a second with gaps, so that a shift below a second keeps them apart and overlapping.
PARTS = st.lists(
    st.tuples(st.integers(1000, 5000), st.integers(1, 3000), st.sampled_from("abc")), min_size=1, max_size=8
)


def drawn(parts):
    start = 0
    for length, gap, label in parts:
        yield Event(start, start + length, label)
        start += length + gap + 1000


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_perfect_labels_are_perfect(parts):
    truth = tuple(drawn(parts))
    found = score([line(truth, truth, "a"), line(truth, truth, "b")], replicates=20).overall
    assert [found[key] for key in ("f1_10", "f1_25", "f1_50", "edit", "accuracy")] == [100.0] * 5
    assert [found[key] for key in ("delay_p90_sec", "missed", "false_alarms")] == [0, 0, 0]
    assert found["intervals"]["f1_50"] == (100.0, 100.0)


@settings(max_examples=60, deadline=None)
@given(PARTS, st.integers(1, 999))
def test_labels_that_come_late_are_that_late_and_early_ones_are_not(parts, shift):
    truth = tuple(drawn(parts))
    late = tuple(Event(event.start_ms + shift, event.end_ms + shift, event.label) for event in truth)
    found = score([line(truth, late)]).overall
    assert (found["delay_median_sec"], found["delay_p90_sec"]) == (shift / 1000, shift / 1000)
    assert (found["edit"], found["missed"], found["false_alarms"]) == (100.0, 0, 0)
    assert score([line(late, truth)]).overall["delay_p90_sec"] == 0


@settings(max_examples=60, deadline=None)
@given(st.text("ab-", min_size=1, max_size=40), st.text("ab-", min_size=1, max_size=40))
def test_accuracy_is_that_of_the_frames(truth, labels):
    size = min(len(truth), len(labels))
    truth, labels = truth[:size], labels[:size]
    found = score([line(events(truth), events(labels), length_ms=40 * size)]).overall
    assert found["accuracy"] == pytest.approx(100 * sum(a == b for a, b in zip(truth, labels)) / size)


def test_intervals_repeat_with_the_seed_and_hold_the_figure():
    generator = np.random.default_rng(1)
    lines = []
    for index in range(12):
        truth = [Event(start, start + 3000, "a") for start in range(0, 60_000, 6000)]
        late = generator.integers(0, 3050, len(truth))
        labels = [Event(e.start_ms + int(d), e.end_ms + int(d), "a") for e, d in zip(truth, late)]
        lines.append(line(truth, labels, f"recording {index}", 66_000))
    first, again, other = (score(lines, 200, seed).overall for seed in (0, 0, 1))
    assert first == again != other
    for key, (low, high) in first["intervals"].items():
        assert low <= first[key] <= high, key
    # Over twice as many recordings, an interval is narrower, and the figures stay.
    twice = [*lines, *(replace(item, recording=f"{item.recording} again") for item in lines)]
    wide, narrow = (np.diff(score(part, 500).overall["intervals"]["f1_50"])[0] for part in (lines, twice))
    assert narrow < wide


def test_precision_and_recall_over_the_threshold():
    truth = (Event(0, 1000, "a"), Event(2000, 3000, "a"))
    labels = (Event(0, 1000, "a", 0.9), Event(2000, 3000, "a", 0.5), Event(5000, 6000, "a", 0.2))
    thresholds, precision, recall = threshold_curve([line(truth, labels)])
    assert thresholds.tolist() == [0.2, 0.5, 0.9]
    assert precision[:, 2].tolist() == pytest.approx([2 / 3, 1, 1])
    assert recall[:, 2].tolist() == [1, 1, 0.5]


def rows(*items, durations=None):
    found = [
        Row(recording, track, start, end, label, 1.0, f"line {index}")
        for index, (recording, track, start, end, label) in enumerate(items)
    ]
    return Rows(found, durations if durations is not None else {row.recording: None for row in found})


def test_rows_become_time_lines():
    truth = rows(
        ("v/clip", "", 0, 2, "walk"), ("v/clip", "", 2, 3, "walk"), ("v/clip", "", 2.95, math.inf, "no activity")
    )
    labels = rows(("clip", "", 1, 9, "walk"), durations={"clip": 5.0, "other": 3.0})
    (found,) = time_lines(labels, truth, "no activity")
    assert (found.recording, found.length_ms, found.start_ms, found.end_ms) == ("clip", 5000, 0, 5000)
    assert found.truth == (Event(0, 2950, "walk"),)  # joined, and the small overlap cut
    assert found.labels == (Event(1000, 5000, "walk"),)


@pytest.mark.parametrize(
    ("truth", "durations", "expected"),
    [
        ([("a", "", 0, 2, "x"), ("a", "", 1, 3, "y")], {"a": 5.0}, "line 1: 'y' begins before 'x' .line 0. ends"),
        ([("a", "", 6, 7, "x")], {"a": 5.0}, "line 0: starts at 6 s, but a is 5.00 s long"),
        ([("a", "", 0, math.inf, "x")], {"a": None}, "the length of a is unknown"),
        ([("a", "", 0, 1e300, "x")], {"a": None}, "the length of a is unknown"),
        ([("b", "", 0, 1, "x")], {"a": 5.0}, "recording 'b' needs one set of labels, but those are of .'a'"),
        ([("a", "", 0, 1, "x")], {"v/a": 5.0, "w/a": 5.0}, "there are those of .'v/a', 'w/a'"),
        ([("", "", 0, 1, "x")], {"a": 5.0, "b": 5.0}, "a recording without a path needs one set of labels"),
    ],
)
def test_truth_that_fits_no_recording_is_an_error_with_its_line(truth, durations, expected):
    with pytest.raises(DataError, match=expected):
        time_lines(rows(durations=durations), rows(*truth), "no activity")


def boxes(times, left):
    return np.array([[time, left, 0, left + 10, 20] for time in times])


def test_people_are_paired_by_their_boxes():
    times = np.arange(0, 10, 0.5)
    truth = rows(("a", "ann", 0, 10, "walk"), ("a", "bob", 0, 10, "wave"))
    truth.boxes = {("a", "ann"): boxes(times, 0), ("a", "bob"): boxes(times, 50)}
    # Track 1 follows Ann, then jumps over to Bob; track 2 is nobody; track 3 is on Bob at first.
    labels = rows(
        ("a", "1", 1, 5, "walk"),
        ("a", "1", 5, 9, "wave"),
        ("a", "2", 0, 9, "wave"),
        ("a", "3", 0, 4, "wave"),
        durations={"a": 10.0},
    )
    jumps = np.concatenate([boxes(times[:10], 1), boxes(times[10:], 51)])
    labels.boxes = {("a", "1"): jumps, ("a", "2"): boxes(times, 200), ("a", "3"): boxes(times[:8], 50)}
    found = {item.person: item for item in time_lines(labels, truth, "")}
    assert found["ann"].labels == (Event(1000, 5000, "walk"),)
    assert found["bob"].labels == (Event(0, 4000, "wave"), Event(5000, 9000, "wave"))
    nobody = found["track 2 (nobody)"]
    assert (nobody.truth, nobody.labels, nobody.start_ms, nobody.end_ms) == ((), (Event(0, 9000, "wave"),), 0, 0)
    result = score(list(found.values()))
    assert (result.people, result.hours, result.overall["false_alarms"]) == (2, pytest.approx(10 / 3600), 1)


def test_a_label_of_no_activity_takes_no_person():
    times = np.arange(0, 10, 0.5)
    truth = rows(("a", "ann", 0, 10, "walk"))
    truth.boxes = {("a", "ann"): boxes(times, 0)}
    labels = rows(("a", "1", 0, 10, "idle"), ("a", "2", 1, 9, "walk"), ("a", "3", 0, 9, "idle"), durations={"a": 10.0})
    labels.boxes = {("a", track): boxes(times, left) for track, left in (("1", 0), ("2", 1), ("3", 200))}
    (found,) = time_lines(labels, truth, "idle")
    assert (found.person, found.labels) == ("ann", (Event(1000, 9000, "walk"),))


def test_a_path_that_is_another_ones_end_is_found():
    truth, durations = rows(("a", "", 0, 1, "x"), ("v/a", "", 0, 2, "x")), {"a": 5.0, "v/a": 6.0}
    assert [line.length_ms for line in time_lines(rows(durations=durations), truth, "")] == [5000, 6000]


@pytest.mark.parametrize(
    ("truth_track", "label_track", "expected"),
    [("", "1", "labels of a are of people"), ("ann", "", "label with --people, and not into .labels.csv")],
)
def test_people_are_not_compared_with_the_whole_picture(truth_track, label_track, expected):
    truth, labels = rows(("a", truth_track, 0, 1, "x")), rows(("a", label_track, 0, 1, "x"))
    truth.boxes = {("a", truth_track): boxes([0.0, 1.0], 0)} if truth_track else {}
    with pytest.raises(DataError, match=expected):
        time_lines(labels, truth, "")
