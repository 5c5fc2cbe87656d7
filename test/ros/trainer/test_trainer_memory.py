"""Training that runs out of memory: the kernel ends the training process, and the node continues."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("opendr_har_msgs")
pytest.importorskip("torch")
pytest.importorskip("lightning")
sys.path.insert(0, str(Path(__file__).parents[1]))
from goals import ABORTED, SUCCEEDED
from trainer_support import Trainer, draw_clips, quick_job

GROUPS = Path("/sys/fs/cgroup/memory")
MIB = 2**20
# A node and a small job take half of it; a batch of four clips for X3D-M takes more.
LIMIT = 700 * MIB


@pytest.fixture
def small_memory(tmp_path):
    """A memory cgroup (version 1) with a small limit."""
    group = GROUPS / f"opendr_har_{tmp_path.name}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"memory can't be limited for a group of processes here: {error}")
    yield group
    group.rmdir()


def kills(group):
    """The number of processes that the kernel ended."""
    return int(dict(line.split() for line in (group / "memory.oom_control").read_text().splitlines())["oom_kill"])


def test_training_that_runs_out_of_memory_fails_and_the_node_continues(small_memory, start, client, tmp_path):
    clips, output = draw_clips(tmp_path / "clips"), tmp_path / "mine.onnx"
    node = start("trainer", {"nice": 0})
    trainer = Trainer(client)
    (small_memory / "cgroup.procs").write_text(str(node.process.pid))
    large = quick_job(clips, output, "size=m", "freeze=none", "batch_size=64")
    status, result = trainer.train(**large).end()
    assert (status, kills(small_memory)) == (ABORTED, 1)
    assert result.message.startswith("training was ended by SIGKILL; if you did not kill it, the machine ran out of")
    assert not output.exists()
    status, result = trainer.train(**quick_job(clips, output, "steps=2")).end()
    assert (status, kills(small_memory)) == (SUCCEEDED, 1), result.message
    assert node.interrupt() == 0
