"""`opendr-har train` on several machines: labelled recordings, a shared cache, losses of processes."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("rosbags")
pytest.importorskip("pyarrow")
psutil = pytest.importorskip("psutil")
import bag_cases
from training_cases import assert_same_weights

from opendr_har_core.cli.main import main
from opendr_har_core.media.video import write_video
from opendr_har_core.recordings.label_table import read_label_table
from opendr_har_core.training.checkpoint import last_step, read_checkpoint

ROOT = bag_cases.ROOT
COMMAND = [sys.executable, "-m", "opendr_har_core.cli.main", "train"]


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Of 8 updates on the labels of a video and a bag, from their table; all runs share a cache."""
    folder = tmp_path_factory.mktemp("machines")
    write_video(folder / "video.mp4", bag_cases.FRAMES, 10.0)
    bag_cases.write_bag(folder / "bag")
    assert main(["label", str(folder / "video.mp4"), str(folder / "bag"), "--to", str(folder / "labels")]) == 0
    segments = read_label_table(folder / "labels", "segments").to_pylist()
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "start", "end", "label"))
        writer.writerows(
            [row[name] for name in ("recording", "start_sec", "end_sec", "label")]
            for row in segments
            if not row["provisional"]
        )
    data = ["--data", str(folder / "clips.csv"), "--cache", str(folder / "cache"), "--size", "xs"]
    training = ["--steps", "8", "--batch-size", "1", "--freeze-batch-norm", "--checkpoint-every-steps", "1"]
    return [*data, *training]


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}


def start_machine(rank, port, arguments, log):
    """A machine with one process, here by its own torchrun."""
    torchrun = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(rank)]
    address = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    with log.open("w") as file:
        command = [sys.executable, *torchrun, *address, *COMMAND[1:], *arguments]
        return subprocess.Popen(command, env=environment(), stdout=file, stderr=subprocess.STDOUT)


@pytest.fixture
def on_two_machines(tmp_path):
    """Start two machines with these arguments; returns their torchruns and logs."""
    started = []

    def start(arguments):
        port, logs = free_port(), [tmp_path / f"{rank}.log" for rank in (0, 1)]
        machines = [start_machine(rank, port, arguments, log) for rank, log in enumerate(logs)]
        started.extend(machines)
        return machines, logs

    yield start
    for machine in started:
        end(machine.pid)
        machine.wait()


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def end(pid):
    """Kill a process and those that it has started."""
    try:
        parent = psutil.Process(pid)
        for process in [*parent.children(recursive=True), parent]:
            process.kill()
    except psutil.NoSuchProcess:
        pass


def weights(folder):
    return read_checkpoint(folder / "last.ckpt")["model_state"]


def wait_for_step(folder, step, is_over):
    while not (folder / f"step_{step:08d}.ckpt").exists():
        assert not is_over()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def expected(options, tmp_path_factory):
    """Weights of two processes of one machine."""
    folder = tmp_path_factory.mktemp("expected")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [*options, "--output", str(folder / "mine.onnx"), "--checkpoint-folder", str(folder / "c")]
    done = subprocess.run(
        [*torchrun, *COMMAND[1:], *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "training: 4 clips of 2 of 2 classes" in done.stdout
    return weights(folder / "c")


def test_a_lost_process_ends_the_others_and_all_resume(options, expected, on_two_machines, tmp_path):
    folder = tmp_path / "c"
    arguments = [*options, "--output", str(tmp_path / "mine.onnx"), "--checkpoint-folder", str(folder)]
    machines, logs = on_two_machines(arguments)
    wait_for_step(folder, 2, lambda: any(machine.poll() is not None for machine in machines))
    end(machines[1].pid)
    assert machines[0].wait(timeout=300) == 1
    assert "another process of this run was lost" in logs[0].read_text()
    assert f"Earlier checkpoints in {folder} are intact; resume continues from them" in logs[0].read_text()
    assert 2 <= last_step(folder) < 8
    machines, logs = on_two_machines([*arguments, "--resume"])
    assert [machine.wait(timeout=300) for machine in machines] == [0, 0], logs[0].read_text()
    assert_same_weights(weights(folder), expected)
