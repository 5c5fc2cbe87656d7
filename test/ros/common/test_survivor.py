"""Errors that rclpy would let end a node: from neighbours, from callbacks, from a machine that lacks something."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
sys.path.insert(0, str(Path(__file__).parents[1]))
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from recognizer_support import Camera, clip, set_parameter, status_with
from vision_msgs.msg import Classification

from opendr_har_ros.common.survivor import MOST_IN_A_ROW, Survivor
from opendr_har_ros.common.text import sendable
from opendr_har_ros.web.node import _stream

ANY_PORT = {"port": 0}


class Executor:
    """Fails in the turns that it is told."""

    def __init__(self, fails):
        self._fails, self.turn = fails, 0

    def spin_once(self, timeout_sec):
        self.turn += 1
        if self._fails(self.turn):
            raise ValueError(f"turn {self.turn}, a file named \udce9")


def survivor():
    lines = []
    return Survivor(SimpleNamespace(get_logger=lambda: SimpleNamespace(error=lines.append))), lines


def test_errors_between_other_work_are_survived_and_logged_ever_more_rarely():
    made, lines = survivor()
    executor = Executor(lambda turn: turn % 2)
    for _ in range(250):
        made.spin_once(executor)
    assert [line.rpartition("(")[2] for line in lines[1:]] == ["10 times by now)", "100 times by now)"]
    assert "turn 1, a file named \\udce9" in lines[0]


def test_an_error_that_is_all_that_happens_is_raised_in_the_end():
    made, _ = survivor()
    executor = Executor(lambda turn: True)
    with pytest.raises(ValueError, match=f"turn {MOST_IN_A_ROW}"):
        for _ in range(1000):
            made.spin_once(executor)


@pytest.mark.parametrize(("executable", "given"), [("recognizer", {}), ("trainer", {}), ("web", ANY_PORT)])
def test_a_request_that_rclpy_fails_on_ends_no_node(client, start, executable, given):
    node = start(executable, given)
    node.may_log_tracebacks = True
    name = f"/{executable}"
    asking = client.node.create_client(SetParameters, f"{name}/set_parameters")
    client.until(asking.service_is_ready, what="the node")
    broken = Parameter(name="use_sim_time", value=ParameterValue(type=77))
    asking.call_async(SetParameters.Request(parameters=[broken]))
    node.wait_for_output("going on after an error")
    answer = client.call(GetParameters, f"{name}/get_parameters", GetParameters.Request(names=["use_sim_time"]))
    assert [value.bool_value for value in answer.values] == [False]
    assert node.interrupt() == 0


def test_text_is_made_so_that_it_can_be_sent():
    assert sendable("caf\udce9 \0 caf\u00e9 \u2028") == "caf\\udce9 \\x00 caf\u00e9 \u2028"


@pytest.mark.parametrize("text", ["warming \u00b2/3", "warming 1/" + "9" * 5000, "warming /", "running", ""])
def test_a_warm_up_that_is_none_is_no_error(text):
    assert _stream(text) is None


@pytest.fixture
def broken_spec(tmp_path):
    """A bundle whose spec can't be printed."""
    onnx = pytest.importorskip("onnx")
    from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE

    model = onnx.load(DEFAULT_BUNDLE)
    for entry in model.metadata_props:
        if entry.key == "opendr_har.spec":
            entry.value = '"\\ud800"'
    onnx.save(model, tmp_path / "broken.onnx")
    return tmp_path / "broken.onnx"


def test_a_bundle_whose_error_can_not_be_sent_is_refused_and_said(client, running, broken_spec):
    node, _ = running
    result = set_parameter(client, "model", str(broken_spec))
    assert not result.successful
    assert "a model spec needs exactly the fields" in result.reason
    assert node.interrupt() == 0


def test_a_start_with_such_a_bundle_says_why_in_the_diagnostics(client, start, broken_spec):
    node = start("recognizer", {"model": broken_spec})
    heard = client.collect(DiagnosticArray, "/diagnostics")
    status = client.until(lambda: heard)[0].status[0]
    assert status.level == DiagnosticStatus.ERROR
    assert "a model spec needs exactly the fields" in status.message
    assert node.interrupt() == 0


def test_a_model_that_yields_no_numbers_gives_no_labels_and_says_so(client, start, tmp_path):
    onnx = pytest.importorskip("onnx")
    import numpy as np

    from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE

    model = onnx.load(DEFAULT_BUNDLE)
    weights = next(item for item in model.graph.initializer if item.data_type == 1 and len(item.dims) > 1)
    array = onnx.numpy_helper.to_array(weights).copy()
    array.flat[0] = np.nan
    weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))
    onnx.save(model, tmp_path / "nan.onnx")
    node = start("recognizer", {"model": tmp_path / "nan.onnx", "image_qos": "reliable"})
    camera = Camera(client)
    camera.wait_for_recognizer()
    labels = client.collect(Classification, "/recognizer/classification")
    heard = client.collect(DiagnosticArray, "/diagnostics")
    client.until(lambda: client.node.count_publishers("/recognizer/classification"), what="labels")
    client.spin(0.5)
    for frame in clip(seconds=6.0):
        camera.send(frame)
        client.spin(0.02)
    status = client.until(lambda: status_with(heard, message="scores are not finite"), what="the reason")
    assert status.level == DiagnosticStatus.ERROR
    assert labels == []
    assert node.interrupt() == 0


def test_a_video_whose_name_is_no_text_fails_the_job_and_not_the_trainer(client, start, tmp_path):
    pytest.importorskip("lightning")
    from trainer_support import Trainer

    (tmp_path / "clips" / "walking").mkdir(parents=True)
    (tmp_path / "clips" / "running").mkdir()
    (tmp_path / "clips" / "running" / "b.mp4").touch()
    Path(os.fsdecode(os.fsencode(tmp_path / "clips" / "walking") + b"/caf\xe9.mp4")).touch()
    node = start("trainer", {"data": tmp_path / "clips", "output": tmp_path / "mine.onnx"})
    trainer = Trainer(client)
    assert trainer.start().success
    status = trainer.until(state="failed")
    assert "caf\\udce9" in status["error"]
    assert node.interrupt() == 0


def test_a_folder_that_can_not_be_looked_up_ends_no_trainer(client, start, tmp_path):
    pytest.importorskip("lightning")
    from trainer_support import Trainer, draw_clips

    folder = tmp_path / ("a" * 300)
    given = {"data": draw_clips(tmp_path / "clips"), "output": tmp_path / "mine.onnx", "checkpoint_folder": folder}
    node = start("trainer", given)
    trainer = Trainer(client)
    assert trainer.start().success
    assert trainer.cancel().success
    status = trainer.until_true(lambda status: status["state"] in ("cancelled", "failed"))
    assert status["message"]
    assert node.interrupt() == 0
