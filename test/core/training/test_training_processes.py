"""Several processes train together like one process with a larger batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]

# Normalisation is by running statistics: its batch statistics would be those of each process alone.
TRAIN = """
import json, os, sys
import torch
torch.set_num_threads(1)
from training_cases import Ramps, quick, tiny
from opendr_har_core.training.fit import fit
batch, folder = int(sys.argv[1]), sys.argv[2]
network = tiny()
network.head.dropout.p = 0.0
settings = quick(
    epochs=3, batch_size=batch, lr=0.02, optimizer="sgd", freeze_batch_norm=True, keep="last",
    checkpoint_folder=folder,
)
report = fit(network, Ramps(12, noisy=True), Ramps(7), settings)
content = {"history": report.history, "steps": report.steps, "head": network.head.projection.weight.tolist()}
if int(os.environ.get("RANK", 0)) == 0:
    sys.stdout.write(json.dumps(content))
"""


def output_of(command, folder):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=300, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index('{"history"') :])


@pytest.mark.slow
def test_two_processes_give_the_loss_of_one_with_twice_the_batch(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    both = output_of([*torchrun, str(script), "2", str(tmp_path / "both")], tmp_path)
    one = output_of([sys.executable, str(script), "4", str(tmp_path / "one")], tmp_path)
    assert both["steps"] == one["steps"] == 9
    for row, expected in zip(both["history"], one["history"]):
        assert row == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(torch.tensor(both["head"]), torch.tensor(one["head"]), rtol=1e-4, atol=1e-5)
    assert {path.name for path in (tmp_path / "both").iterdir()} == {"best.ckpt", "last.ckpt"}
