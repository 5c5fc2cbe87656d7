"""`make demo` as a user sees it."""

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

LONG_SEC = 120


@pytest.fixture
def demo(domain):
    """demo(argument, ...) -> the running process."""
    started = []

    def start(*arguments):
        code = "import sys; from opendr_har_ros.demo import main; sys.exit(main())"
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code, *map(str, arguments)],
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


@pytest.fixture
def film(tmp_path):
    return write_video(tmp_path / "film.mp4", render_clip("walking", 4.0, seed=1), 30.0)


def test_without_arguments_it_names_the_drawn_actions_and_ends_by_itself(demo):
    process = demo()
    output, _ = process.communicate(timeout=LONG_SEC)
    assert process.returncode == 0, output
    assert "trained on drawn figures" in output
    (summary,) = re.findall(r"^\d+ labels, \d\.\d labels/s: (.*)$", output, re.MULTILINE)
    assert {part.rsplit(" ", 1)[0] for part in summary.split(", ")} == set(ACTIONS)
    assert re.search(r"image published -> label received: median \d+\.\d ms", output)
    assert "Traceback" not in output


def test_a_film_of_ones_own_is_labelled_live(demo, film):
    process = demo("--video", film)
    output, _ = process.communicate(timeout=LONG_SEC)
    assert process.returncode == 0, output
    lines = re.findall(r"^ +\d+\.\d\d s  (\S.*?)  +(\d\.\d\d) \|#+ *\| .* ms$", output, re.MULTILINE)
    assert len(lines) >= 5
    assert lines[-1][0] == "walking"


def test_a_packaged_model_is_chosen_by_its_name(demo, shared):
    process = demo("--model", "kinetics400", "--video", shared / "videos" / "labelled" / "archery_ucf.avi")
    output, _ = process.communicate(timeout=LONG_SEC)
    assert process.returncode == 0, output
    assert re.search(r"^\d+ labels, \d\.\d labels/s: archery \d+x", output, re.MULTILINE), output


def test_a_model_without_lookahead_gives_a_label_within_the_first_second_and_is_played_once(demo, film, tiny_bundle):
    process = demo("--video", film, "--model", tiny_bundle("cox3d", "none"))
    output, _ = process.communicate(timeout=LONG_SEC)
    assert process.returncode == 0, output
    assert "label delay 0.0 s" in output
    assert "to complete the warm-up" not in output
    time_sec, latency_ms = re.search(r"^ +(\d+\.\d\d) s .* (\d+\.\d) ms$", output, re.MULTILINE).groups()
    assert float(time_sec) - float(latency_ms) / 1000 < 1.0  # what is left when a busy machine's latency is taken off


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "gone.onnx"), "demo: there is no model 'gone.onnx'"),
        (("--video", "gone.mp4"), "gone.mp4"),
        (("--video", __file__), "test_demo.py can't be opened as video"),
    ],
)
def test_what_cannot_be_played_is_one_line_and_code_2(demo, arguments, message):
    process = demo(*arguments)
    output, _ = process.communicate(timeout=LONG_SEC)
    assert process.returncode == 2
    assert message in output
    assert "Traceback" not in output


def test_ctrl_c_ends_it_with_all_its_processes(demo, film):
    process = demo("--video", film)
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
