"""The recognizer as a process on real topics: labels, lifecycle, parameters, bad images, resets."""

from __future__ import annotations

import array
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionInfo

from opendr_har_core import Recognizer
from opendr_har_core.recognizer import DEFAULT_BUNDLE
from opendr_har_core.synth.motions import ACTIONS
from opendr_har_core.synth.scene import render_clip
from opendr_har_ros.qos import LATCHED, image_qos

NODE = "/recognizer"
START_NS = 1_000_000_000
# So that every image arrives; 'auto' subscribes anew once it has seen who publishes.
RELIABLE = {"image_qos": "reliable"}


class Camera:
    """Sends images from the test's own process."""

    def __init__(self, client, reliable=True, topic="image_raw", message_type=Image):
        self._client = client
        self.publisher = client.node.create_publisher(message_type, topic, image_qos(reliable))

    def wait_for_recognizer(self):
        self._client.until(lambda: self.publisher.get_subscription_count() == 1, what="a subscription to the images")

    def send(self, frame, stamp_ns=None, **changes):
        self.publisher.publish(image_of(frame, START_NS + frame.stamp_ns if stamp_ns is None else stamp_ns, **changes))


def image_of(frame, stamp_ns, **changes):
    height, width = frame.size
    pixels = array.array("B")
    pixels.frombytes(np.ascontiguousarray(frame.rgb).tobytes())
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width, data=pixels)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.header.frame_id = "front"
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def stamp_ns(header):
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def clip(action="walking", seconds=4.0, seed=11, fps=10.0):
    return list(render_clip(action, seconds, fps, size=(120, 160), seed=seed))


def expected_labels(frames):
    """(stamp, label) as the library gives them for the same frames."""
    stream = Recognizer.open("default").stream()
    return [(START_NS + p.stamp_ns, p.label) for p in map(stream.push, frames) if p]


def lifecycle_state(client):
    return client.call(GetState, f"{NODE}/get_state", attempts=3).current_state.id


def change_state(client, transition_id):
    request = ChangeState.Request(transition=Transition(id=transition_id))
    return client.call(ChangeState, f"{NODE}/change_state", request).success


def set_parameter(client, name, value):
    kinds = {
        str: (ParameterType.PARAMETER_STRING, "string_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
    }
    kind, field = kinds[type(value)]
    parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
    (result,) = client.call(
        SetParameters, f"{NODE}/set_parameters", SetParameters.Request(parameters=[parameter])
    ).results
    return result


def send_and_see(client, camera, received, frames):
    """Send frames one by one, each once the one before it was worked on, and return what came for them."""
    seen = len(received)
    mirror = Recognizer.open("default").stream()
    for frame in frames:
        camera.send(frame)
        if mirror.push(frame):
            count = len(received)
            client.until(lambda count=count: len(received) > count, what="a label")
        else:
            client.spin(0.04)  # time to be worked on
    return received[seen:]


def wait_for_labels_to_connect(client):
    """A publisher that we see may not yet have seen us."""
    for topic in ("classification", "hypothesis", "label"):
        client.until(lambda topic=topic: client.node.count_publishers(f"{NODE}/{topic}"))
    client.spin(0.5)


@pytest.fixture
def running(client, start):
    """A recognizer on the default model that gets images from a camera in this test."""
    node = start("recognizer", RELIABLE)
    camera = Camera(client)
    camera.wait_for_recognizer()
    return node, camera


def test_labels_on_all_topics_are_those_of_the_library_with_the_frames_stamps(client, running):
    _, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    hypotheses = client.collect(ObjectHypothesis, f"{NODE}/hypothesis")
    strings = client.collect(String, f"{NODE}/label")
    wait_for_labels_to_connect(client)
    frames = clip()
    got = send_and_see(client, camera, classifications, frames)
    expected = expected_labels(frames)
    assert len(expected) >= 5
    assert [(stamp_ns(message.header), message.results[0].class_id) for message in got] == expected
    client.until(lambda: len(strings) == len(hypotheses) == len(expected))
    assert [message.data for message in strings] == [label for _, label in expected]
    assert [message.class_id for message in hypotheses] == [label for _, label in expected]
    assert {message.header.frame_id for message in got} == {"front"}
    for message in got:
        scores = [item.score for item in message.results]
        assert len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        assert 0.9 < sum(scores) <= 1 + 1e-6


def test_a_node_at_work_has_loaded_no_torch(client, running, record_property):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    assert send_and_see(client, camera, classifications, clip())
    record_property("recognizer_peak_rss_mb", node.peak_rss_mb)
    packages = {part for path in node.mapped_files for part in Path(path).parts}
    assert "onnxruntime" in packages  # so the others would be seen, too
    assert not {"torch", "onnx"} & packages


def test_what_the_labels_mean_reaches_those_who_join_late(client, running):
    late_info = client.collect(VisionInfo, f"{NODE}/vision_info", LATCHED)
    late_labels = client.collect(LabelInfo, f"{NODE}/label_info", LATCHED)
    client.until(lambda: late_info and late_labels)
    assert late_info[0].method == "x3d_nano"
    assert json.loads(late_info[0].database_location) == list(ACTIONS)
    assert [entry.class_name for entry in late_labels[0].class_map] == list(ACTIONS)


BAD = {
    "needs 57600 bytes, but has 99": {"data": b"\x00" * 99},
    "its step is 5": {"step": 5},
    "unknown image encoding 'x-ray'": {"encoding": "x-ray"},
    "0x0 pixels has nothing in it": {"height": 0, "width": 0, "data": b""},
    "over the limit": {"height": 2**31, "width": 2**31},
}


def test_bad_images_between_good_ones_are_named_counted_and_cost_nothing_else(client, running):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    wait_for_labels_to_connect(client)
    frames = clip(seconds=6.0)
    sampled = {frame.stamp_ns for frame in sampled_frames(frames)}
    bad = iter(BAD.values())
    got = []
    for frame in frames:
        if frame.stamp_ns in sampled:
            changes = next(bad, {"encoding": "x-ray"})
            camera.send(frame, **changes)
            client.spin(0.1)
        got += send_one(client, camera, classifications, frame)
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in got] == expected_labels(frames)
    assert node.output.count("image not used") == 2  # the first and the tenth of one kind
    assert "needs 57600 bytes, but has 99" in node.output
    status = client.until(lambda: latest(diagnostics, "frames unreadable", str(len(sampled))))
    assert status.level == b"\x00"
    assert node.process.poll() is None


@pytest.mark.parametrize("message", BAD)
def test_each_kind_of_bad_image_is_named_in_the_log_and_the_diagnostics(client, running, message):
    node, camera = running
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    camera.send(clip()[0], **BAD[message])
    node.wait_for_output(message)
    status = client.until(lambda: latest(diagnostics, "frames unreadable", "1"))
    assert status.level == b"\x02"
    assert message in status.message
    assert node.process.poll() is None


def sampled_frames(frames):
    stream = Recognizer.open("default").stream()
    for frame in frames:
        stream.push(frame)
        if stream.status.sampled:
            yield frame


def send_one(client, camera, received, frame):
    before = len(received)
    camera.send(frame)
    client.spin(0.12)
    return received[before:]


def latest(diagnostics, key, value):
    """The newest status, once `key` has `value` in it."""
    if not diagnostics:
        return None
    status = diagnostics[-1].status[0]
    values = {item.key: item.value for item in status.values}
    return status if values.get(key) == value else None


def test_stamps_that_go_back_reset_are_logged_and_do_not_mix(client, running):
    node, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip("jumping", seconds=3.0)
    first = send_and_see(client, camera, classifications, frames)
    again = send_and_see(client, camera, classifications, frames)
    assert [message.results for message in again] == [message.results for message in first]
    assert node.wait_for_output("history forgotten: stamp went back by 2.90 s")


def test_the_reset_service_forgets_what_was_seen(client, running):
    _, camera = running
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    frames = clip("bending", seconds=3.0)
    send_and_see(client, camera, classifications, frames[:20])
    answer = client.call(Trigger, f"{NODE}/reset")
    assert (answer.success, answer.message) == (True, "history forgotten")
    got = send_and_see(client, camera, classifications, frames)
    assert [(stamp_ns(m.header), m.results[0].class_id) for m in got] == expected_labels(frames)


def test_a_best_effort_camera_of_large_images_is_heard(client, start):
    start("recognizer")
    camera = Camera(client, reliable=False)
    camera.wait_for_recognizer()
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    for frame in render_clip("waving one hand", 3.0, 10.0, size=(480, 640), seed=3):
        camera.send(frame)
        client.spin(0.1)
    client.until(lambda: len(classifications) >= 3)
    assert classifications[-1].results[0].class_id == "waving one hand"


def subscribed_reliability(client):
    infos = client.node.get_subscriptions_info_by_topic("/image_raw")
    return [info.qos_profile.reliability for info in infos]


def test_with_auto_the_subscription_follows_what_the_camera_offers(client, start):
    node = start("recognizer")
    camera = Camera(client, reliable=True)
    node.wait_for_output("subscribed reliably to /image_raw")
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.RELIABLE])
    client.node.destroy_publisher(camera.publisher)
    Camera(client, reliable=False)
    node.wait_for_output("subscribed with best effort to /image_raw")
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.BEST_EFFORT])


def test_a_parameter_file_overrides_the_quality_of_service(client, start):
    overrides = {"reliability": "best_effort", "depth": 3}
    parameters = {f"qos_overrides./image_raw.subscription.{name}": value for name, value in overrides.items()}
    start("recognizer", {**parameters, **RELIABLE})
    camera = Camera(client, reliable=True)
    camera.wait_for_recognizer()
    client.until(lambda: subscribed_reliability(client) == [ReliabilityPolicy.BEST_EFFORT])
    names = [f"qos_overrides./image_raw.subscription.{name}" for name in ("reliability", "depth")]
    answer = client.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request(names=names))
    assert [answer.values[0].string_value, answer.values[1].integer_value] == ["best_effort", 3]


def test_compressed_images_are_heard(client, start):
    import cv2

    start("recognizer", {"transport": "compressed", **RELIABLE})
    camera = Camera(client, topic="image_raw/compressed", message_type=CompressedImage)
    camera.wait_for_recognizer()
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    for frame in clip("raising both arms", seconds=3.0):
        _, data = cv2.imencode(".jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
        message = CompressedImage(format="jpeg", data=data.tobytes())
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(START_NS + frame.stamp_ns, 10**9)
        camera.publisher.publish(message)
        client.spin(0.05)
    client.until(lambda: len(classifications) >= 3)
    assert classifications[-1].results[0].class_id == "raising both arms"


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
    refused = set_parameter(client, "model", "other.onnx")
    assert not refused.successful
    assert "model can't change while a model is loaded" in refused.reason
    assert "one of" in set_parameter(client, "class_id_format", "roman").reason
    assert not set_parameter(client, "threshold", 1.5).successful
    assert not set_parameter(client, "threshold", "high").successful
    assert not set_parameter(client, "autostart", "no").successful


def test_every_parameter_is_described_on_the_wire(client, running):
    from opendr_har_ros.recognizer_parameters import RECOGNIZER

    names = [parameter.name for parameter in RECOGNIZER]
    answer = client.call(DescribeParameters, f"{NODE}/describe_parameters", DescribeParameters.Request(names=names))
    assert [item.description for item in answer.descriptors] == [parameter.description for parameter in RECOGNIZER]


BAD_BUNDLES = {
    "missing": "there is no model '",
    "text": "can't be opened as an ONNX model",
    "cut": "can't be opened as an ONNX model",
    "other format": "has bundle format 9, this version reads format 2",
    "two labels": "2 class names for a model of 6 classes",
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
    assert client.until(lambda: diagnostics)[0].status[0].message == "not active"
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
    assert values["model"].startswith("x3d_nano")
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
