"""The substitute for vision_msgs has the real one's type hashes; both packages' types work between two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

LONG_SEC = 30.0
# Of vision_msgs 4.1.1, as released in ROS 2.
REAL = {
    "BoundingBox2D": "008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f",
    "Classification": "f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143",
    "Detection2D": "0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea",
    "Detection2DArray": "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "LabelInfo": "3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "ObjectHypothesis": "51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90",
    "ObjectHypothesisWithPose": "41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc",
    "Point2D": "eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247",
    "Pose2D": "b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648",
    "VisionClass": "1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a",
    "VisionInfo": "95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284",
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_type_has_the_hash_of_the_real_package(client, name):
    import vision_msgs.msg

    publisher = client.node.create_publisher(getattr(vision_msgs.msg, name), f"test_{name}", 1)
    (endpoint,) = client.until(lambda: client.node.get_publishers_info_by_topic(publisher.topic_name))
    assert endpoint.topic_type == f"vision_msgs/msg/{name}"
    if not hasattr(endpoint, "topic_type_hash"):
        pytest.skip("this distribution has no type hashes")
    assert bytes(endpoint.topic_type_hash.value).hex() == REAL[name]


def test_messages_arrive_unchanged(client):
    from vision_msgs.msg import (
        Classification,
        Detection2D,
        Detection2DArray,
        LabelInfo,
        ObjectHypothesis,
        ObjectHypothesisWithPose,
        VisionClass,
    )

    sent = Classification(results=[ObjectHypothesis(class_id="wåving", score=0.25), ObjectHypothesis(score=-1e300)])
    sent.header.frame_id, sent.header.stamp.sec, sent.header.stamp.nanosec = "camera", 12, 345
    info = LabelInfo(class_map=[VisionClass(class_id=65535, class_name="last")], threshold=0.5)
    person = Detection2D(id="7", results=[ObjectHypothesisWithPose(hypothesis=sent.results[0])])
    person.bbox.center.position.x, person.bbox.size_y = 320.5, 100.25
    for message in (sent, info, Detection2DArray(header=sent.header, detections=[person, Detection2D()])):
        topic = type(message).__name__
        received = client.collect(type(message), topic)
        publisher = client.node.create_publisher(type(message), topic, 10)
        client.until(lambda publisher=publisher: publisher.get_subscription_count() == 1)
        publisher.publish(message)
        client.until(lambda received=received: received)
        assert received == [message]


def serve():
    """A node of another process: every type of opendr_har_msgs, answering with what it was sent."""
    import rclpy
    from opendr_har_msgs.action import Teach, TrainModel, WaitForActivity
    from opendr_har_msgs.msg import ActivityEvent, Lesson
    from opendr_har_msgs.srv import Forget, Lessons, SetModel
    from rclpy.action import ActionServer, CancelResponse
    from rclpy.callback_groups import ReentrantCallbackGroup
    from rclpy.executors import MultiThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("server")
    events = node.create_publisher(ActivityEvent, "events", 10)

    def set_model(request, response):
        response.success, response.message, response.class_names = True, request.model, ["waving", "other"]
        return response

    def train(handle):
        goal = handle.request
        handle.publish_feedback(TrainModel.Feedback(state=goal.base, epochs=goal.epochs, loss=float("nan")))
        handle.succeed()
        return TrainModel.Result(bundle=goal.output, metric_names=goal.settings, metric_values=[0.5, -1.0])

    def teach(handle):
        handle.publish_feedback(Teach.Feedback(state=handle.request.track_id, people=-1))
        handle.succeed()
        return Teach.Result(success=True, message=handle.request.label, examples=3, warnings=["first", "second"])

    def lessons(request, response):
        response.lessons = [Lesson(label="waving", id="7", used=True, thumbnail=b"jpeg")] * request.thumbnails
        return response

    def forget(request, response):
        response.success, response.message = request.id == "7", request.label
        return response

    def wait(handle):
        event = ActivityEvent(track_id="7", class_id=handle.request.label, kind=ActivityEvent.ENDED)
        event.duration = handle.request.hold
        events.publish(event)
        while not handle.is_cancel_requested:
            handle.publish_feedback(WaitForActivity.Feedback(label=handle.request.label, score=0.25))
        handle.canceled()
        return WaitForActivity.Result(message="canceled")

    group = ReentrantCallbackGroup()
    accept = {"callback_group": group, "cancel_callback": lambda _: CancelResponse.ACCEPT}
    node.create_service(SetModel, "set_model", set_model)
    node.create_service(Lessons, "lessons", lessons)
    node.create_service(Forget, "forget", forget)
    servers = [
        ActionServer(node, TrainModel, "train", train),
        ActionServer(node, Teach, "teach", teach),
        ActionServer(node, WaitForActivity, "wait", wait, **accept),
    ]
    executor = MultiThreadedExecutor(num_threads=3)
    executor.add_node(node)
    while not stop:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    for server in servers:
        server.destroy()
    rclpy.shutdown()


@pytest.fixture
def server(domain, tmp_path):
    log = tmp_path / "server.log"
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, __file__], env=environment, stdout=file, stderr=file)
    yield
    process.terminate()
    assert process.wait(LONG_SEC) == 0, log.read_text()


def test_services_actions_and_events_work_between_two_processes(client, server):
    pytest.importorskip("opendr_har_msgs")
    from action_msgs.msg import GoalStatus
    from builtin_interfaces.msg import Duration
    from opendr_har_msgs.action import Teach, TrainModel, WaitForActivity
    from opendr_har_msgs.msg import ActivityEvent
    from opendr_har_msgs.srv import Forget, Lessons, SetModel
    from rclpy.action import ActionClient

    def send(action, name, goal):
        action_client = ActionClient(client.node, action, name)
        client.until(action_client.server_is_ready, what=name)
        feedback = []
        future = action_client.send_goal_async(goal, lambda message: feedback.append(message.feedback))
        client.until(future.done)
        assert future.result().accepted
        return future.result(), feedback

    answer = client.call(SetModel, "set_model", SetModel.Request(model="gestures.onnx"))
    assert (answer.success, answer.message, answer.class_names) == (True, "gestures.onnx", ["waving", "other"])

    listed = client.call(Lessons, "lessons", Lessons.Request(thumbnails=True)).lessons
    assert [(lesson.label, lesson.id, lesson.used, bytes(lesson.thumbnail)) for lesson in listed] == [
        ("waving", "7", True, b"jpeg")
    ]
    answer = client.call(Forget, "forget", Forget.Request(label="waving", id="7"))
    assert (answer.success, answer.message) == (True, "waving")

    handle, feedback = send(Teach, "teach", Teach.Goal(label="waving", track_id="12"))
    future = handle.get_result_async()
    client.until(lambda: future.done() and feedback)
    result = future.result().result
    assert (result.message, result.examples, result.warnings) == ("waving", 3, ["first", "second"])
    assert (feedback[0].state, feedback[0].people) == ("12", -1)

    goal = TrainModel.Goal(data="videos", base="x3d_s.pyth", output="out.onnx", epochs=3, settings=["lr=0.1", "seed=7"])
    handle, feedback = send(TrainModel, "train", goal)
    future = handle.get_result_async()
    client.until(lambda: future.done() and feedback)
    assert future.result().status == GoalStatus.STATUS_SUCCEEDED
    result = future.result().result
    assert (result.bundle, result.metric_names, list(result.metric_values)) == ("out.onnx", goal.settings, [0.5, -1.0])
    assert (feedback[0].state, feedback[0].epochs) == ("x3d_s.pyth", 3)
    assert feedback[0].loss != feedback[0].loss

    events = client.collect(ActivityEvent, "events")
    client.until(lambda: client.node.count_publishers("events"))
    handle, feedback = send(WaitForActivity, "wait", WaitForActivity.Goal(label="waving", hold=Duration(sec=2)))
    client.until(lambda: events and feedback)
    assert (events[0].class_id, events[0].kind, events[0].duration.sec) == ("waving", ActivityEvent.ENDED, 2)
    assert (feedback[0].label, feedback[0].score) == ("waving", 0.25)
    handle.cancel_goal_async()
    future = handle.get_result_async()
    client.until(future.done)
    assert future.result().status == GoalStatus.STATUS_CANCELED
    assert not future.result().result.reached


if __name__ == "__main__":
    serve()
