"""Teaching a running recognizer: what is learned, what is refused, and what is kept."""

from __future__ import annotations

import resource

import numpy as np
import pytest
from stream_cases import ArithmeticBackend

from opendr_har_core import Frame, Recognizer
from opendr_har_core.errors import ConfigError, DataError, ModelError, ResourceError
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_core.teaching.lessons import Lessons
from opendr_har_core.teaching.teacher import Teacher, examples_of

FPS, SIZE = 10.0, (96, 128)


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default")


@pytest.fixture
def teacher(recognizer, tmp_path):
    return Teacher(recognizer, Lessons(tmp_path / "lessons"))


def shown(action, seed, seconds=3.0):
    return list(render_clip(action, seconds, FPS, SIZE, seed))


def pictures(make, seconds=3.0):
    return [Frame(make(index), round(index * NANOSECONDS / FPS)) for index in range(round(seconds * FPS))]


def teach(teacher, label, frames):
    stream = teacher.recognizer.stream()
    teacher.start(label)
    for frame in frames:
        teacher.push(stream.push(frame), frame)
    return teacher.finish()


def label_of(teacher, head, frames):
    """The label of a clip by its last prediction."""
    stream = teacher.recognizer.with_head(head).stream()
    return [prediction for prediction in map(stream.push, frames) if prediction][-1].label


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_activities_are_learned_and_known_after_a_restart(teacher, recognizer):
    for seed in (1, 2):
        for label, action in (("hop", "jumping"), ("hello", "waving one hand")):
            result = teach(teacher, label, shown(action, seed))
            assert (result.label, result.warnings) == (label, ())
            assert result.seconds == pytest.approx(2.9)
    examples = teacher.examples()
    assert examples.counts == {"hello": 2, "hop": 2}
    head = teacher.head(examples)
    assert label_of(teacher, head, shown("jumping", 3)) == "hop"
    assert label_of(teacher, head, shown("waving one hand", 3)) == "hello"
    again = Teacher(recognizer, Lessons(teacher.lessons.folder))
    assert again.head(again.examples()).to_text() == head.to_text()
    (teacher.lessons.folder / "head.json").write_text("not JSON")
    assert again.head(again.examples()).to_text() == head.to_text()


HOSTILE = {
    "no images": ([], "no image has arrived"),
    "black": (pictures(lambda index: np.zeros((*SIZE, 3), np.uint8)), "black or too dark: uncover the lens"),
    "one colour": (pictures(lambda index: np.full((*SIZE, 3), 90, np.uint8)), "show one colour"),
    "a still scene": (pictures(lambda index: shown("walking", 1, 0.1)[0].rgb), "nothing moves in the images"),
    "noise": (
        pictures(lambda index: np.random.default_rng(index).integers(0, 256, (*SIZE, 3), np.uint8), 2.0),
        "each image differs from the one before, as noise does",
    ),
    "too short": (shown("jumping", 1, 1.0), "its images cover 0.9 s, which is too short: show it for at least 2 s"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_lesson_that_cannot_be_used_is_refused_with_the_reason_and_changes_nothing(teacher, kind):
    teach(teacher, "hop", shown("jumping", 1))
    before = files_in(teacher.lessons.folder)
    frames, reason = HOSTILE[kind]
    with pytest.raises(DataError, match=f"the lesson of 'hop' is not used: .*{reason}"):
        teach(teacher, "hop", frames)
    assert files_in(teacher.lessons.folder) == before
    assert teacher.examples().counts == {"hop": 1}


def test_what_is_wrong_with_the_images_is_said_while_they_are_recorded(teacher):
    teacher.start("hop")
    assert (teacher.seconds, teacher.quality) == (0.0, "")
    for frame in HOSTILE["black"][0]:
        teacher.push(None, frame)
    assert teacher.quality.startswith("the images are black")
    assert teacher.seconds == pytest.approx(2.9)
    teacher.cancel()
    assert not teacher.is_recording
    assert teacher.lessons.list() == []


def test_a_sensors_noise_does_not_hide_that_nothing_moves(teacher):
    picture = shown("walking", 1, 0.1)[0].rgb.astype(np.float32)
    rng = np.random.default_rng(0)
    frames = pictures(lambda index: (picture + rng.normal(0, 5, picture.shape)).clip(0, 255).astype(np.uint8))
    with pytest.raises(DataError, match="nothing moves"):
        teach(teacher, "hop", frames)


def test_examples_that_contradict_each_other_are_kept_with_a_warning(teacher):
    teach(teacher, "hop", shown("jumping", 1))
    assert teacher.warnings(teacher.examples(), None, "hop") == []
    teach(teacher, "hop", shown("waving one hand", 1))
    examples = teacher.examples()
    assert examples.counts == {"hop": 2}
    (warning,) = teacher.warnings(examples, None, "hop")
    assert "the newest example of 'hop' is unlike the earlier ones" in warning


def test_labels_that_are_hard_to_tell_apart_are_named(teacher):
    for seed in (1, 2):
        for label in ("hop", "leap"):
            teach(teacher, label, shown("jumping", seed))
    warnings = teacher.warnings(teacher.examples(), None, "leap")
    assert "'hop' and 'leap' are hard to tell apart: show two more of each" in warnings


def test_classes_of_the_model_are_kept_or_named_as_lost(teacher, recognizer):
    teach(teacher, "hop", shown("jumping", 1))
    examples = teacher.examples()
    head = teacher.head(examples)
    assert list(head.labels) == ["hop"]
    (warning,) = teacher.warnings(examples, head, "hop")
    assert warning.startswith("no longer known, for lack of lessons: no activity, walking")
    assert warning.endswith("; set keep_base (--keep-base) to keep them")
    teach(teacher, "hop", shown("jumping", 2))
    assert not any("no longer known" in text for text in teacher.warnings(teacher.examples(), head, "hop"))
    keeper = Teacher(recognizer, teacher.lessons, keep_base=True)
    head = keeper.head(examples)
    assert list(head.labels) == [*recognizer.base_labels, "hop"]
    assert keeper.warnings(examples, head, "hop") == []
    assert label_of(keeper, head, shown("bending", 3)) == "bending"
    with pytest.raises(ModelError, match="keep_base is set, but this bundle of cox3d_xs"):
        Teacher(Recognizer.open("kinetics400"), teacher.lessons, keep_base=True)


def test_without_room_a_lesson_is_refused_and_all_others_stay(teacher):
    teach(teacher, "hop", shown("jumping", 1))
    head = teacher.head(teacher.examples())
    before = files_in(teacher.lessons.folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ResourceError, match=r"the lesson can't be stored .* All earlier lessons are kept"):
            teach(teacher, "hello", shown("waving one hand", 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_in(teacher.lessons.folder) == before
    assert teacher.head(teacher.examples()).to_text() == head.to_text()


def test_one_lesson_is_recorded_at_a_time(teacher):
    with pytest.raises(ConfigError, match="no lesson is being recorded"):
        teacher.finish()
    teacher.start("hop")
    with pytest.raises(ConfigError, match="a lesson of 'hop' is being recorded"):
        teacher.start("hello")


def test_another_model_learns_from_the_clips(teacher):
    teach(teacher, "hop", shown("jumping", 1))
    other = Teacher(Recognizer.open("continual"), teacher.lessons)
    assert other.recognizer.base != teacher.recognizer.base
    assert other.examples().counts == {"hop": 1}
    assert "hop" in other.head(other.examples()).labels.names
    assert teacher.examples().counts == {"hop": 1}


def test_when_all_lessons_are_forgotten_the_models_own_classes_are_back(teacher, recognizer):
    teach(teacher, "hop", shown("jumping", 1))
    teacher.head(teacher.examples())
    teacher.lessons.remove("hop")
    assert teacher.head(teacher.examples()) is recognizer.head


def test_a_segment_has_the_frames_from_its_first_to_the_one_before_its_end(recognizer):
    frames = list(render_clip("jumping", 3.0, 30.0, SIZE, 1))
    borders = [(first, round(frames[first].stamp_ns / 1e9, 3)) for first in (2, 62)]  # 66.67 ms is 0.067 s
    (first, start), (last, end) = borders
    alone = [frame.at(frame.stamp_ns - frames[first].stamp_ns) for frame in frames[first:last]]
    (expected,) = examples_of(recognizer, alone, [(0.0, 3.0, "hop")]).by_label["hop"]
    (found,) = examples_of(recognizer, frames, [(start, end, "hop")]).by_label["hop"]
    assert np.array_equal(found, expected)


def test_a_bundle_without_features_cannot_be_taught(tmp_path):
    class Old(ArithmeticBackend):
        features = 0

    with pytest.raises(ModelError, match="a bundle format without features"):
        Teacher(Recognizer(Old("x3d")), Lessons(tmp_path))
