"""Labels of many recordings: the tables, what is skipped, what fails, and processes that die."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")
pytest.importorskip("rosbags")
sys.path.insert(0, str(Path(__file__).parents[1]))
from bag_cases import FRAMES, START, expected, write_bag
from label_cases import DeadlyJob, deaths, job_for, tables
from rosbags.rosbag2 import StoragePlugin

from opendr_har_core import Recognizer
from opendr_har_core.errors import DataError
from opendr_har_core.media.video import write_video
from opendr_har_core.people.detector import NanoDet
from opendr_har_core.recordings.label_many import Worker, label_many
from opendr_har_core.recordings.label_table import read_label_table
from opendr_har_core.recordings.label_video import label_people, label_video
from opendr_har_core.recordings.score_files import read_labels
from opendr_har_core.recordings.score_rows import recording_name
from opendr_har_core.recordings.sources import find_sources
from opendr_har_core.synthetic.crowd import render_crowd
from opendr_har_core.synthetic.scene import render_clip

COUNTS = ("labelled", "failed", "skipped", "failed_before")


def counts(done):
    return tuple(getattr(done, name) for name in COUNTS)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A video, bags of both kinds with the same images, one of which has unreadable ones, and a broken file."""
    folder = tmp_path_factory.mktemp("recordings")

    def spoil(message, index):
        if index in (20, 40):
            message.encoding = "x-ray"

    write_video(folder / "video.mp4", render_clip("walking", 3.0, 10.0, (60, 80), seed=1), 10.0)
    write_bag(folder / "one")
    write_bag(folder / "other", StoragePlugin.MCAP, compressed=True)
    write_bag(folder / "spoiled", change=spoil)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def labelled(recordings, tmp_path_factory):
    """(folder of labels, the result of the run that made them)."""
    folder = tmp_path_factory.mktemp("labels")
    seen = []
    done = label_many(job_for(folder), find_sources([str(recordings)]), 2, on_progress=lambda *now: seen.append(now))
    assert seen == [(number, 5) for number in range(1, 6)]
    return folder, done


@pytest.fixture
def copied(labelled, tmp_path):
    """A copy of the labels that a test may change."""
    return Path(shutil.copytree(labelled[0], tmp_path / "labels"))


def of(rows, path):
    return [{name: row[name] for name in row if name != "recording"} for row in rows if row["recording"] == str(path)]


def test_tables_have_the_labels_of_the_library(recordings, labelled):
    found, recognizer = tables(labelled[0]), Recognizer.open("default", threads=1)
    assert counts(labelled[1]) == (4, 1, 0, 0)
    for path in (recordings / "video.mp4", recordings / "one"):
        labels = label_video(recognizer, path)
        segments = of(found["segments"], path)
        assert [row["label"] for row in segments] == [segment.label for segment in labels.segments]
        for row, segment in zip(segments, labels.segments):
            assert row == {**asdict(segment), "track_id": "", "score": pytest.approx(segment.score)}
        predictions = of(found["predictions"], path)
        assert [row["time_sec"] for row in predictions] == [sample.stamp_ns / 1e9 for sample in labels.samples]
        for row, sample in zip(predictions, labels.samples):
            assert row["top_class_ids"] == [item.class_id for item in sample.top]
            assert row["top_scores"] == pytest.approx([item.score for item in sample.top])
            assert (row["label"], row["score"]) == (sample.label, row["top_scores"][0])
        (recording,) = of(found["recordings"], path)
        assert (recording["label"], recording["duration_sec"]) == (labels.whole.label, labels.duration_sec)
    assert found["people"] == []


def test_bags_have_the_labels_of_a_stream_over_their_images_in_seconds_from_the_first(recordings, labelled):
    found, (predictions, events) = tables(labelled[0]), expected()
    times = [(item.stamp_ns - START) / 1e9 for item in predictions]
    for name in ("one", "other"):
        rows = of(found["predictions"], recordings / name)
        assert [(row["time_sec"], row["label"]) for row in rows] == [
            (time, item.label) for time, item in zip(times, predictions)
        ]
        (recording,) = of(found["recordings"], recordings / name)
        assert (recording["start_ns"], recording["unreadable"]) == (START, 0)
        assert recording["duration_sec"] == pytest.approx((FRAMES[-1].stamp_ns - START) / 1e9 + 0.1)
    assert len(of(found["segments"], recordings / "one")) == sum(event.kind == "ended" for event in events)
    (spoiled,) = of(found["recordings"], recordings / "spoiled")
    assert spoiled["unreadable"] == 2


def test_a_failed_recording_is_a_row_with_its_reason(recordings, labelled):
    (row,) = tables(labelled[0])["failures"]
    assert (row["recording"], row["size"], row["error"]) == (str(recordings / "broken.mp4"), 8, "VideoError")
    assert "can't be opened as video" in row["message"]


def test_score_reads_the_tables(recordings, labelled):
    found, read = tables(labelled[0]), read_labels([labelled[0]])
    names = [recording_name(row["recording"]) for row in found["recordings"]]
    assert read.durations == dict(zip(names, (row["duration_sec"] for row in found["recordings"])))
    assert [(row.recording, row.label, row.start_sec, row.end_sec, row.score) for row in read.rows] == [
        (recording_name(row["recording"]), *(row[name] for name in ("label", "start_sec", "end_sec", "score")))
        for row in found["segments"]
    ]


def test_files_say_what_made_them(labelled):
    import pyarrow.parquet as pq

    for path in labelled[1].path.glob("*/*.parquet"):
        metadata = pq.read_schema(path).metadata
        digests = [metadata[f"opendr_har_{name}_sha256".encode()].decode()[:8] for name in ("model", "settings")]
        assert path.parents[1].name == "model=" + "-".join(digests)
        assert metadata[b"opendr_har_version"]


def test_what_is_done_is_skipped_and_a_failure_is_tried_again_only_when_asked(recordings, copied):
    sources, before = find_sources([str(recordings)]), tables(copied)
    assert counts(label_many(job_for(copied), sources)) == (0, 0, 4, 1)
    assert tables(copied) == before
    assert counts(label_many(job_for(copied), sources, 1, retry_failed=True)) == (0, 1, 4, 0)
    assert tables(copied) == before


def test_a_recording_that_has_changed_replaces_its_rows(recordings, copied):
    broken, video = (find_sources([str(recordings / name)])[0] for name in ("broken.mp4", "video.mp4"))
    table, before = job_for(copied).table(), tables(copied)
    for source in (broken, video):
        assert table.state(source) is not None
        assert table.state(replace(source, version="later")) is None
    changed = replace(video, version="later")
    assert Worker(job_for(copied))(asdict(changed))["state"] == "done"
    after = tables(copied)
    assert {**after, "recordings": 0} == {**before, "recordings": 0}
    assert [row["version"] for row in of(after["recordings"], video.uri)] == ["later"]


def test_a_worker_does_nothing_for_what_another_one_has_done(recordings, copied):
    (video,) = find_sources([str(recordings / "video.mp4")])
    files = {path: path.stat().st_ino for path in copied.rglob("*.parquet")}
    assert Worker(job_for(copied))(asdict(video))["state"] == "done"
    assert {path: path.stat().st_ino for path in copied.rglob("*.parquet")} == files


def test_other_settings_are_labels_of_their_own_and_are_read_one_at_a_time(recordings, copied):
    (video,) = find_sources([str(recordings / "video.mp4")])
    job = job_for(copied, threshold=0.9)
    table = job.table()
    table.open()
    assert table.state(video) is None
    assert Worker(job)(asdict(video))["state"] == "done"
    with pytest.raises(DataError, match="several models"):
        read_label_table(copied, "segments")
    assert read_label_table(table.path, "recordings").num_rows == 1
    with pytest.raises(DataError, match="no labels"):
        read_label_table(copied / "absent", "segments")


def test_unfinished_and_damaged_files_count_as_not_done(recordings, copied):
    (video,) = find_sources([str(recordings / "video.mp4")])
    table = job_for(copied).table()
    (path,) = table.path.glob(f"source={video.key}/recordings.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    assert table.state(video) is None
    with pytest.raises(DataError, match=r"recordings\.parquet can't be read"):
        read_label_table(copied, "recordings")
    left = copied / ".unfinished" / "left"
    left.mkdir()
    os.utime(left, (1, 1))
    table.open()
    assert not left.exists()
    assert Worker(job_for(copied))(asdict(video))["state"] == "done"
    assert table.state(video) == "done"


def test_labels_that_cannot_be_written_stop_the_run(recordings, tmp_path):
    (video,) = find_sources([str(recordings / "video.mp4")])
    job = job_for(tmp_path / "labels")
    job.table().open()
    shutil.rmtree(tmp_path / "labels" / ".unfinished")
    outcome = Worker(job)(asdict(video))
    assert outcome["state"] == "unwritten"
    assert "can't be written" in outcome["error"]


def test_people_have_segments_and_boxes_of_their_own(tmp_path):
    frames = (frame.frame for frame in render_crowd(("walking", "raising both arms"), 3.0, 10.0))
    video = write_video(tmp_path / "crowd.mp4", frames, 10.0)
    job = job_for(tmp_path / "labels", people=True)
    job.table().open()
    (source,) = find_sources([str(video)])
    assert Worker(job)(asdict(source))["state"] == "done"
    found, labels = tables(tmp_path / "labels"), label_people(Recognizer.open("default", threads=1), NanoDet(), video)
    assert labels.people
    who = [(person.track_id, len(person.samples), len(person.segments)) for person in labels.people]
    rows = {name: [row["track_id"] for row in found[name]] for name in ("people", "predictions", "segments")}
    assert sorted(who) == sorted(
        (id, rows["predictions"].count(id), rows["segments"].count(id)) for id in {*rows["predictions"]}
    )
    assert rows["people"] == rows["predictions"]
    boxes = sorted(tuple(round(side, 1) for side in box) for person in labels.people for box in person.boxes)
    sides = ("left", "top", "right", "bottom")
    assert sorted(tuple(round(row[side], 1) for side in sides) for row in found["people"]) == boxes


@pytest.mark.slow
def test_a_process_that_dies_or_hangs_costs_one_try_of_its_recording_only(recordings, labelled, tmp_path):
    for name in ("fatal", "unlucky", "fine", "hanging"):
        shutil.copy(recordings / "video.mp4", tmp_path / f"{name}.mp4")
    job = job_for(tmp_path / "labels", DeadlyJob, timeout=5.0)
    done = label_many(job, find_sources([str(tmp_path)]), 2)
    assert counts(done) == (2, 2, 0, 0)
    assert deaths(tmp_path / "labels") == [1, 2]
    failures = tables(tmp_path / "labels")["failures"]
    assert [(failure["recording"], failure["error"]) for failure in failures] == [
        (str(tmp_path / f"{name}.mp4"), "ResourceError") for name in ("fatal", "hanging")
    ]
    video = of(tables(labelled[0])["segments"], recordings / "video.mp4")
    for name in ("unlucky", "fine"):
        assert of(tables(tmp_path / "labels")["segments"], tmp_path / f"{name}.mp4") == video
