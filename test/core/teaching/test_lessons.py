"""The folder of lessons: what is stored, survives, and is computed again."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from opendr_har_core.errors import ConfigError, DataError, ResourceError, VideoError
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.teaching.fit import fit_head
from opendr_har_core.teaching.lessons import Example, Lessons

LABELS = ("wave", "raising both arms", "stop/go", ".hidden", "100%", "рука", "C:\\ ends with a dot.", "con ")


def example(value=1.0, rows=3, stamp_ns=10**18):
    return Example(np.full((rows, 4), value, np.float32), stamp_ns, 2.5, b"a picture")


def write_clip(path):
    write_video(path, render_clip("walking", 1.0, 10.0, (32, 32)), 10.0)


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def lessons(tmp_path):
    return Lessons(tmp_path / "lessons")


def test_examples_of_any_label_are_there_when_the_folder_is_opened_again(lessons):
    for index, label in enumerate(LABELS):
        lessons.add(label, example(index), "base")
        lessons.add(label, example(100 + index, stamp_ns=10**18 + 10**9), "base")
    again = Lessons(lessons.folder)
    assert sorted(again.labels()) == sorted(LABELS)
    found = again.examples("base").by_label
    assert {label: [rows[0, 0] for rows in examples] for label, examples in found.items()} == {
        label: [index, 100 + index] for index, label in enumerate(LABELS)
    }
    read = again.list()[0].read()
    assert (read.stamp_ns, read.seconds, read.thumbnail) == (10**18, 2.5, b"a picture")


@pytest.mark.parametrize("label", ["", " ", "two\nlines", "x" * 300])
def test_a_text_that_cannot_be_a_label_is_refused(lessons, label):
    with pytest.raises(ConfigError):
        lessons.add(label, example(), "base")
    assert not lessons.folder.exists()


def test_lessons_are_removed_one_by_one_or_by_label(lessons):
    first, _ = lessons.add("wave", example(), "base", write_clip)
    lessons.add("wave", example(), "base", write_clip)
    lessons.add("stop/go", example(), "base")
    with pytest.raises(DataError, match=r"no lesson of 'stop'; the labels with lessons are \['stop/go', 'wave'\]"):
        lessons.remove("stop")
    assert lessons.remove("wave", first.id) == 1
    assert lessons.examples("base").counts == {"stop/go": 1, "wave": 1}
    with pytest.raises(DataError, match="no lesson"):
        lessons.remove("wave", first.id)
    assert lessons.remove("wave") + lessons.remove("stop/go") == 2
    assert list(lessons.folder.iterdir()) == []


def test_lessons_of_another_base_are_computed_once_from_their_clips(lessons):
    kept, _ = lessons.add("wave", example(), "first", write_clip)
    lost, _ = lessons.add("wave", example(), "first")
    computed = []

    def compute(path):
        computed.append(path)
        return example(7.0)

    for _ in range(2):
        found = Lessons(lessons.folder).examples("second", compute)
        assert [rows[0, 0] for rows in found.by_label["wave"]] == [7.0]
        assert found.problems == [
            f"the lesson {lost.id} of 'wave' was shown to another model and has no clip: show it again"
        ]
    assert computed == [kept.clip]
    assert lessons.examples("first").counts == {"wave": 2}


def test_features_of_a_video_are_kept_whatever_it_is_called(tmp_path):
    (tmp_path / "walking").mkdir()
    write_clip(tmp_path / "walking" / "day.part1.mp4")
    assert Lessons(tmp_path).examples("base", lambda path: example()).problems == []
    found = Lessons(tmp_path).examples("base")
    assert (found.counts, found.problems) == ({"walking": 1}, [])


def test_a_folder_of_videos_is_one_of_lessons_and_stays_as_it_is_if_asked(tmp_path):
    (tmp_path / "walking").mkdir()
    for name in ("one.avi", "one.mp4", "two.mp4"):
        write_clip(tmp_path / "walking" / name)
    (tmp_path / "walking" / "notes.txt").write_text("not a video")
    before = files_in(tmp_path)
    assert Lessons(tmp_path).examples("base", lambda path: example(), keep=False).counts == {"walking": 3}
    assert files_in(tmp_path) == before


def test_a_damaged_or_unfinished_file_costs_only_its_lesson(lessons):
    damaged, _ = lessons.add("wave", example(1.0), "base")
    huge, _ = lessons.add("wave", example(2.0), "base")
    lessons.add("wave", example(3.0), "base")
    damaged.files["base"].write_bytes(b"PK only words")
    np.savez_compressed(huge.files["base"], features=np.zeros((20_000_000, 1), np.float32))
    (lessons.folder / "wave" / "..20260101-000000-ffff.base.12345678.part.npz").write_bytes(b"half a")
    (lessons.folder / "wave" / ".20260101-000000-ffff.12345678.part.mp4").write_bytes(b"half a")
    found = Lessons(lessons.folder).examples("base")
    assert [rows[0, 0] for rows in found.by_label["wave"]] == [3.0]
    assert sorted(str(lesson.files["base"]) in " ".join(found.problems) for lesson in (damaged, huge)) == [True, True]
    assert all("remove the file, or the lesson" in problem for problem in found.problems)


@pytest.fixture
def full_disk():
    """No file can grow beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_costs_only_what_does_not_fit(lessons, full_disk):
    lessons.add("wave", example(), "base", write_clip)
    before = files_in(lessons.folder)
    full_disk(100)
    with pytest.raises(ResourceError, match=r"the lesson can't be stored .* All earlier lessons are kept"):
        lessons.add("wave", example(), "base", write_clip)
    with pytest.raises(ResourceError):
        lessons.add("stop", example(), "base")
    assert files_in(lessons.folder) == before
    full_disk(2000)  # enough for features
    lesson, reason = lessons.add("stop", example(), "base", write_clip)
    assert lesson.clip is None
    assert "can't write the video" in reason
    full_disk(resource.RLIM_INFINITY)
    assert lessons.examples("base").counts == {"stop": 1, "wave": 1}


def test_a_clip_that_cannot_be_written_is_reported_and_the_example_kept(lessons):
    def fail(path):
        raise VideoError("this build of PyAV can write none of them")

    lesson, reason = lessons.add("wave", example(), "base", fail)
    assert (lesson.clip, reason) == (None, "this build of PyAV can write none of them")
    assert lessons.examples("base").counts == {"wave": 1}


ADD = """
import sys, numpy as np
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.teaching.lessons import Example, Lessons
frames = list(render_clip("walking", 1.0, 10.0, (32, 32)))
for index in range(10_000):
    example = Example(np.full((3, 4), index, np.float32), 10**18 + index * 10**9, 2.5, b"a picture")
    Lessons(sys.argv[1]).add("wave", example, "base", lambda path: write_video(path, frames, 10.0))
    print(index, flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_loses_at_most_the_lesson_that_it_was_storing(tmp_path):
    for round in range(5):
        folder = tmp_path / str(round)
        process = subprocess.Popen([sys.executable, "-c", ADD, str(folder)], stdout=subprocess.PIPE, text=True)
        stored = [process.stdout.readline() for _ in range(2 + round)]
        time.sleep(0.013 * round)
        process.kill()
        count = len(stored) + len(process.communicate()[0].splitlines())
        found = Lessons(folder).examples("base", lambda path: example(99.0))
        assert found.problems == []
        values = [int(rows[0, 0]) for rows in found.by_label["wave"]]
        assert values[:count] == list(range(count))
        assert values[count:] in ([], [count], [99])  # 99: there is only the clip yet


@pytest.mark.slow
def test_a_thousand_examples_are_listed_and_read(lessons, record_property):
    for label in "abcdefghij":
        first, _ = lessons.add(label, example(ord(label)), "base")
        path = first.files["base"]
        for index in range(99):
            shutil.copy(path, path.with_name(path.name.replace(first.id, f"20260101-000000-{index:04x}")))
    started = time.process_time()
    found = lessons.examples("base")
    record_property("seconds of CPU to read 1000", round(time.process_time() - started, 2))
    assert found.counts == dict.fromkeys("abcdefghij", 100)
    assert {rows[0, 0] for rows in found.by_label["c"]} == {ord("c")}
    started = time.process_time()
    assert list(fit_head(found.by_label).labels) == list("abcdefghij")
    record_property("seconds of CPU to fit 1000", round(time.process_time() - started, 2))


def test_training_takes_the_folder_with_its_labels(lessons):
    pytest.importorskip("torch")
    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.datasets.folder import FolderDataset

    for label in ("wave", "raising both arms"):
        for _ in range(2):
            lessons.add(label, example(), "base", write_clip)
    data = FolderDataset(lessons.folder, ClipSpec(4, 2, 10.0, 32))
    assert (list(data.labels), data.targets, data.report.skipped) == (["raising both arms", "wave"], [0, 0, 1, 1], ())
