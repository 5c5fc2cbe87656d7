"""The recognizer's service ~/set_model, and the recognizer without opendr_har_msgs."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("opendr_har_msgs")
from opendr_har_msgs.srv import SetModel
from recognizer_support import NODE, RELIABLE, Camera, clip, wait_for_labels_to_connect
from vision_msgs.msg import Classification

from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_ros.common.model_change import PATIENCE_SEC

SLOW = f"""
import time
from opendr_har_core.streaming.recognizer import Recognizer
opened = Recognizer.open
Recognizer.open = lambda *arguments: (time.sleep({6 * PATIENCE_SEC}), opened(*arguments))[1]
"""


def test_the_answer_has_the_new_models_classes_or_the_reason(client, running, tiny_bundle, tmp_path):
    def answer(path):
        return client.call(SetModel, f"{NODE}/set_model", SetModel.Request(model=str(path)))

    new = answer(tiny_bundle("x3d"))
    assert new.success, new.message
    assert "x3d" in new.message
    assert list(new.class_names) != list(ACTIONS)
    (tmp_path / "text.onnx").write_bytes(b"only words")
    refused = answer(tmp_path / "text.onnx")
    assert not refused.success
    assert "it is not an ONNX model, or damaged" in refused.message
    assert refused.class_names == new.class_names
    assert list(answer("default").class_names) == list(ACTIONS)


@pytest.mark.slow
def test_labels_go_on_while_a_model_loads_slowly(client, start, tmp_path):
    start("recognizer", RELIABLE, before=SLOW)
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    (tmp_path / "copy.onnx").write_bytes(DEFAULT_BUNDLE.read_bytes())
    (tmp_path / "text.onnx").write_bytes(b"only words")
    service = client.node.create_client(SetModel, f"{NODE}/set_model")
    client.until(service.service_is_ready)
    camera.send_all(clip())
    for name, is_model in (("copy.onnx", True), ("text.onnx", False)):
        answer = service.call_async(SetModel.Request(model=str(tmp_path / name)))
        client.spin(1.2 * PATIENCE_SEC)
        received.clear()
        for frame in clip("jumping", 3.0):
            camera.send(frame, frame.stamp_ns + 10**12 * (2 - is_model))
            client.spin(0.02)
        assert received
        assert not answer.done()
        client.until(answer.done, what="the answer")
        assert answer.result().success == is_model
        assert list(answer.result().class_names) == list(ACTIONS)
        assert is_model or "it is not an ONNX model" in answer.result().message


def test_the_recognizer_runs_without_opendr_har_msgs(client, start):
    node = start("recognizer", RELIABLE, before="import sys; sys.modules['opendr_har_msgs'] = None")
    camera = Camera(client)
    camera.wait_for_recognizer()
    received = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    camera.send_all(clip())
    client.until(lambda: received, what="labels")
    assert "no ~/events, ~/set_model, ~/wait_for_activity and ~/teach: opendr_har_msgs can't be imported" in node.output
    assert not client.node.count_publishers(f"{NODE}/events")
