"""Teaching the node `people` by what one person shows."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("opendr_har_msgs")
from goals import ABORTED, SUCCEEDED
from people_support import NODE, PARAMETERS, Scene, boxes_of, crowd, detection, mean_labels
from teach_support import Pupil

TOPIC = {**PARAMETERS, "detector": "topic", "detections_wait_sec": 1.0}
LABELS = {"0": "star", "1": "bow"}


def test_each_person_shows_another_activity_and_then_has_that_label(start, client, tmp_path):
    start("people", {**TOPIC, "lessons": str(tmp_path / "lessons")})
    scene, pupil = Scene(client), Pupil(client, NODE)
    people = crowd()
    frames, boxes = [each.frame for each in people], [boxes_of(each) for each in people]

    def show(label=None, track_id=""):
        """Show all frames, as a lesson of a label if there is one."""
        goal = pupil.goal(label, track_id=track_id) if label else None
        for frame, items in zip(pupil.following(frames), boxes):
            scene.show(frame, [detection(box, id) for id, box in items])
        return goal.end() if goal else None

    show()
    for track_id, label in LABELS.items():
        status, result = show(label, track_id)
        assert (status, result.examples) == (SUCCEEDED, 1), result.message
    seen = len(scene.people)
    show()
    assert mean_labels(scene.people[seen + 20 :]) == LABELS
    status, result = show("jump", "99")
    assert (status, "person 99 is not in view" in result.message) == (ABORTED, True), result.message
    status, result = show("nearest")  # without a track id
    assert status == SUCCEEDED, result.message
    assert sorted(lesson.label for lesson in pupil.lessons().lessons) == ["bow", "nearest", "star"]


def test_nobody_in_view_is_said_at_once_and_teaches_nothing(start, client, tmp_path):
    start("people", {**TOPIC, "lessons": str(tmp_path / "lessons")})
    scene, pupil = Scene(client), Pupil(client, NODE)
    frames = [each.frame for each in crowd()]
    goal = pupil.goal("star")
    for frame in pupil.following(frames):
        scene.show(frame, [])
    feedback = goal.until(lambda feedback: feedback.people == 0)
    assert feedback.quality == "nobody is in view"
    status, result = goal.end()
    assert (status, "nobody is in view: step in front of the camera" in result.message) == (ABORTED, True)
    assert not (tmp_path / "lessons").exists()
