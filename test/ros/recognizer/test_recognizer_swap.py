"""Another model while images pour in: no frame is answered by half of one, and a bad one changes nothing."""

from __future__ import annotations

import json
import time

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from recognizer_support import (
    NODE,
    Camera,
    Flood,
    clip,
    send_and_see,
    set_parameter,
    stamp_ns,
    wait_for_labels_to_connect,
)
from vision_msgs.msg import Classification, VisionInfo

from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_ros.common.qos import LATCHED

EVERY = {"image_qos": "reliable", "sampling": "every_frame"}
LOUD = [name.upper() for name in ACTIONS]


@pytest.fixture
def loud_model(tmp_path):
    """The default model with other class names."""
    names, loud = (json.dumps(labels).encode() for labels in (list(ACTIONS), LOUD))
    whole = DEFAULT_BUNDLE.read_bytes()
    assert whole.count(names) == 1
    path = tmp_path / "loud.onnx"
    path.write_bytes(whole.replace(names, loud))
    return path


def language(message):
    """Which model has answered: all of its class names are in capitals, or none."""
    capitals = {item.class_id.isupper() for item in message.results}
    assert len(capitals) == 1, "a label of two models"
    return capitals.pop()


@pytest.mark.parametrize("executor", ["single", "events"])
def test_models_change_in_a_flood_of_images_between_two_frames(client, start, loud_model, executor):
    if executor == "events":
        pytest.importorskip("rclpy.experimental", reason="this rclpy has no EventsExecutor")
    node = start("recognizer", {**EVERY, "executor": executor})
    received = client.collect(Classification, f"{NODE}/classification")
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    answered = []
    with Flood(client):
        client.until(lambda: len(received) > 5, what="labels")
        for turn in range(6):
            model = "default" if turn % 2 else str(loud_model)
            assert set_parameter(client, "model", model).successful
            client.spin(0.1)  # labels that were under way
            after = len(received)
            client.until(lambda after=after: len(received) > after + 5, what="labels of the new model")
            answered.append({language(message) for message in received[after:]})
        client.until(lambda: len(infos) >= 7, what="the names of each model")
    assert answered == [{True}, {False}] * 3
    languages = [language(message) for message in received]
    changes = sum(before != after for before, after in zip(languages, languages[1:]))
    assert changes == 6, "labels of the old model came after those of the new one"
    stamps = [stamp_ns(message.header) for message in received]
    assert stamps == sorted(set(stamps)), "a frame was answered twice"
    assert json.loads(infos[-2].database_location) == LOUD
    assert "Traceback" not in node.output
    assert "not used" not in node.output


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "there is no model"), (b"only words\n", "can't be opened as an ONNX model")],
)
def test_a_bad_model_is_refused_with_the_reason_and_the_old_one_goes_on(client, running, tmp_path, content, reason):
    _, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip(seconds=6.0)
    path = tmp_path / "bad.onnx"
    if content:
        path.write_bytes(content)
    before = send_and_see(client, camera, received, frames[:30])
    refused = set_parameter(client, "model", str(path))
    assert not refused.successful
    assert reason in refused.reason
    # The history goes on as if nobody had asked.
    middle = stamp_ns(before[-1].header)
    mirror = [item for item in expected(frames) if item[0] > middle]
    for frame in frames[30:]:
        camera.send(frame)
        client.spin(0.05)
    client.until(lambda: len(received) >= len(before) + len(mirror), what="labels of the old model")
    got = [(stamp_ns(message.header), message.results[0].class_id) for message in received[len(before) :]]
    assert got == mirror


@pytest.mark.parametrize("path", ["~nobody-of-this-name/m.onnx", "m" * 5000])
def test_a_path_that_can_not_even_be_looked_up_is_refused_and_ends_nothing(client, running, path):
    node, _ = running
    refused = set_parameter(client, "model", path)
    assert not refused.successful
    assert "can't look up the model" in refused.reason
    assert set_parameter(client, "top_k", 2).successful
    assert node.process.poll() is None


def expected(frames):
    from recognizer_support import expected_labels

    return expected_labels(frames)


def test_an_inactive_node_takes_a_new_model_too(client, start, loud_model):
    from lifecycle_msgs.msg import Transition
    from recognizer_support import RELIABLE, change_state

    start("recognizer", RELIABLE)
    camera = Camera(client)
    camera.wait_for_recognizer()
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert set_parameter(client, "model", str(loud_model)).successful
    assert change_state(client, Transition.TRANSITION_ACTIVATE)
    received = client.collect(Classification, f"{NODE}/classification")
    camera.wait_for_recognizer()
    wait_for_labels_to_connect(client)
    got = send_and_see(client, camera, received, clip())
    assert got
    assert all(language(message) for message in got)


@pytest.fixture
def slow_node(domain, monkeypatch):
    """A recognizer in the test's own process to which every further model is slow to open."""
    import rclpy

    from opendr_har_ros.recognizer import pipeline
    from opendr_har_ros.recognizer.node import PATIENCE_SEC, RecognizerNode

    rclpy.init(args=["--ros-args", "-p", "autostart:=false"], domain_id=domain)
    node = RecognizerNode()
    node.trigger_configure()
    node.trigger_activate()
    opened = pipeline.Recognizer.open

    class Slow:
        @staticmethod
        def open(*arguments):
            time.sleep(2 * PATIENCE_SEC)
            return opened(*arguments)

    monkeypatch.setattr(pipeline, "Recognizer", Slow)
    yield node
    node.destroy_node()
    rclpy.shutdown()


def set_here(node, value):
    from rclpy.parameter import Parameter

    return node.set_parameters([Parameter("model", value=value)])[0]


def wait_for_loader(node):
    assert node._loader.loading
    node._loader._thread.join()
    node._take_late_model()  # as its timer does


def test_a_model_that_takes_long_holds_nothing_up_and_runs_when_it_is_there(slow_node, loud_model):
    begun = time.monotonic()
    assert set_here(slow_node, str(loud_model)).successful
    assert time.monotonic() - begun < 1.8
    assert list(slow_node._pipeline.recognizer.labels) == list(ACTIONS)
    assert "another one is loading" in slow_node._facts("")["model"]
    refused = set_here(slow_node, "default")
    assert not refused.successful
    assert "still loading" in refused.reason
    wait_for_loader(slow_node)
    assert list(slow_node._pipeline.recognizer.labels) == LOUD
    assert slow_node._facts("")["model"] == f"x3d_xs ({loud_model})"


def test_a_model_that_turns_out_bad_late_leaves_the_old_one_and_its_name(slow_node, tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"only words")
    assert set_here(slow_node, str(path)).successful
    wait_for_loader(slow_node)
    assert list(slow_node._pipeline.recognizer.labels) == list(ACTIONS)
    assert slow_node.get_parameter("model").value == "default"
    assert slow_node._facts("")["model"] == "x3d_xs (default)"


def test_a_model_that_comes_after_the_node_was_cleaned_up_is_let_go(slow_node, loud_model):
    assert set_here(slow_node, str(loud_model)).successful
    slow_node.trigger_deactivate()
    slow_node.trigger_cleanup()
    slow_node._loader._thread.join()
    slow_node._take_late_model()
    assert slow_node._pipeline is None
