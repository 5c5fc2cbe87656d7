"""The trainer's action, over DDS, with a program that plays the training process."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("opendr_har_msgs")
pytest.importorskip("lightning")
sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import Client, python_path
from diagnostic_msgs.msg import DiagnosticStatus
from goals import ABORTED, CANCELED, SUCCEEDED
from trainer_support import ACTOR, USE_ACTOR, Trainer, processes_of_group, wait_for_end


@pytest.fixture
def start_trainer(start, tmp_path):
    (tmp_path / "actor.py").write_text(ACTOR)
    path = os.pathsep.join([str(tmp_path), python_path()])

    def start_it(parameters=None, before=USE_ACTOR):
        return start("trainer", {"defaults": "['']", **(parameters or {})}, env={"PYTHONPATH": path}, before=before)

    return start_it


@pytest.fixture
def trainer(client):
    return Trainer(client)


def test_a_job_succeeds_with_its_bundle_and_metrics(start_trainer, trainer, client):
    node = start_trainer()
    assert trainer.until("idle")["pid"] == ""
    job = trainer.train("done")
    heard = job.until_step(1)
    assert (heard.state, heard.epoch, heard.epochs, heard.steps, heard.loss) == ("training", 1, 2, 4, 0.5)
    assert math.isnan(heard.accuracy)
    assert (heard.remaining.sec, heard.remaining.nanosec) == (2, 500_000_000)
    status, result = job.end()
    assert (status, result.bundle) == (SUCCEEDED, "/tmp/x.onnx")
    assert dict(zip(result.metric_names, result.metric_values)) == {"loss": 0.5, "best_accuracy": 0.75}
    assert "ros2 param set /recognizer model /tmp/x.onnx" in result.message
    late = Trainer(client).until("done")
    assert (late["output"], late["step"], late["pid"], late["level"]) == ("/tmp/x.onnx", "4", "", DiagnosticStatus.OK)
    assert "torch" not in " ".join(Path(path).name for path in node.mapped_files)
    assert node.interrupt() == 0


def test_a_goal_that_cannot_start_is_aborted_with_the_reason(start_trainer, trainer):
    node = start_trainer()
    first = trainer.train("obeys")
    first.until_step(2)
    status, result = trainer.train("done").end()
    assert (status, result.message) == (ABORTED, "another goal is being trained; wait for its end or cancel it")
    assert result.message in node.output
    assert first.cancel()
    assert first.end()[0] == CANCELED
    status, result = trainer.train("done", settings=["freeze head"]).end()
    assert status == ABORTED
    assert "expected NAME=VALUE" in result.message
    assert trainer.train("done").end()[0] == SUCCEEDED


def test_goals_are_refused_without_pytorch(start_trainer, trainer):
    start_trainer(before=f"import sys; sys.modules['torch'] = None; {USE_ACTOR}")
    status, result = trainer.train("done").end()
    assert (status, result.message) == (ABORTED, "training needs torch: pip install torch")
    assert trainer.status["state"] == "idle"


def test_a_failed_job_is_aborted_with_the_reason(start_trainer, trainer):
    start_trainer().may_log_tracebacks = True
    status, result = trainer.train("raises").end()
    reason = "training ended with exit code 1: RuntimeError: the network broke"
    assert (status, result.bundle, result.message) == (ABORTED, "", reason)
    failed = trainer.until("failed")
    assert (failed["error"], failed["level"]) == (reason, DiagnosticStatus.ERROR)
    assert "Traceback" in failed["log"]


def test_a_canceled_job_keeps_its_checkpoint(start_trainer, trainer):
    start_trainer()
    job = trainer.train("obeys")
    job.until_step(2)
    assert job.cancel()
    assert not job.cancel()
    status, result = job.end()
    message = "cancelled after step 2; to continue, set resume=true; checkpoint: /tmp/x_checkpoints/last.ckpt"
    assert (status, result.bundle, result.message) == (CANCELED, "", message)
    assert trainer.until("cancelled")["level"] == DiagnosticStatus.WARN


def test_a_job_that_ignores_its_cancellation_is_killed(start_trainer, trainer):
    start_trainer({"cancel_grace_sec": 0.3})
    job = trainer.train("is deaf")
    job.until_step(2)
    pid = int(trainer.until("training")["pid"])
    assert job.cancel()
    status, result = job.end()
    assert status == CANCELED
    assert "killed because it did not end within 0.3 s" in result.message
    assert processes_of_group(pid) == set()


def test_a_job_outlives_its_client_and_any_client_can_cancel_it(start_trainer, trainer, domain):
    start_trainer()
    first = Client(domain)
    Trainer(first).train("obeys").until_step(2)
    first.close()
    assert trainer.until("training")["step"] == "2"
    assert len(trainer.cancel_all().goals_canceling) == 1
    assert trainer.until("cancelled")["step"] == "2"


def test_a_node_that_is_interrupted_ends_its_job_and_answers_the_client(start_trainer, trainer):
    node = start_trainer()
    job = trainer.train("obeys")
    job.until_step(2)
    assert node.interrupt() == 0
    status, result = job.end()
    assert status == ABORTED
    assert result.message.startswith("cancelled after step 2")


@pytest.mark.slow
def test_a_client_sees_that_the_node_was_killed(start_trainer, trainer, client):
    node = start_trainer()
    job = trainer.train("is deaf")
    job.until_step(2)
    pid = int(trainer.until("training")["pid"])
    node.process.kill()
    client.until(lambda: not trainer.is_served, what="the end of the action server")
    for process in processes_of_group(pid):  # the actor does not follow its parent
        os.kill(process, 9)
    wait_for_end(pid)


def test_an_invalid_parameter_is_reported_in_one_line_with_exit_code_2(start_trainer):
    node = start_trainer({"nice": 30})
    assert node.wait() == 2
    assert "parameter nice" in node.output
