"""The trainer node: jobs through services, their progress, and how they end."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("torch")
pytest.importorskip("lightning")
sys.path.insert(0, str(Path(__file__).parents[1]))
from diagnostic_msgs.msg import DiagnosticStatus
from trainer_processes import alive, processes_of_group
from trainer_support import ACTIONS, JOB_SEC, Trainer, draw_clips, quick_job

from opendr_har_core.streaming.recognizer import Recognizer

ENDLESS = {"epochs": 100_000}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return draw_clips(tmp_path_factory.mktemp("trainer") / "clips")


@pytest.fixture
def trainer(client):
    return Trainer(client)


def run_until_step(trainer, step):
    assert trainer.start().success
    status = trainer.until_step(step)
    assert status["state"] == "running", status
    return status


def test_a_job_ends_with_a_bundle_that_opens(start, trainer, client, clips, tmp_path, record_property):
    node = start("trainer", {"epochs": 4})
    assert trainer.until(state="idle")["message"].startswith("no job yet")
    output = tmp_path / "mine.onnx"
    assert trainer.set(**quick_job(clips, output), extra=["--momentum", "0.5"]) == []
    answer = trainer.start()
    assert answer.success
    assert answer.message.startswith("job 1 started: opendr-har train")
    assert trainer.until(job="1")["state"] == "starting"
    assert "torch" not in " ".join(Path(path).name for path in node.mapped_files)
    refused = trainer.start()
    assert not refused.success
    assert "wait for its end or cancel it" in refused.message

    end = trainer.until_true(lambda status: status["state"] in ("done", "failed"))
    assert end["state"] == "done", end
    assert (end["step"], end["steps"], end["epoch"], end["epochs"]) == ("8", "8", "4", "4")
    assert (end["output"], end["error"], end["pid"], end["level"]) == (str(output), "", "", DiagnosticStatus.OK)
    assert "ros2 param set /recognizer model" in end["message"]
    assert 0 <= float(end["best_accuracy"]) <= 1
    assert Recognizer.open(output).labels.names == ACTIONS
    check_running(trainer, record_property)
    late = Trainer(client)
    assert late.until(state="done")["output"] == str(output)
    assert node.interrupt() == 0


def check_running(trainer, record_property):
    """At least once a second while the job ran, and with numbers that say how it goes."""
    times = [at for at, status in trainer.heard if any(v.key == "pid" and v.value for v in status.values)]
    longest = max(after - before for before, after in zip(times, times[1:]))
    record_property("longest silence (s)", round(longest, 2))
    assert longest < 1.0
    running = [values for values in map(values_of, trainer.heard) if values["state"] == "running"]
    assert any(float(values["eta_sec"] or 0) > 0 for values in running)
    assert any(values["loss"] and values["accuracy"] and values["val_accuracy"] for values in running)
    steps = [int(values["step"]) for values in running if values["step"]]
    assert steps == sorted(steps)
    assert len(set(steps)) > 2


def values_of(heard):
    return {item.key: item.value for item in heard[1].values}


@pytest.mark.slow
def test_a_cancelled_job_continues_from_its_checkpoint(start, trainer, clips, tmp_path):
    start("trainer")
    output = tmp_path / "mine.onnx"
    assert trainer.set(**quick_job(clips, output), **ENDLESS) == []
    run_until_step(trainer, 3)
    assert trainer.cancel().success
    end = trainer.until(state="cancelled")
    assert "cancelling" in {values["state"] for values in map(values_of, trainer.heard)}
    step = int(end["step"])
    checkpoint = tmp_path / "mine_checkpoints" / "last.ckpt"
    assert end["level"] == DiagnosticStatus.WARN
    assert end["message"] == f"cancelled after step {step}; to continue from {checkpoint}, set resume and start"
    assert checkpoint.is_file()
    assert not output.exists()

    assert trainer.set(resume=True, steps=step + 2) == []
    assert trainer.start().success
    end = trainer.until_true(lambda status: status["job"] == "2" and status["state"] in ("done", "failed"))
    assert (end["state"], end["step"]) == ("done", str(step + 2)), end
    assert f"for {step + 2} steps" in Recognizer.open(output).source
    first = next(values for values in map(values_of, trainer.heard) if values["job"] == "2" and values["step"])
    assert int(first["step"]) >= step


@pytest.mark.slow
def test_a_job_can_be_cancelled_before_training_starts(start, trainer, clips, tmp_path):
    start("trainer")
    assert trainer.set(**quick_job(clips, tmp_path / "mine.onnx"), **ENDLESS) == []
    assert trainer.start().success
    assert trainer.cancel().success
    again = trainer.cancel()
    assert again.success is False
    end = trainer.until(state="cancelled")
    assert end["message"] == "cancelled after step 0; there is no checkpoint"


@pytest.mark.slow
def test_a_job_that_is_killed_is_reported_and_another_one_can_start(start, trainer, clips, tmp_path):
    node = start("trainer")
    assert trainer.set(**quick_job(clips, tmp_path / "mine.onnx"), **ENDLESS, num_workers=1) == []
    pid = int(run_until_step(trainer, 1)["pid"])
    assert os.getpgid(pid) == os.getsid(pid) == pid
    workers = processes_of_group(pid) - {pid}
    assert workers
    os.kill(pid, signal.SIGKILL)
    end = trainer.until(state="failed")
    assert "ended by SIGKILL" in end["error"]
    assert "ran out of memory" in end["error"]
    assert (end["message"], end["level"]) == (end["error"], DiagnosticStatus.ERROR)
    assert [worker for worker in workers if alive(worker)] == []
    assert node.process.poll() is None

    assert trainer.set(steps=2, num_workers=0) == []
    assert trainer.start().success
    assert (
        trainer.until_true(lambda status: status["job"] == "2" and status["state"] in ("done", "failed"))["state"]
        == "done"
    )
    assert node.interrupt() == 0


def test_an_invalid_job_is_rejected_with_its_reason(start, trainer, clips, tmp_path):
    node = start("trainer")
    invalid = {
        "parameter data is empty": {"data": ""},
        "expected a file named *.onnx": {"output": "/tmp/mine.pth"},
        "/nowhere is not a writable folder": {"output": "/nowhere/mine.onnx"},
        "there is no such file or folder": {"base": "/nowhere/x3d.pyth"},
    }
    for reason, changes in invalid.items():
        assert trainer.set(**{**quick_job(clips, tmp_path / "mine.onnx"), **changes}) == []
        answer = trainer.start()
        assert not answer.success
        assert reason in answer.message
        assert reason in node.output
    assert trainer.until(state="idle")["job"] == "0"
    (reason,) = trainer.set(freeze="everything")
    assert reason == "parameter freeze is 'everything', expected one of ['none', 'last_stage', 'head']"
    assert len(trainer.set(epochs=0)) == len(trainer.set(lr=-1.0)) == 1
    assert trainer.cancel().message == "no job is running"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"extra": ["--no-such-option"]}, "unrecognized arguments: --no-such-option"),
        ({"data": "EMPTY"}, "contains no folders; expected one for each class"),
        ({"network": "x3d", "window": 9}, "window is 9, but only cox3d has a window"),
    ],
)
def test_errors_that_training_finds_are_reported(start, trainer, clips, tmp_path, changes, reason):
    start("trainer")
    empty = tmp_path / "empty"
    empty.mkdir()
    changes = {name: empty if value == "EMPTY" else value for name, value in changes.items()}
    assert trainer.set(**{**quick_job(clips, tmp_path / "mine.onnx"), **changes}) == []
    assert trainer.start().success
    end = trainer.until(state="failed")
    assert reason in end["error"]


def test_an_invalid_parameter_is_reported_in_one_line_with_exit_code_2(start):
    node = start("trainer", {"optimizer": "lion"})
    assert node.wait() == 2
    assert "parameter optimizer is 'lion'" in node.output


@pytest.mark.slow
@pytest.mark.parametrize("how", ["interrupt", "kill"])
def test_a_job_ends_with_its_node(how, start, trainer, client, clips, tmp_path):
    node = start("trainer")
    assert trainer.set(**quick_job(clips, tmp_path / "mine.onnx"), **ENDLESS) == []
    pid = int(run_until_step(trainer, 2)["pid"])
    if how == "interrupt":
        node.process.send_signal(signal.SIGINT)
        assert node.wait(JOB_SEC) == 0
        assert not alive(pid)
        assert trainer.until(seconds=10.0, state="cancelled")
    else:
        node.process.kill()
        client.until(lambda: not alive(pid), JOB_SEC, "the end of the process that trains")
    assert (tmp_path / "mine_checkpoints" / "last.ckpt").is_file()
