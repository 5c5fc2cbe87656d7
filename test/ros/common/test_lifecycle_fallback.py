"""The recognizer on an rclpy without lifecycle nodes, and without all else that Foxy's lacks; our state machine."""

from __future__ import annotations

import array
import itertools
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("lifecycle_msgs")
import rclpy
from lifecycle_msgs.msg import State, Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from opendr_har_core import Recognizer
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.managed_node import ManagedNode
from opendr_har_ros.common.qos import image_qos
from opendr_har_ros.common.state_machine import TransitionCallbackReturn

NODE = "/recognizer"
FOLDER = str(Path(__file__).parents[1])
PARAMETERS = {"image_qos": "reliable"}
# Runs in a process before anything else does.
SITE = "import sys; sys.path.append({folder!r}); import older_rclpy; older_rclpy.install({more!r})\n"
PRIMARY = {State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE}


@pytest.fixture
def start_older(start, tmp_path, monkeypatch):
    """As `start`, on an rclpy like Foxy's; `missing` are modules that nobody finds."""

    def start_node(executable, parameters, missing=()):
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(SITE.format(folder=FOLDER, more=tuple(missing)))
        monkeypatch.setenv("PYTHONPATH", str(site))
        return start(executable, parameters)

    return start_node


@pytest.fixture
def camera(client):
    return client.node.create_publisher(Image, "image_raw", image_qos(True))


def image_of(frame):
    height, width = frame.size
    pixels = array.array("B")
    pixels.frombytes(frame.rgb.tobytes())
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width, data=pixels)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(10**9 + frame.stamp_ns, 10**9)
    return message


def clip():
    return list(render_clip("walking", 4.0, 10.0, size=(120, 160), seed=11))


def expected():
    stream = Recognizer.open("default").stream()
    return [prediction.label for prediction in map(stream.push, clip()) if prediction]


def show(client, camera, labels):
    """Send a clip, each frame once that before it was worked on; returns the labels that came for it."""
    client.until(lambda: camera.get_subscription_count() == 1, what="a subscription to the images")
    client.call(Trigger, f"{NODE}/reset", attempts=3)  # and the answer says that it sees us
    before = len(labels)
    mirror = Recognizer.open("default").stream()
    for frame in clip():
        camera.publish(image_of(frame))
        if mirror.push(frame):
            count = len(labels)
            client.until(lambda count=count: len(labels) > count, what="a label")
        else:
            client.spin(0.04)
    return [message.data for message in labels[before:]]


def state(client):
    return client.call(GetState, f"{NODE}/get_state", attempts=3).current_state.id


def change(client, transition_id=0, label=""):
    request = ChangeState.Request(transition=Transition(id=transition_id, label=label))
    return client.call(ChangeState, f"{NODE}/change_state", request).success


def collect_labels(client):
    labels = client.collect(String, f"{NODE}/label")
    client.until(lambda: client.node.count_publishers(f"{NODE}/label"), what="the label's topic")
    client.spin(0.5)
    return labels


def test_a_node_without_rclpys_lifecycle_labels_falls_silent_and_labels_again(client, start_older, camera):
    node = start_older("recognizer", PARAMETERS)
    labels = collect_labels(client)
    assert "Foxy has no rclpy.lifecycle" in node.output
    assert state(client) == State.PRIMARY_STATE_ACTIVE
    assert show(client, camera, labels) == expected()

    assert change(client, Transition.TRANSITION_DEACTIVATE)
    assert state(client) == State.PRIMARY_STATE_INACTIVE
    client.until(lambda: camera.get_subscription_count() == 0, what="the end of the subscription")
    count = len(labels)
    for frame in clip():
        camera.publish(image_of(frame))
    client.spin(1.0)
    assert len(labels) == count

    assert not change(client, Transition.TRANSITION_CONFIGURE)  # not from here
    assert state(client) == State.PRIMARY_STATE_INACTIVE
    assert change(client, Transition.TRANSITION_ACTIVATE)
    assert show(client, camera, labels) == expected()
    assert change(client, label="shutdown")
    assert state(client) == State.PRIMARY_STATE_FINALIZED
    assert node.interrupt() == 0
    assert "Traceback" not in node.output


def test_nothing_that_foxy_lacks_stops_a_node(client, start_older):
    node = start_older("recognizer", PARAMETERS)
    client.until(lambda: client.node.count_publishers(f"{NODE}/label"), what="an active node")
    client.spin(2.5)  # the timers have run by then
    assert "Traceback" not in node.output
    assert "Error" not in node.output
    assert node.interrupt() == 0


def test_the_video_publisher_plays(client, start_older, tmp_path):
    film = write_video(tmp_path / "film.mp4", clip(), 10.0)
    images = client.collect(Image, "image_raw", image_qos(True))
    node = start_older("video_publisher", {"video": film, "reliable": "true", "wait_for_subscribers": 1, "rate": 4.0})
    client.until(lambda: node.process.poll() is not None, what="the end of the film")
    assert (node.process.returncode, len(images) > len(clip()) // 2) == (0, True), node.output
    assert "Traceback" not in node.output


def test_the_trainer_offers_its_services(client, start_older):
    node = start_older("trainer", {})
    answer = client.call(Trigger, "/trainer/cancel", attempts=3)
    assert not answer.success  # nothing runs
    assert node.interrupt() == 0, node.output
    assert "Traceback" not in node.output


def test_a_failed_configuration_leaves_the_node_unconfigured(client, start_older):
    node = start_older("recognizer", {"model": "/nowhere.onnx"})
    node.wait_for_output("not configured")
    assert "there is no model '/nowhere.onnx'" in node.output
    assert state(client) == State.PRIMARY_STATE_UNCONFIGURED
    assert not change(client, Transition.TRANSITION_CONFIGURE)
    assert state(client) == State.PRIMARY_STATE_UNCONFIGURED


def test_tools_see_the_transitions_and_launch_files_hear_of_them(client, start_older):
    start_older("recognizer", {"autostart": "false"})
    events = client.collect(TransitionEvent, f"{NODE}/transition_event")
    client.until(lambda: client.node.count_publishers(f"{NODE}/transition_event"))
    client.spin(0.5)
    offered = client.call(GetAvailableTransitions, f"{NODE}/get_available_transitions", attempts=3)
    found = {item.transition.label: item for item in offered.available_transitions}
    assert set(found) == {"configure", "shutdown"}
    assert found["configure"].goal_state.label == "inactive"
    assert change(client, found["configure"].transition.id)
    client.until(lambda: len(events) == 2)
    assert [(event.start_state.label, event.goal_state.label) for event in events] == [
        ("unconfigured", "configuring"),
        ("configuring", "inactive"),
    ]


def test_without_lifecycle_msgs_it_starts_by_itself_all_the_same(client, start_older, camera):
    start_older("recognizer", PARAMETERS, ("lifecycle_msgs",)).wait_for_output("lifecycle_msgs is not installed")
    labels = collect_labels(client)
    assert show(client, camera, labels) == expected()
    assert not [name for name, _ in client.node.get_service_names_and_types() if name.endswith("change_state")]


TRIGGERS = ("configure", "activate", "deactivate", "cleanup", "shutdown")
ANSWERS = ("SUCCESS", "FAILURE", "ERROR", "raise")


def scripted(base, answer_type, context):
    """A node of type `base` whose callbacks answer what `script` says."""

    class Scripted(base):
        script = ("SUCCESS", "SUCCESS")  # of the transition's callback, and of on_error

        def answer(self, which):
            if self.script[which] == "raise":
                raise ValueError("on purpose")
            return getattr(answer_type, self.script[which])

        def on_configure(self, state):
            return self.answer(0)

        on_activate = on_deactivate = on_cleanup = on_shutdown = on_configure

        def on_error(self, state):
            return self.answer(1)

    return Scripted(f"scripted_{base.__name__.lower()}", context=context)


@pytest.fixture
def pair(domain):
    """A node of rclpy's and one of ours, both scripted."""
    lifecycle = pytest.importorskip("rclpy.lifecycle")
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain)
    made = []

    def make():
        for node in made:
            node.destroy_node()
        made[:] = (
            scripted(lifecycle.LifecycleNode, lifecycle.TransitionCallbackReturn, context),
            scripted(ManagedNode, TransitionCallbackReturn, context),
        )
        return made

    yield make
    for node in made:
        node.destroy_node()
    context.try_shutdown()


WAYS = {
    State.PRIMARY_STATE_UNCONFIGURED: (),
    State.PRIMARY_STATE_INACTIVE: ("configure",),
    State.PRIMARY_STATE_ACTIVE: ("configure", "activate"),
}


@pytest.mark.parametrize("start_state", sorted(PRIMARY))
def test_our_state_machine_goes_where_rclpys_goes(pair, start_state):
    for trigger, answer, repair in itertools.product(TRIGGERS, ANSWERS, ANSWERS):
        if answer in {"SUCCESS", "FAILURE"} and repair != "SUCCESS":
            continue  # on_error is not asked
        theirs, ours = pair()
        for node in (theirs, ours):
            for step in WAYS[start_state]:
                getattr(node, f"trigger_{step}")()
            node.script = (answer, repair)
        results = [getattr(node, f"trigger_{trigger}")().name for node in (theirs, ours)]
        states = [theirs._state_machine.current_state, (ours._machine.state.state_id, ours._machine.state.label)]
        assert results[0] == results[1], (trigger, answer, repair)
        assert states[0] == states[1], (trigger, answer, repair)


def test_the_numbers_are_those_of_the_messages():
    from opendr_har_ros.common import state_machine as machine

    for name in ("UNCONFIGURED", "INACTIVE", "ACTIVE", "FINALIZED"):
        assert getattr(machine, name).state_id == getattr(State, f"PRIMARY_STATE_{name}")
    for transition in machine.TRANSITIONS:
        state_name = transition.during.label.upper()
        assert transition.during.state_id == getattr(State, f"TRANSITION_STATE_{state_name}")
        name = transition.label.upper()
        name = f"{transition.start.label.upper()}_SHUTDOWN" if name == "SHUTDOWN" else name
        assert transition.transition_id == getattr(Transition, f"TRANSITION_{name}")
        assert transition.first_answer_id == getattr(Transition, f"TRANSITION_ON_{transition.label.upper()}_SUCCESS")
