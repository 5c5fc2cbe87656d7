"""What must hold while images pour in: transitions, resets, parameter changes and signals at any moment."""

from __future__ import annotations

import signal
import threading
import time

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from recognizer_support import NODE, Flood, change_state, image_of, set_parameter, values_of
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification

from opendr_har_core.backends.runtime import ort
from opendr_har_core.errors import BackendError
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip

LONG_SEC = 10.0
EVERY = {"image_qos": "reliable", "sampling": "every_frame"}


def test_a_node_goes_up_and_down_in_a_flood_of_images(client, start):
    node = start("recognizer", EVERY)
    received = client.collect(Classification, f"{NODE}/classification")
    with Flood(client) as flood:
        for life in range(3):
            client.until(lambda: flood.publisher.get_subscription_count() == 1)
            count = len(received)
            client.until(lambda count=count: len(received) > count + 5, what="labels")
            assert client.call(Trigger, f"{NODE}/reset").success
            assert set_parameter(client, "smoothing", 0.1 * life).successful
            assert change_state(client, Transition.TRANSITION_DEACTIVATE)
            client.spin(0.3)
            count = len(received)
            client.spin(0.3)
            assert len(received) == count, "an inactive node publishes"
            if life == 1:
                assert change_state(client, Transition.TRANSITION_CLEANUP)
                assert change_state(client, Transition.TRANSITION_CONFIGURE)
            assert change_state(client, Transition.TRANSITION_ACTIVATE)
        client.until(lambda: flood.publisher.get_subscription_count() == 1)
        assert change_state(client, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert client.call(GetState, f"{NODE}/get_state", attempts=3).current_state.id == State.PRIMARY_STATE_FINALIZED
        assert node.interrupt() == 0
    assert "Traceback" not in node.output
    assert "not used" not in node.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_twice_at_work_still_ends_it_in_order(number, client, start):
    """A terminal and a launcher both pass a Ctrl-C on."""
    node = start("recognizer", EVERY)
    received = client.collect(Classification, f"{NODE}/classification")
    with Flood(client):
        client.until(lambda: len(received) > 3, what="labels")
        node.process.send_signal(number)
        time.sleep(0.02)
        node.process.send_signal(number)
        assert node.wait() == 0
    assert "Traceback" not in node.output


@pytest.mark.parametrize("executable", ["recognizer", "video_publisher"])
def test_a_signal_while_it_still_loads_ends_it_in_order(executable, start, tmp_path):
    film = write_video(tmp_path / "film.mp4", render_clip("walking", 1.0, seed=1), 30.0)
    node = start(executable, {"video": film, "loop": 0} if executable == "video_publisher" else {})
    node.wait_for_library("rclpy")
    assert node.interrupt() == 0
    assert "Traceback" not in node.output


@pytest.fixture
def node_here(domain):
    """A recognizer in the test's own process, not started."""
    from opendr_har_ros.recognizer.node import RecognizerNode

    rclpy.init(args=["--ros-args", "-p", "autostart:=false"], domain_id=domain)
    node = RecognizerNode()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_configuring_again_and_again_piles_nothing_up(node_here):
    counts = set()
    for _ in range(3):
        for trigger in (node_here.trigger_configure, node_here.trigger_activate, node_here.trigger_deactivate):
            assert trigger() == TransitionCallbackReturn.SUCCESS
        counts.add((len(list(node_here.publishers)), len(node_here._managed_entities), threading.active_count()))
        node_here.trigger_cleanup()
    assert len(counts) == 1
    assert len(node_here._managed_entities) == 0


def watched_camera(node):
    """The node's one camera, at work although nobody subscribes to its labels."""
    assert node.set_parameters([Parameter("always_on", value=True)])[0].successful
    return node._cameras[""]


def test_no_image_from_before_a_reset_gets_into_the_new_history(node_here, monkeypatch):
    node_here.trigger_configure()
    node_here.trigger_activate()
    camera = watched_camera(node_here)
    pipeline, process = node_here._pipeline, node_here._pipeline.process
    started, release = threading.Semaphore(0), threading.Semaphore(0)

    def slow(batch):
        started.release()
        assert release.acquire(timeout=LONG_SEC)
        return process(batch)

    monkeypatch.setattr(pipeline, "process", slow)
    frames = list(render_clip("bending", 0.5, 10.0, size=(120, 160), seed=5))
    for index, frame in enumerate(frames[:3]):  # the first at work, the second replaced by the third, which waits
        node_here._on_image(camera, image_of(frame, 10**9 + frame.stamp_ns))
        assert index or started.acquire(timeout=LONG_SEC)
    threading.Timer(0.2, release.release, (3,)).start()
    assert node_here._on_reset(Trigger.Request(), Trigger.Response()).success
    assert not started.acquire(timeout=0.3), "an image from before the reset is worked on"
    assert str(pipeline.status("")) == "idle"
    report = camera.statistics.report(time.monotonic_ns())
    assert (report.received, report.sampled, report.dropped) == (3, 1, 2)


def test_a_model_that_begins_to_fail_is_reported_and_stops_nothing(node_here, monkeypatch):
    node_here.trigger_configure()
    node_here.trigger_activate()
    camera = watched_camera(node_here)
    done = threading.Semaphore(0)

    def broken(batch):
        done.release()
        raise BackendError("the accelerator is gone")

    monkeypatch.setattr(node_here._pipeline, "process", broken)
    frame = next(iter(render_clip("bending", 0.5, 10.0, size=(120, 160), seed=5)))
    for index in range(12):
        node_here._on_image(camera, image_of(frame, (1 + index) * 10**9))
        assert done.acquire(timeout=LONG_SEC)
    node_here._worker.flush()
    report = camera.statistics.report(time.monotonic_ns())
    assert (report.unreadable, report.failing, report.last_error) == (12, 12, "the accelerator is gone")
    assert node_here.trigger_deactivate() == TransitionCallbackReturn.SUCCESS


def test_a_provider_that_fails_hands_over_to_the_next_and_the_diagnostics_say_so(node_here, monkeypatch):
    wanted = Parameter("providers", value=["azure", "cpu"])
    if not node_here.set_parameters([wanted])[0].successful or "azure" not in available_providers():
        pytest.skip("this ONNX Runtime has no second provider")
    node_here.trigger_configure()
    node_here.trigger_activate()
    camera = watched_camera(node_here)
    monkeypatch.setattr(sessions_of(node_here), "single", Broken(sessions_of(node_here).single))
    warnings = []
    monkeypatch.setattr(camera, "_log_warning", warnings.append)
    for frame in render_clip("bending", 2.0, 10.0, size=(120, 160), seed=5):
        node_here._on_image(camera, image_of(frame, 10**9 + frame.stamp_ns))
        time.sleep(0.05)
        node_here._worker.flush()
    reports = []
    monkeypatch.setattr(node_here._diagnostics, "publish", reports.append)
    node_here._publish_diagnostics()
    (status,) = reports[0].status
    assert (status.level, values_of(status)["provider"]) == (b"\x01", "CPUExecutionProvider")
    assert "the accelerator is gone; continuing on CPUExecutionProvider" in status.message
    assert (values_of(status)["frames unreadable"], values_of(status)["stream resets"]) == ("0", "0")
    assert camera.statistics.report(time.monotonic_ns()).published > 0


def available_providers():
    return [name.replace("ExecutionProvider", "").lower() for name in ort.get_available_providers()]


def sessions_of(node):
    return node._pipeline.recognizer._backend._sessions._current


class Broken:
    """A session of a provider that has failed."""

    def __init__(self, session):
        self._session = session

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, *_):
        raise RuntimeError("the accelerator is gone")
