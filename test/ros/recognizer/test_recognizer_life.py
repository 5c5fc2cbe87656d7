"""The recognizer as a process: parameters, models, lifecycle, names."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from rcl_interfaces.srv import DescribeParameters
from recognizer_support import (
    NODE,
    RELIABLE,
    Camera,
    change_state,
    clip,
    lifecycle_state,
    send_and_see,
    set_parameter,
    wait_for_labels_to_connect,
)
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification, LabelInfo

from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_ros.common.qos import LATCHED


def test_parameters_change_live_where_they_can_and_are_refused_where_they_cannot(client, running):
    _, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    infos = client.collect(LabelInfo, f"{NODE}/label_info", LATCHED)
    frames = clip(seconds=8.0)
    send_and_see(client, camera, classifications, frames[:32])
    for name, value in (("top_k", 2), ("class_id_format", "index")):
        assert set_parameter(client, name, value).successful
    best = send_and_see(client, camera, classifications, frames[32:48])[-1].results
    assert len(best) == 2
    assert best[0].class_id == str(ACTIONS.index("walking"))
    assert set_parameter(client, "threshold", 1.0).successful
    assert set_parameter(client, "class_id_format", "name").successful
    results = send_and_see(client, camera, classifications, frames[48:64])[-1].results
    assert results[0].class_id == "no activity"
    client.until(lambda: infos[-1].threshold == 1.0, what="the new threshold in label_info")
    refused = set_parameter(client, "sampling", "every_frame")
    assert not refused.successful
    assert "sampling can't change while a model is loaded" in refused.reason
    assert "one of" in set_parameter(client, "class_id_format", "roman").reason
    assert not set_parameter(client, "threshold", 1.5).successful
    assert not set_parameter(client, "threshold", "high").successful
    assert not set_parameter(client, "autostart", "no").successful


def test_every_parameter_is_described_on_the_wire(client, running):
    from opendr_har_ros.recognizer.parameters import RECOGNIZER

    names = [parameter.name for parameter in RECOGNIZER]
    answer = client.call(DescribeParameters, f"{NODE}/describe_parameters", DescribeParameters.Request(names=names))
    assert [item.description for item in answer.descriptors] == [parameter.description for parameter in RECOGNIZER]


BAD_BUNDLES = {
    "missing": "there is no model '",
    "text": "can't be opened as an ONNX model",
    "cut": "can't be opened as an ONNX model",
    "other format": "has bundle format 9, this version reads 2 and 3",
    "two labels": "2 class names for a model of 9 classes",
}


def bad_bundle(kind, folder):
    """The default bundle, broken; metadata of the same length can be changed in the file itself."""
    whole = DEFAULT_BUNDLE.read_bytes()
    labels = json.dumps(list(ACTIONS)).encode()
    two = b'["one", "two"]'
    contents = {
        "text": b"only words\n" * 20,
        "cut": whole[: len(whole) // 2],
        "other format": whole.replace(b"format_version\x12\x012", b"format_version\x12\x019"),
        "two labels": whole.replace(labels, two + b" " * (len(labels) - len(two))),
    }
    path = folder / f"{kind.replace(' ', '_')}.onnx"
    if kind in contents:
        assert contents[kind] != whole
        path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize("kind", BAD_BUNDLES)
def test_a_model_that_cannot_be_loaded_fails_the_transition_and_a_good_one_recovers(kind, client, start, tmp_path):
    path = bad_bundle(kind, tmp_path)
    node = start("recognizer", {"model": path, **RELIABLE})
    node.wait_for_output("not configured")
    assert BAD_BUNDLES[kind] in node.output
    assert str(path) in node.output
    assert "Traceback" not in node.output
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    status = client.until(lambda: diagnostics)[0].status[0]
    assert status.level == b"\x02"
    assert BAD_BUNDLES[kind] in status.message
    assert lifecycle_state(client) == State.PRIMARY_STATE_UNCONFIGURED
    assert client.call(Trigger, f"{NODE}/reset").success is False
    assert change_state(client, Transition.TRANSITION_CONFIGURE) is False
    assert set_parameter(client, "model", "default").successful
    assert change_state(client, Transition.TRANSITION_CONFIGURE)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)
    camera = Camera(client)
    camera.wait_for_recognizer()
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    assert send_and_see(client, camera, classifications, clip())


def test_an_activation_that_fails_leaves_the_node_inactive_and_silent(client, start):
    wrong = {"qos_overrides./image_raw.subscription.reliability": "sometimes"}
    node = start("recognizer", wrong)
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    node.wait_for_output("reliability is 'sometimes', expected 'reliable' or 'best_effort'")
    assert lifecycle_state(client) == State.PRIMARY_STATE_INACTIVE
    status = client.until(lambda: diagnostics)[0].status[0]
    assert status.level == DiagnosticStatus.ERROR
    assert "is 'sometimes', expected" in status.message
    assert "not active; mend what is wrong" in node.output
    assert client.node.count_subscribers("/image_raw") == 0
    assert change_state(client, Transition.TRANSITION_CLEANUP)
    assert node.interrupt() == 0


def test_a_managed_node_goes_through_its_whole_life_twice(client, start):
    start("recognizer", {"autostart": "false", **RELIABLE})
    assert lifecycle_state(client) == State.PRIMARY_STATE_UNCONFIGURED
    classifications = client.collect(Classification, f"{NODE}/classification")
    camera = Camera(client)
    frames = clip()
    lives = []
    for _ in range(2):
        assert change_state(client, Transition.TRANSITION_CONFIGURE)
        assert camera.publisher.get_subscription_count() == 0
        assert change_state(client, Transition.TRANSITION_ACTIVATE)
        camera.wait_for_recognizer()
        client.spin(0.5)
        lives.append([message.results for message in send_and_see(client, camera, classifications, frames)])
        assert change_state(client, Transition.TRANSITION_DEACTIVATE)
        client.until(lambda: camera.publisher.get_subscription_count() == 0)
        assert change_state(client, Transition.TRANSITION_CLEANUP)
    assert lives[0] == lives[1]
    assert lives[0]
    assert change_state(client, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"top_k": "many"}, "top_k"),
        ({"threshold": "7.5"}, "threshold"),
        ({"sampling": "sometimes"}, "sampling is 'sometimes', expected one of"),
    ],
)
def test_a_wrong_parameter_is_one_line_and_code_2(start, parameters, message):
    node = start("recognizer", parameters)
    assert node.wait() == 2
    assert message in node.output
    assert "Traceback" not in node.output


def test_a_provider_that_is_not_there_is_named_with_those_that_are(client, start):
    node = start("recognizer", {"providers": "['warp_drive']"})
    node.wait_for_output("no execution provider 'warp_drive'; it has ['")
    assert lifecycle_state(client) == State.PRIMARY_STATE_UNCONFIGURED


def test_diagnostics_say_that_no_image_comes(client, start):
    start("recognizer", {"image_qos": "best_effort"})
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    status = client.until(
        lambda: next((s for a in diagnostics for s in a.status if "no image has arrived" in s.message), None)
    )
    values = {item.key: item.value for item in status.values}
    assert values["model"].startswith("x3d_xs")
    assert values["provider"] == "CPUExecutionProvider"
    assert values["stream"] == "idle"


def test_names_are_remappable_and_the_node_ends_cleanly(client, start):
    node = start("recognizer", extra=["-r", "__ns:=/robot", "-r", "image_raw:=/eye/image", "-r", "~/label:=/activity"])
    camera = Camera(client, topic="/eye/image")
    camera.wait_for_recognizer()
    client.until(lambda: client.node.count_publishers("/activity"))
    assert client.node.count_publishers("/robot/recognizer/classification") == 1
    assert node.interrupt() == 0
    assert "Traceback" not in node.output
