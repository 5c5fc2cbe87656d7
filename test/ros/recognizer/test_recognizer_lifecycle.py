"""The recognizer's lifecycle: transitions, invalid parameters, failures, repeated configuration."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import State, Transition
from recognizer_support import (
    EVERY_FRAME,
    NODE,
    RELIABLE,
    Camera,
    Flood,
    change_state,
    clip,
    lifecycle_state,
    send_and_see,
    set_parameter,
    status_with,
    values_of,
    wait_for_labels_to_connect,
)
from std_srvs.srv import Trigger
from vision_msgs.msg import Classification

ROOT = Path(__file__).resolve().parents[3]
LIVES, SPAN = 100, 10
# Pools and caches fill up at first.
FIRST = 40
# Bare rclpy publishers leave 2 kB when they are created and destroyed; a leaked image would be 900 kB, a model over
# 500 kB. malloc's pools grow slowly (-19 to 59 kB measured), and once or twice by 8 to 12 MB, hence the median.
KB_A_LIFE = 150.0
LIFE = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


# Stands in for bondpy, whose messages have no wheel.
BONDPY = """
from std_msgs.msg import String

class Bond:
    def __init__(self, node, topic, bond_id):
        self.say = lambda text: node.get_logger().info(f"{text} {topic} {bond_id}")
        self.pub, self.sub = node.create_publisher(String, topic, 1), None
        self.start = lambda: self.say(f"bond of {self.heartbeat_period} and {self.heartbeat_timeout} s started:")
        self.sub = node.create_subscription(String, topic, lambda message: None, 1)

    def break_bond(self):
        self.say("bond broken:")
"""


def test_a_manager_as_nav2s_starts_pauses_resets_and_shuts_down_the_node(client, start, tmp_path):
    """It waits for get_state, checks the state after each transition, and keeps a bond while the node is active."""
    (tmp_path / "bondpy").mkdir()
    (tmp_path / "bondpy" / "bondpy.py").write_text(BONDPY)
    env = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    node = start("recognizer", {"autostart": "false", **RELIABLE}, env=env)

    def change(transition, state):
        assert change_state(client, transition)
        assert lifecycle_state(client) == state

    assert lifecycle_state(client) == State.PRIMARY_STATE_UNCONFIGURED
    classifications = client.collect(Classification, f"{NODE}/classification")
    camera = Camera(client)
    frames = clip(seconds=3.0)
    lives = []
    for _ in range(2):
        change(Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE)
        assert camera.publisher.get_subscription_count() == 0
        change(Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE)
        assert node.output.count("bond of 0.1 and 4.0 s started: bond recognizer") == len(lives) + 1
        camera.wait_for_recognizer()
        wait_for_labels_to_connect(client)
        lives.append([message.results for message in send_and_see(client, camera, classifications, frames)])
        change(Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE)
        assert node.output.count("bond broken: bond recognizer") == len(lives)
        client.until(lambda: camera.publisher.get_subscription_count() == 0)
        change(Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED)
    assert lives[0] == lives[1]
    assert lives[0]
    change(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, State.PRIMARY_STATE_FINALIZED)


@pytest.mark.slow
def test_a_hundred_lives_leak_no_memory_threads_files_or_topics(client, start, record_property):
    node = start("recognizer", {"autostart": "false", **EVERY_FRAME})
    received = client.collect(Classification, f"{NODE}/classification")
    used = []
    with Flood(client) as flood:
        for life in range(LIVES):
            for step in LIFE:
                assert change_state(client, step), f"transition {step} of life {life}"
                if step == Transition.TRANSITION_ACTIVATE and life % 10 == 0:
                    seen = len(received)
                    client.until(lambda seen=seen: len(received) > seen, what="a label")
            used.append(node.usage)
        client.until(lambda: flood.publisher.get_subscription_count() == 0)
    memory, threads, files = np.array(used[FIRST:]).T
    kb_a_life = float(np.median(memory[SPAN:] - memory[:-SPAN])) / SPAN
    record_property("kB_a_life", round(kb_a_life, 2))
    assert kb_a_life < KB_A_LIFE
    assert threads.max() == threads.min()
    assert files.max() - files.min() <= 2
    assert client.node.count_publishers(f"{NODE}/classification") == 0
    assert client.node.count_subscribers("/image_raw") == 0


def test_an_activation_that_fails_leaves_the_node_inactive(client, start):
    node = start("recognizer", {"qos_overrides./image_raw.subscription.reliability": "sometimes"})
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    node.wait_for_output("Activation failed: fix the error above, then run `ros2 lifecycle set /recognizer activate`")
    assert "reliability is 'sometimes', expected 'reliable' or 'best_effort'" in node.output
    assert lifecycle_state(client) == State.PRIMARY_STATE_INACTIVE
    status = client.until(lambda: diagnostics)[0].status[0]
    assert status.level == DiagnosticStatus.ERROR
    assert "is 'sometimes', expected" in status.message
    assert client.node.count_subscribers("/image_raw") == 0
    assert change_state(client, Transition.TRANSITION_CLEANUP)
    assert node.interrupt() == 0


def test_a_configuration_that_fails_can_be_repeated_with_another_model(client, start, tmp_path):
    path = tmp_path / "missing.onnx"
    node = start("recognizer", {"model": path, **RELIABLE})
    node.wait_for_output("Configuration failed: fix the error above")
    assert f"there is no model '{path}'" in node.output
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    status = client.until(lambda: diagnostics)[0].status[0]
    assert (status.level, "there is no model" in status.message) == (DiagnosticStatus.ERROR, True)
    assert lifecycle_state(client) == State.PRIMARY_STATE_UNCONFIGURED
    assert client.call(Trigger, f"{NODE}/reset").success is False
    assert change_state(client, Transition.TRANSITION_CONFIGURE) is False
    assert set_parameter(client, "model", "default").successful
    assert change_state(client, Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
    camera = Camera(client)
    camera.wait_for_recognizer()
    classifications = client.collect(Classification, f"{NODE}/classification")
    wait_for_labels_to_connect(client)
    assert send_and_see(client, camera, classifications, clip(seconds=3.0))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"top_k": "many"}, "top_k"),
        pytest.param({"model": "[]"}, "parameter model", marks=pytest.mark.slow),
        pytest.param({"threshold": "7.5"}, "threshold", marks=pytest.mark.slow),
        pytest.param({"sampling": "sometimes"}, "sampling is 'sometimes', expected one of", marks=pytest.mark.slow),
        ({"cameras": "['front', 'front']"}, "each name once"),
        pytest.param({"cameras": "['front door']"}, "expected names of letters", marks=pytest.mark.slow),
    ],
)
def test_an_invalid_parameter_is_reported_in_one_line_with_exit_code_2(start, parameters, message):
    node = start("recognizer", parameters)
    assert node.wait() == 2
    assert message in node.output


def test_empty_lists_are_the_defaults_and_misspelt_parameters_a_warning(client, start):
    node = start("recognizer", {"cameras": "[]", "providers": "[]", "tresholdd": 0.5, "sizee": 3})
    node.wait_for_output("images from /image_raw")
    assert "ignored: there is no parameter tresholdd; did you mean threshold?" in node.output
    assert "ignored: there is no parameter sizee\n" in node.output
    assert node.output.count("there is no parameter") == 2


def test_a_missing_provider_is_replaced_by_the_next_one_with_a_warning(client, start):
    node = start("recognizer", {"providers": "['tensorrt', 'cpu']"})
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    camera = Camera(client)
    camera.wait_for_recognizer()
    camera.send_all(clip(seconds=1.0))
    status = client.until(lambda: status_with(diagnostics, message="continuing on CPUExecutionProvider"))
    assert status.level == DiagnosticStatus.WARN
    node.wait_for_output("has no TensorrtExecutionProvider here")


@pytest.mark.slow
def test_an_unknown_provider_is_reported_with_the_available_ones(client, start):
    node = start("recognizer", {"providers": "['warp_drive']"})
    node.wait_for_output("no execution provider 'warp_drive'; choose from")
    assert lifecycle_state(client) == State.PRIMARY_STATE_UNCONFIGURED


def test_topics_and_a_silent_camera_are_logged_and_in_the_diagnostics(client, start):
    node = start("recognizer", extra=["-r", "image_raw:=/eye/imag", "-r", "~/classification:=/labels"])
    other = Camera(client, topic="/eye/image")
    node.wait_for_output("images from /eye/imag (Image, best effort); labels on /labels, /recognizer/hypothesis, ")
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")
    silent = "no image has arrived: /eye/imag has no publisher; remap image_raw to one of /eye/image"
    node.wait_for_output(silent)
    values = values_of(client.until(lambda: status_with(diagnostics, message=silent)))
    assert (values["image topic"], values["label topic"]) == ("/eye/imag", "/labels")
    client.node.destroy_publisher(other.publisher)
    assert values["model"].startswith("x3d_xs")
    assert values["provider"] == "CPUExecutionProvider"
    assert values["stream"] == "idle"
