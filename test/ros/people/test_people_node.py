"""The node `people` as a managed node: cameras, models at run time, services, and work only for subscribers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from goals import SUCCEEDED, Goal
from people_support import ACTIONS, NODE, PARAMETERS, SMALL, Scene, boxes_of, crowd, detection, mean_labels
from rclpy.action import ActionClient
from rclpy.duration import Duration
from recognizer_support import Camera, image_of, set_parameter, status_with
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray, VisionInfo

from opendr_har_core import Frame
from opendr_har_ros.common.qos import LATCHED

TOPIC = {**PARAMETERS, "detector": "topic", "detections_wait_sec": 1.0}


def items(scene):
    return [detection(box, id) for id, box in boxes_of(scene)]


def shifted(scene, seconds):
    return Frame(scene.frame.rgb, scene.frame.stamp_ns + round(seconds * 10**9))


def test_a_model_is_swapped_at_run_time_and_a_broken_one_changes_nothing(start, client, tmp_path):
    start("people", TOPIC)
    scene = Scene(client)
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    frames = crowd()
    for each in frames:
        scene.show(each.frame, items(each))
    (tmp_path / "broken.onnx").write_bytes(b"only words")
    set_parameter(client, "model", str(tmp_path / "broken.onnx"), NODE)
    assert scene.show(shifted(frames[0], 4.0), items(frames[0])).detections[0].results
    assert set_parameter(client, "model", "continual", NODE).successful
    client.until(lambda: infos and "lookahead none" in infos[-1].method, what="the new model's description")
    for index, each in enumerate(frames):
        answer = scene.show(shifted(each, 4.5), items(each))
        assert index or [person.results for person in answer.detections] == [[], []]
    assert mean_labels(scene.people[-10:])["0"] == ACTIONS[0]


def test_reset_and_enable_end_the_labels_of_all_people(start, client):
    events_of = pytest.importorskip("opendr_har_msgs.msg").ActivityEvent
    start("people", TOPIC)
    scene = Scene(client)
    events = client.collect(events_of, f"{NODE}/events")
    frames = crowd(seconds=3.0)
    for each in frames:
        scene.show(each.frame, items(each))
    assert client.call(Trigger, f"{NODE}/reset").success
    ended = client.until(lambda: {event.track_id for event in events if event.kind == events_of.ENDED}, what="an end")
    assert ended <= {"0", "1"}
    answer = scene.show(shifted(frames[0], 3.0), items(frames[0]))
    assert [person.results for person in answer.detections] == [[], []]
    assert client.call(SetBool, f"{NODE}/enable", SetBool.Request(data=False)).success
    count = len(scene.people)
    scene.camera.send(shifted(frames[1], 3.0))
    client.spin(1.5)
    assert len(scene.people) == count
    assert client.call(SetBool, f"{NODE}/enable", SetBool.Request(data=True)).success
    assert scene.show(shifted(frames[2], 3.0), items(frames[2])).detections


def test_a_goal_is_reached_when_one_person_has_done_it_without_interruption(start, client):
    action = pytest.importorskip("opendr_har_msgs.action").WaitForActivity
    start("people", TOPIC)
    scene = Scene(client)
    actions = ActionClient(client.node, action, f"{NODE}/wait_for_activity")
    hold = Duration(seconds=1).to_msg()
    goals = [Goal(client, actions, action.Goal(label=label, hold=hold)) for label in (*ACTIONS, "walking")]
    for each in crowd():
        scene.show(each.frame, items(each))
    assert [goal.end()[0] for goal in goals[:2]] == [SUCCEEDED, SUCCEEDED]
    assert goals[2].cancel()
    actions.destroy()


def test_cameras_have_their_own_people_and_pictures(start, client):
    start("people", {**TOPIC, "cameras": "[front, rear]"})
    cameras = {name: Camera(client, topic=f"{name}/image_raw") for name in ("front", "rear")}
    detectors = {name: client.node.create_publisher(Detection2DArray, f"{name}/detections", 10) for name in cameras}
    people = {name: client.collect(Detection2DArray, f"{NODE}/{name}/people") for name in cameras}
    pictures = client.collect(Image, f"{NODE}/front/image_annotated")
    for name, camera in cameras.items():
        camera.wait_for_recognizer()
        client.until(lambda name=name: detectors[name].get_subscription_count() == 1)
        client.until(lambda name=name: client.node.count_publishers(f"{NODE}/{name}/people"))
    client.spin(0.3)
    scenes = {"front": crowd(("jumping jacks",), 3.0, seed=3), "rear": crowd(("bending",), 3.0, seed=3)}
    for index in range(30):
        for name, scene in scenes.items():
            each = scene[index]
            cameras[name].send(each.frame)
            message = Detection2DArray(header=image_of(each.frame, 10**9 + each.frame.stamp_ns).header)
            message.detections = [detection(box, name) for _, box in boxes_of(each)]
            detectors[name].publish(message)
        client.until(lambda index=index: all(len(got) == index + 1 for got in people.values()), what="both answers")
    assert mean_labels(people["front"]) == {"front": "jumping jacks"}
    assert mean_labels(people["rear"]) == {"rear": "bending"}
    client.until(lambda: pictures, what="a picture")
    picture = np.frombuffer(pictures[-1].data, np.uint8).reshape(*SMALL, 3)
    stamp = pictures[-1].header.stamp
    shown = scenes["front"][round(stamp.sec * 10 + stamp.nanosec / 10**8) - 10]
    changed = (picture != shown.frame.rgb).any(axis=2)
    left, _, right, bottom = (int(value) for value in boxes_of(shown)[0][1])
    assert changed[bottom - 12 : bottom + 12, left:right].any()
    assert not changed[bottom + 14 :, right + 14 :].any()


def test_the_node_idles_while_nobody_subscribes(start, client):
    start("people", PARAMETERS)
    camera = Camera(client)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    camera.wait_for_recognizer()
    camera.send_all([each.frame for each in crowd(seconds=1.0)])
    status = client.until(lambda: status_with(diagnostics, message="idle", people="0"), what="idling")
    assert "detector (ms)" not in {item.key for item in status.values}
    people = client.collect(Detection2DArray, f"{NODE}/people")
    client.until(lambda: client.node.count_publishers(f"{NODE}/people"))
    client.spin(0.5)
    camera.send_all([shifted(each, 1.0) for each in crowd(seconds=1.0)], 0.1)
    assert client.until(
        lambda: people and "detector (ms)" in {item.key for item in diagnostics[-1].status[0].values},
        what="people, found by the packaged detector",
    )
