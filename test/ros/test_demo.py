"""`make demo` as users run it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
psutil = pytest.importorskip("psutil")

from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.demo import main

LONG_SEC = 120


@pytest.fixture
def demo(domain):
    """demo(argument, ...) -> the running process."""
    started = []

    def start(*arguments):
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "opendr_har_ros.demo", *map(str, arguments)],
                env={**os.environ, "ROS_DOMAIN_ID": str(domain)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(LONG_SEC)


def output_of(process):
    output, _ = process.communicate(timeout=LONG_SEC)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    return output


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "video.mp4", render_clip("walking", 4.0, seed=1), 30.0)


@pytest.mark.slow
def test_a_video_is_labelled_live_from_the_first_second_on(demo, video):
    output = output_of(demo("--video", video))
    assert "label delay 0.0 s" in output
    assert "to complete the warm-up" not in output
    lines = re.findall(r"^ +(\d+\.\d\d) s  (\S.*?)  +\d\.\d\d \|#+ *\| .* (\d+\.\d) ms$", output, re.MULTILINE)
    assert len(lines) >= 5
    time_sec, _, latency_ms = lines[0]
    assert float(time_sec) - float(latency_ms) / 1000 < 1.0
    assert lines[-1][1] == "walking"
    assert re.search(r"image published -> label received: median \d+\.\d ms", output)


@pytest.mark.slow
def test_without_arguments_it_labels_all_synthetic_actions(demo):
    output = output_of(demo())
    (summary,) = re.findall(r"^\d+ labels, \d\.\d labels/s: (.*)$", output, re.MULTILINE)
    assert {part.rsplit(" ", 1)[0] for part in summary.split(", ")} == set(ACTIONS)


@pytest.mark.slow
def test_each_of_three_people_has_the_label_of_the_own_action(demo):
    output = output_of(demo("--people"))
    labels = re.findall(r"^ +\d+\.\d\d s  (\d+) (\S.*?)  +\d\.\d\d \|", output, re.MULTILINE)
    assert len({id for id, _ in labels}) >= 3
    assert {label for _, label in labels} >= {"waving both hands", "jumping jacks", "bending"}


@pytest.mark.slow
def test_a_packaged_model_can_be_named(demo, shared):
    output = output_of(demo("--model", "kinetics400", "--video", shared / "videos" / "labelled" / "archery_ucf.avi"))
    assert re.search(r"^\d+ labels, \d\.\d labels/s: archery \d+x", output, re.MULTILINE), output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "gone.onnx"], "demo: there is no model 'gone.onnx'"),
        (["--video", "gone.mp4"], "gone.mp4"),
        (["--video", __file__], "test_demo.py can't be opened as video"),
    ],
)
def test_an_input_that_cannot_be_opened_is_one_line_and_exit_code_2(arguments, message, capsys):
    before = dict(os.environ)
    assert main(arguments) == 2
    os.environ.clear()
    os.environ.update(before)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_with_exit_code_130(demo, video):
    process = demo("--video", video)
    for line in process.stdout:
        if "walking" in line:
            break
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LONG_SEC)
    assert process.returncode == 130
    assert "Traceback" not in output
    assert not psutil.wait_procs(children, timeout=10)[1]
