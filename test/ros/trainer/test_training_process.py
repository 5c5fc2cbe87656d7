"""The training process without ROS: its command line, its failures, and its end with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("opendr_har_msgs")
sys.path.insert(0, str(Path(__file__).parents[1]))
from trainer_support import ACTOR, processes_of_group

from opendr_har_core.cli.main import parser
from opendr_har_core.errors import ConfigError
from opendr_har_ros.trainer import training_process
from opendr_har_ros.trainer.parameters import TrainerSettings, command_line
from opendr_har_ros.trainer.training_process import TrainingProcess

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def play(tmp_path, monkeypatch):
    (tmp_path / "actor.py").write_text(ACTOR)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(training_process, "MODULE", "actor")
    return lambda role: TrainingProcess([f"--data={role}"])


def until(process, condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition(process):
        assert time.monotonic() < end, process.status
        process.poll()
        time.sleep(0.01)
    return process.status


@pytest.mark.parametrize(
    ("role", "error", "log"),
    [
        ("raises", "training ended with exit code 1: RuntimeError: the network broke", "Traceback"),
        ("says", "there is no folder x", ""),
        ("mutters", "training ended with exit code 3: not JSON", "not JSON"),
    ],
)
def test_a_failed_process_has_its_reason(play, role, error, log):
    status = until(play(role), lambda process: process.is_over)
    assert (status["state"], status["error"], status["pid"]) == ("failed", error, None)
    assert log in status["log"]


def test_a_process_that_was_killed_takes_its_own_processes_along(play):
    process = play("is deaf")
    pid = until(process, lambda process: process.status.get("step") == 2)["pid"]
    os.kill(pid, signal.SIGKILL)
    status = until(process, lambda process: process.is_over)
    assert status["error"].startswith("training was ended by SIGKILL; if you did not kill it, the machine ran out of")
    assert processes_of_group(pid) == set()


@pytest.mark.slow
def test_processes_cancelled_at_any_moment_leave_no_open_files(play):
    def open_files():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for turn in range(20):
        process = play("obeys")
        time.sleep(0.005 * turn)
        process.cancel()
        assert until(process, lambda process: process.is_over)["state"] == "cancelled"
    assert open_files() == before


def test_the_process_is_told_once_that_its_parent_has_ended():
    """Linux signals the end of each thread; a second SIGTERM would end training without a checkpoint."""
    code = """
import os, signal, sys
from opendr_har_ros.trainer.training_main import end_with_parent
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
end_with_parent(os.getppid())
for _ in range(3):
    os.kill(os.getpid(), signal.SIGHUP)
print(*heard)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "SIGTERM\n"


def goal(**fields):
    return SimpleNamespace(**{"data": "/d", "base": "", "output": "/o.onnx", "epochs": 0, "settings": [], **fields})


def test_a_goal_becomes_a_command_line(monkeypatch):
    monkeypatch.setenv("HOME", "/home/robot")
    settings = ["freeze=last_stage", "val=~/val", "class_weights=true", "resume=false", "batch_size=4"]
    words = command_line(goal(epochs=3, settings=settings), TrainerSettings().defaults)
    options = parser().parse_args(["train", *words])
    assert (options.data, options.output, options.epochs, options.val) == ("/d", "/o.onnx", 3, "/home/robot/val")
    assert (options.freeze, options.class_weights, options.resume) == ("last_stage", True, False)
    assert (options.batch_size, options.base) == (4, None)
    assert parser().parse_args(["train", *command_line(goal(), TrainerSettings().defaults)]).batch_size == 16


@pytest.mark.parametrize("text", ["freeze", "=3", "--lr=3", "no such name=3"])
def test_a_setting_without_name_or_value_is_an_error(text):
    with pytest.raises(ConfigError, match="expected NAME=VALUE"):
        command_line(goal(settings=[text]), ())
    with pytest.raises(ConfigError, match="expected NAME=VALUE"):
        TrainerSettings(defaults=(text,))
