"""Training jobs and their subprocess, without ROS: progress, cancellation, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from trainer_processes import alive, processes_of_group

from opendr_har_core.errors import ConfigError
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.trainer import training_subprocess
from opendr_har_ros.trainer.job import TrainerJob
from opendr_har_ros.trainer.training_subprocess import Ending, TrainingSubprocess

ROOT = Path(__file__).resolve().parents[3]
WAIT_SEC = 60.0
# Replaces the training process: plays the role that its command line names.
ACTOR = """
import json, os, signal, sys, time
def report(**line):
    print(json.dumps(line), flush=True)
role = sys.argv[4]
report(state="starting")
report(state="training", epoch=1, epochs=2, step=1, steps=4, loss=0.5)
if role == "done":
    report(state="done", output="/tmp/x.onnx", step=4, cancelled=False)
elif role == "raises":
    raise RuntimeError("the network broke")
elif role == "says":
    report(state="failed", error="there is no folder x")
    sys.exit(1)
elif role == "mutters":
    print("not JSON", flush=True)
    sys.exit(3)
elif role == "obeys":
    def end(*_):
        report(state="cancelled", step=1)
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)
    report(state="training", step=2)
elif role == "is deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        time.sleep(600)
    report(state="training", step=2)
if role in ("obeys", "is deaf"):
    time.sleep(600)
"""


class Settings:
    """The parts of JobSettings that a job uses."""

    output, checkpoint_folder = "/tmp/x.onnx", "/tmp/x_checkpoints"
    nice, threads = 0, None

    def __init__(self, role, grace_sec=WAIT_SEC):
        self.arguments, self.grace_sec = (role,), grace_sec


@pytest.fixture
def actor(tmp_path, monkeypatch):
    (tmp_path / "actor.py").write_text(ACTOR)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(training_subprocess, "MODULE", "actor")


@pytest.fixture
def job(actor):
    made = TrainerJob()
    yield made
    made.close()


def until(job, condition):
    end = time.monotonic() + WAIT_SEC
    while not condition(job.progress):
        assert time.monotonic() < end, job.progress
        job.poll()
        time.sleep(0.01)
    return job.progress


def ended(progress):
    return progress.state in ("done", "cancelled", "failed")


def test_a_complete_job_is_done(job):
    job.start(Settings("done"))
    assert job.runs
    assert (job.progress.state, job.progress.job) == ("starting", 1)
    progress = until(job, ended)
    assert (progress.state, progress.output, progress.step, progress.steps) == ("done", "/tmp/x.onnx", 4, 4)
    assert (progress.pid, progress.eta_sec) == (None, None)
    assert not job.runs
    assert not job.poll()
    job.start(Settings("done"))
    assert (job.progress.job, job.progress.step) == (2, None)


@pytest.mark.parametrize(
    ("role", "error", "log"),
    [
        ("raises", "training ended with exit code 1: RuntimeError: the network broke", "Traceback"),
        ("says", "there is no folder x", ""),
        ("mutters", "training ended with exit code 3: not JSON", "not JSON"),
    ],
)
def test_a_failed_job_has_its_reason(job, role, error, log):
    job.start(Settings(role))
    progress = until(job, ended)
    assert (progress.state, progress.error) == ("failed", error)
    assert log in progress.log


def test_a_job_can_be_cancelled(job):
    job.start(Settings("obeys"))
    until(job, lambda progress: progress.step == 2)
    assert job.progress.state == "running"
    with pytest.raises(ConfigError, match="job 1 is running; wait for its end or cancel it"):
        job.start(Settings("done"))
    job.cancel()
    assert job.progress.state == "cancelling"
    with pytest.raises(ConfigError, match="already being cancelled"):
        job.cancel()
    assert until(job, ended).state == "cancelled"
    with pytest.raises(ConfigError, match="no job is running"):
        job.cancel()


def test_a_job_that_ignores_its_cancellation_is_killed_with_its_processes(job):
    job.start(Settings("is deaf", grace_sec=0.3))
    pid = until(job, lambda progress: progress.step == 2).pid
    job.cancel()
    progress = until(job, ended)
    assert (progress.state, progress.error) == ("cancelled", "killed because it did not end within 0.3 s")
    assert processes_of_group(pid) == set()


def test_a_job_that_was_killed_has_failed(job):
    job.start(Settings("is deaf"))
    pid = until(job, lambda progress: progress.step == 2).pid
    os.kill(pid, signal.SIGKILL)
    progress = until(job, ended)
    assert progress.state == "failed"
    assert progress.error.startswith("training was ended by SIGKILL")
    assert processes_of_group(pid) == set()


@pytest.mark.slow
def test_jobs_cancelled_at_any_moment_leak_no_threads_or_files(job):
    def left():
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    job.start(Settings("done"))
    until(job, ended)
    before = left()
    for turn in range(30):
        job.start(Settings("obeys"))
        time.sleep(0.005 * turn)
        job.cancel()
        assert until(job, ended).state == "cancelled"
    time.sleep(0.1)  # the last thread is about to end
    assert left() == before
    assert job.progress.job == 31


@pytest.mark.parametrize("role", ["obeys", "is deaf"])
def test_closing_waits_for_the_end(job, role):
    job.start(Settings(role, grace_sec=0.5))
    until(job, lambda progress: progress.step == 2)
    job.close()
    assert job.progress.state == "cancelled"
    assert not job.runs


def test_all_lines_are_read_at_the_end(actor):
    child = TrainingSubprocess(["done"])
    ending = child.wait(WAIT_SEC)
    assert [line["state"] for line in child.lines()] == ["starting", "training", "done"]
    assert child.lines() == []
    assert ending == Ending(0, {"state": "done", "output": "/tmp/x.onnx", "step": 4, "cancelled": False}, ())
    child.cancel()
    child.kill()


def test_the_end_is_noticed_if_the_kernel_reaps_the_process(job):
    """As in a process whose parent ignores SIGCHLD."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        for role, state in (("done", "done"), ("raises", "failed")):
            job.start(Settings(role))
            assert until(job, ended).state == state
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.slow
def test_the_subprocess_ends_with_a_parent_that_was_killed(tmp_path):
    code = """
import sys, time
from opendr_har_ros.trainer.training_subprocess import TrainingSubprocess
child = TrainingSubprocess(sys.argv[1:])
while child.ending is None:
    for line in child.lines():
        if line.get("step"):
            print(child.pid, flush=True)
    time.sleep(0.1)
sys.exit(child.ending.reason)
"""
    pytest.importorskip("lightning")
    for action in ("walking", "jumping"):
        (tmp_path / "clips" / action).mkdir(parents=True)
        write_video(tmp_path / "clips" / action / "0.mp4", render_clip(action, 1.5, 15.0, (72, 96), 0), 15.0)
    arguments = ["--data", tmp_path / "clips", "--output", tmp_path / "x.onnx", "--network", "x3d", "--size", "xs"]
    arguments += ["--batch-size", "2", "--freeze", "head", "--epochs", "10000"]
    arguments += ["--checkpoint-folder", tmp_path / "checkpoints"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    parent = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        pid = int(parent.stdout.readline())
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 500
        assert alive(pid)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not alive(pid))


def test_the_end_of_a_parent_is_forwarded_once():
    """Linux signals each thread's end; a second SIGTERM would end training without a checkpoint."""
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


def wait_for(condition):
    end = time.monotonic() + WAIT_SEC
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Ending(1, {}, ()), "training ended with exit code 1"),
        (Ending(-15, {}, ("last words",)), "training was ended by SIGTERM: last words"),
        (Ending(-99, {}, ()), "training was ended by signal 99"),
    ],
)
def test_the_reason_names_exit_code_or_signal(ending, reason):
    assert ending.reason == reason
