"""Teaching the recognizer while it runs, over DDS."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("opendr_har_msgs")
from goals import ABORTED, CANCELED, SUCCEEDED
from lifecycle_msgs.msg import Transition
from opendr_har_msgs.srv import SetModel
from recognizer_support import NODE, RELIABLE, Camera, change_state, clip, wait_for_labels_to_connect
from teach_support import Pupil
from vision_msgs.msg import Classification

from opendr_har_core import Frame
from opendr_har_core.media.video import read_video

GESTURES = {"circle": "A1", "wave": "A2"}
BLACK = [Frame(np.zeros((120, 160, 3), np.uint8), index * 10**8) for index in range(40)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "lessons"


@pytest.fixture
def begin(start, client, folder):
    """begin(**parameters) -> (process, camera, pupil) of an active recognizer that can be taught."""

    def begin_node(**parameters):
        node = start("recognizer", {**RELIABLE, "lessons": str(folder), **parameters})
        camera, pupil = Camera(client), Pupil(client, NODE)
        camera.wait_for_recognizer()
        client.until(lambda: pupil.labels, what="the labels")
        return node, camera, pupil

    return begin_node


def sender(client, camera, seconds=0.04):
    def send(frame):
        camera.send(frame)
        client.spin(seconds)

    return send


def test_a_lesson_is_learned_listed_and_forgotten(client, begin):
    _, camera, pupil = begin()
    send = sender(client, camera)
    before = pupil.labels
    status, result = pupil.teach("hop", clip("jumping"), send)
    assert (status, result.success, result.examples) == (SUCCEEDED, True, 1)
    assert result.message == "learned 'hop' from 1 example; show it 2 more times"
    client.until(lambda: "hop" in pupil.labels, what="the new label")
    answer = pupil.lessons(thumbnails=True)
    (lesson,) = answer.lessons
    assert (lesson.label, lesson.id, lesson.used) == ("hop", result.id, True)
    assert lesson.seconds == pytest.approx(3.0, abs=0.2)
    assert bytes(lesson.thumbnail).startswith(b"\xff\xd8")
    assert pupil.forget("hop", "other").message.startswith("there is no lesson 'other' of 'hop'")
    answer = pupil.forget("hop", result.id)
    assert (answer.success, answer.message) == (True, "removed 1 example of 'hop'")
    client.until(lambda: pupil.labels == before, what="the old labels")
    assert list(pupil.lessons().lessons) == []


def test_a_lesson_that_cannot_be_used_is_refused_with_the_reason_and_nothing_is_lost(client, begin):
    _, camera, pupil = begin()
    send = sender(client, camera)
    assert pupil.teach("hop", clip("jumping"), send)[0] == SUCCEEDED
    goal = pupil.goal("hello")
    for frame in pupil.following(BLACK):
        send(frame)
    status, result = goal.end()
    assert (status, result.success) == (ABORTED, False)
    assert "the lesson of 'hello' is not used: the images are black or too dark" in result.message
    first = goal.until(lambda feedback: feedback.quality)
    assert (first.state, first.people) == ("recording", -1)
    assert first.quality.startswith("the images are black")
    status, result = pupil.goal("hello").end()  # the camera is silent
    assert (status, "no image has arrived" in result.message) == (ABORTED, True)
    assert [lesson.label for lesson in pupil.lessons().lessons] == ["hop"]
    assert "hop" in pupil.labels


def test_a_lesson_without_a_length_lasts_until_it_is_cancelled_others_are_dropped_then(client, begin):
    _, camera, pupil = begin()
    send = sender(client, camera)
    for seconds, success in ((0.0, True), (30.0, False)):
        goal = pupil.goal("hop", seconds)
        for frame in pupil.following(clip("jumping", 3.0)):
            send(frame)
        goal.until(lambda feedback: feedback.seconds > 2)
        assert goal.cancel()
        status, result = goal.end()
        assert (status, result.success) == (CANCELED, success), result.message
    assert len(pupil.lessons().lessons) == 1


@pytest.mark.slow
def test_a_lesson_ends_although_the_clip_that_is_played_again_and_again_is_shorter(client, begin):
    _, camera, pupil = begin()
    send = sender(client, camera)
    goal = pupil.goal("hop", 10.0)
    for frame in clip("jumping", 3.0) * 20:
        if goal.feedback and goal.feedback[-1].state == "learning":
            break
        send(frame)
    else:
        pytest.fail("the lesson goes on")
    status, result = goal.end()
    assert (status, result.success) == (SUCCEEDED, True), result.message
    assert pupil.lessons().lessons[0].seconds == pytest.approx(3.0, abs=0.2)


def test_goals_that_cannot_be_done_are_aborted_with_the_reason(client, begin):
    begin_goal = begin()[2].goal
    for fields, reason in (
        ({"label": " "}, "a class name must be a non-empty string"),
        ({"label": "hop", "seconds": -1.0}, "seconds is -1.0, expected 0 to 60"),
        ({"label": "hop", "seconds": float("nan")}, "seconds is nan"),
        ({"label": "hop", "camera": "rear"}, "camera is 'rear', expected one of ['']"),
        ({"label": "hop", "track_id": "7"}, "this node labels the whole image"),
    ):
        status, result = begin_goal(**fields).end()
        assert (status, reason in result.message) == (ABORTED, True), result.message
    running, other = begin_goal("hop"), begin_goal("hello")
    assert other.end()[1].message == "another lesson is under way; wait for its end or cancel it"
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    for goal in (running, begin_goal("hop")):
        status, result = goal.end()
        assert (status, result.message) == (ABORTED, "the node is not active")


def test_another_model_knows_the_lessons_by_their_clips(client, begin):
    _, camera, pupil = begin()
    assert pupil.teach("hop", clip("jumping"), sender(client, camera))[0] == SUCCEEDED
    answer = client.call(SetModel, f"{NODE}/set_model", SetModel.Request(model="continual"))
    assert answer.success, answer.message
    assert "hop" in answer.class_names
    assert [lesson.used for lesson in pupil.lessons().lessons] == [True]


def test_without_a_folder_the_node_is_not_taught(client, start):
    start("recognizer", RELIABLE)
    Camera(client).wait_for_recognizer()

    def services():
        """Those that have been discovered so far."""
        if "recognizer" not in client.node.get_node_names():
            return set()
        return {name for name, _ in client.node.get_service_names_and_types_by_node("recognizer", "/")}

    client.until(lambda: f"{NODE}/wait_for_activity/_action/send_goal" in services(), what="the action servers")
    # Those of an earlier test's node take a while to vanish.
    taught = {f"{NODE}/teach/_action/send_goal", f"{NODE}/lessons", f"{NODE}/forget"}
    client.until(lambda: not services() & taught, what="a node without them")


@pytest.mark.slow
def test_two_gestures_are_known_on_another_person_and_after_the_node_was_killed(client, begin, shared, record_property):
    def frames_of(action, person, trial):
        return list(read_video(shared / "videos" / "gestures_rgb" / f"PS7{action}P{person}T{trial}.avi"))

    def looped(frames, seconds):
        """A clip played to and fro, so that it has no cut."""
        period = 10**9 // 30
        there_and_back = [*frames, *frames[-2:0:-1]]
        count = int(seconds * 30)
        return [Frame(there_and_back[i % len(there_and_back)].rgb, i * period) for i in range(count)]

    def labels_during(frames):
        received = client.collect(Classification, f"{NODE}/classification")
        wait_for_labels_to_connect(client)
        for frame in pupil.following(frames):
            send(frame)
        return [message.results[0].class_id for message in received]

    node, camera, pupil = begin(model="kinetics400")
    send = sender(client, camera, 1 / 30)
    for person in (1, 2):
        for label, action in GESTURES.items():
            status, result = pupil.teach(label, looped(frames_of(action, person, 1), 4.2), send, 4.0)
            assert status == SUCCEEDED, result.message
    for label, action in GESTURES.items():
        seen = labels_during(looped(frames_of(action, 3, 1), 5.0))
        record_property(label, seen)
        assert label in seen
    node.process.kill()
    node.wait()
    node, camera, pupil = begin(model="kinetics400")
    send = sender(client, camera, 1 / 30)
    assert set(GESTURES) <= set(pupil.labels)
    for label, action in GESTURES.items():
        assert label in labels_during(looped(frames_of(action, 3, 1), 5.0))
