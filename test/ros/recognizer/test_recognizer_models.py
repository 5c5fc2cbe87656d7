"""Changing the model of a running recognizer, and models that can't be used."""

from __future__ import annotations

import json
import os
import time

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from recognizer_support import (
    EVERY_FRAME,
    NODE,
    Camera,
    Flood,
    change_state,
    clip,
    expected_labels,
    labels_of,
    send_and_see,
    set_parameter,
    stamp_ns,
    status_with,
    wait_for_labels_to_connect,
)
from vision_msgs.msg import Classification, VisionInfo

from opendr_har_core.errors import BackendError
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_ros.common.model_change import PATIENCE_SEC
from opendr_har_ros.common.qos import LATCHED
from opendr_har_ros.recognizer import pipeline
from opendr_har_ros.recognizer.node import RecognizerNode

CAPITALS = [name.upper() for name in ACTIONS]


@pytest.fixture
def capitals(tmp_path):
    """The default model with class names in capitals."""
    names, other = (json.dumps(labels).encode() for labels in (list(ACTIONS), CAPITALS))
    whole = DEFAULT_BUNDLE.read_bytes()
    assert whole.count(names) == 2  # of the network and of its head
    path = tmp_path / "capitals.onnx"
    path.write_bytes(whole.replace(names, other))
    return path


def is_in_capitals(message):
    found = {item.class_id.isupper() for item in message.results}
    assert len(found) == 1, "a label of two models"
    return found.pop()


def test_the_model_is_swapped_between_two_frames(client, start, capitals):
    node = start("recognizer", EVERY_FRAME)
    received = client.collect(Classification, f"{NODE}/classification")
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    answered = []
    with Flood(client):
        client.until(lambda: len(received) > 5, what="labels")
        for model in [capitals, "default"] * 2:
            count = len(infos)
            assert set_parameter(client, "model", str(model)).successful
            client.until(lambda count=count: len(infos) > count, what="the new model")
            client.spin(0.1)  # labels in transit
            after = len(received)
            client.until(lambda after=after: len(received) > after + 5, what="labels of the new model")
            answered.append({is_in_capitals(message) for message in received[after:]})
    assert answered == [{True}, {False}] * 2
    languages = [is_in_capitals(message) for message in received]
    changes = sum(before != after for before, after in zip(languages, languages[1:]))
    assert changes == 4, "labels of the old model came after those of the new one"
    stamps = [stamp_ns(message.header) for message in received]
    assert stamps == sorted(set(stamps)), "a frame was labelled twice"
    assert json.loads(infos[-2].database_location) == CAPITALS
    assert "not used" not in node.output


def test_a_link_as_the_model_is_swapped_and_survives_a_restart(client, start, capitals, tmp_path):
    share = tmp_path / "share"
    index = share / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "my_models").touch()
    (share / "my_models").mkdir()
    link, other = share / "my_models" / "current.onnx", tmp_path / "other.onnx"
    link.symlink_to(DEFAULT_BUNDLE)
    env = {"AMENT_PREFIX_PATH": os.pathsep.join([str(tmp_path), os.environ.get("AMENT_PREFIX_PATH", "")])}
    infos = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)

    def classes():
        return json.loads(client.until(lambda: infos, what="a model")[-1].database_location)

    node = start("recognizer", {"model": "package://my_models/current.onnx"}, env=env)
    assert classes() == list(ACTIONS)
    other.symlink_to(capitals)
    other.replace(link)
    infos.clear()
    assert set_parameter(client, "model", "package://my_models/current.onnx").successful
    assert classes() == CAPITALS
    node.process.kill()
    node.wait()
    infos.clear()
    start("recognizer", {"model": "~/my_models/current.onnx"}, env={"HOME": str(share)})
    assert classes() == CAPITALS
    assert "package://lost/x.onnx can't be resolved" in set_parameter(client, "model", "package://lost/x.onnx").reason


def broken_bundle(kind, folder):
    """The default bundle with a defect; metadata of the same length can be replaced in the file itself."""
    whole = DEFAULT_BUNDLE.read_bytes()
    labels = json.dumps(list(ACTIONS)).encode()
    two = b'["one", "two"]'
    contents = {
        "text": b"only words\n" * 20,
        "cut": whole[: len(whole) // 2],
        "other format": whole.replace(b"format_version\x12\x014", b"format_version\x12\x019"),
        "two labels": whole.replace(labels, two + b" " * (len(labels) - len(two)), 1),
    }
    path = folder / f"{kind.replace(' ', '_')}.onnx"
    if kind in contents:
        assert contents[kind] != whole
        path.write_bytes(contents[kind])
    if kind == "unprintable spec":
        onnx = pytest.importorskip("onnx")
        model = onnx.load(DEFAULT_BUNDLE)
        for entry in model.metadata_props:
            if entry.key == "opendr_har.spec":
                entry.value = '"\\ud800"'
        onnx.save(model, path)
    return path


def test_a_model_that_cannot_be_loaded_is_rejected_and_the_current_one_keeps_its_history(client, running, tmp_path):
    node, camera = running
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip(seconds=6.0)
    send_and_see(client, camera, received, frames[:30])
    reasons = {
        "missing": "there is no model",
        "text": "it is not an ONNX model, or damaged",
        "cut": "it is not an ONNX model, or damaged",
        "other format": "has bundle format 9, this version reads 2 to 4",
        "two labels": "2 class names for a model of 9 classes",
        "unprintable spec": "a model spec needs exactly the fields",
    }
    for kind, reason in reasons.items():
        result = set_parameter(client, "model", str(broken_bundle(kind, tmp_path)))
        if result.successful:  # loading takes longer than a second on a busy machine
            node.wait_for_output(reason)
        else:
            assert reason in result.reason
    camera.send_all(frames[30:])
    expected = expected_labels(frames)
    client.until(lambda: len(received) >= len(expected), what="labels of the current model")
    assert labels_of(received) == expected


@pytest.mark.parametrize("path", ["~nobody-of-this-name/m.onnx", "m" * 5000])
def test_a_path_that_cannot_be_resolved_is_rejected(client, running, path):
    node, _ = running
    rejected = set_parameter(client, "model", path)
    assert not rejected.successful
    assert "can't look up the model" in rejected.reason
    assert set_parameter(client, "top_k", 2).successful
    assert node.is_running


def test_an_inactive_node_takes_a_new_model(client, running, capitals):
    _, camera = running
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert set_parameter(client, "model", str(capitals)).successful
    client.until(lambda: camera.publisher.get_subscription_count() == 0)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)
    received = client.collect(Classification, f"{NODE}/classification")
    camera.wait_for_recognizer()
    wait_for_labels_to_connect(client)
    got = send_and_see(client, camera, received, clip(seconds=3.0))
    assert got
    assert all(is_in_capitals(message) for message in got)


@pytest.mark.slow
def test_scores_that_are_not_finite_give_no_label_and_an_error(client, running, tmp_path):
    onnx = pytest.importorskip("onnx")
    _, camera = running
    model = onnx.load(DEFAULT_BUNDLE)
    weights = next(item for item in model.graph.initializer if item.data_type == 1 and len(item.dims) > 1)
    values = onnx.numpy_helper.to_array(weights).copy()
    values.flat[0] = float("nan")
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    onnx.save(model, tmp_path / "nan.onnx")
    assert set_parameter(client, "model", str(tmp_path / "nan.onnx")).successful
    labels = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    camera.send_all(clip(seconds=6.0))
    status = client.until(lambda: status_with(diagnostics, message="scores are not finite"), what="the reason")
    assert status.level == DiagnosticStatus.ERROR
    assert labels == []


class LocalNode:
    """An active recognizer in the test's own process, constructed as another program would; the client spins it."""

    def __init__(self, client):
        self.client = client
        overrides = [Parameter("autostart", value=False), Parameter("top_k", value=2)]
        self.node = RecognizerNode("eyes", namespace="/robot", context=client.context, parameter_overrides=overrides)
        self._executor = SingleThreadedExecutor(context=client.context)
        self._executor.add_node(self.node)
        self.node.trigger_configure()
        self.node.trigger_activate()
        self.diagnostics = client.collect(DiagnosticArray, "/diagnostics")

    def set(self, name, value):
        return self.node.set_parameters([Parameter(name, value=value)])[0]

    def until_status(self, **wanted):
        def found():
            self._executor.spin_once(timeout_sec=0)
            return status_with(self.diagnostics, **wanted)

        return self.client.until(found, what=str(wanted))

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)

    def close(self):
        self._executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def local(client):
    made = LocalNode(client)
    yield made
    made.close()


@pytest.fixture
def slow_loading(local, monkeypatch):
    """Every further model takes twice as long to load as the node waits for one."""
    opened = pipeline.Recognizer.open

    class Slow:
        @staticmethod
        def open(*arguments):
            time.sleep(2 * PATIENCE_SEC)
            return opened(*arguments)

    monkeypatch.setattr("opendr_har_ros.common.pipeline.Recognizer", Slow)


def test_a_model_that_loads_slowly_runs_once_it_is_loaded(local, slow_loading, capitals):
    begun = time.monotonic()
    assert local.set("model", str(capitals)).successful
    assert time.monotonic() - begun < 1.8
    local.until_status(model="x3d_xs (default), another one is loading")
    rejected = local.set("model", "default")
    assert not rejected.successful
    assert "still loading" in rejected.reason
    assert local.until_status(model=f"x3d_xs ({capitals})")


def test_a_model_that_fails_late_leaves_the_current_one(local, slow_loading, tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"only words")
    assert local.set("model", str(path)).successful
    local.until_status(model="loading")
    while local.node.get_parameter("model").value != "default":
        local.spin(0.1)
    assert not local.until_status(model="x3d_xs (default)").message.endswith("loading")


def test_a_model_that_loads_after_a_cleanup_is_discarded(local, slow_loading, capitals):
    assert local.set("model", str(capitals)).successful
    local.node.trigger_deactivate()
    local.node.trigger_cleanup()
    local.spin(2.5 * PATIENCE_SEC)
    assert local.until_status(model="none")


def test_a_backend_that_fails_is_an_error_in_the_diagnostics_and_stops_nothing(local, monkeypatch):
    def fail(self, batch):
        raise BackendError("the accelerator is gone")

    assert local.set("always_on", True).successful
    monkeypatch.setattr(pipeline.Pipeline, "process", fail)
    camera = Camera(local.client, topic="/robot/image_raw")
    camera.wait_for_recognizer()
    received = local.client.collect(Classification, "/robot/eyes/classification")
    for frame in clip(seconds=1.5):
        camera.send(frame)
        local.spin(0.1)
    status = local.until_status(message="the accelerator is gone")
    assert status.level == DiagnosticStatus.ERROR
    monkeypatch.undo()
    for frame in clip("jumping", seconds=3.0):
        camera.send(frame)
        local.spin(0.06)
    assert local.until_status(message="running").name.startswith("robot/eyes:")
    local.client.until(lambda: received, what="labels")
    assert {len(message.results) for message in received} == {2}
