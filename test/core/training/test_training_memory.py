"""Memory that runs out while training: the error, and the checkpoint that stays."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
from torch.utils.data import get_worker_info
from training_cases import Ramps, quick, tiny

from opendr_har_core.cli.main import main
from opendr_har_core.errors import ResourceError
from opendr_har_core.training.checkpoint import LAST, read_checkpoint
from opendr_har_core.training.fit import fit, memory_explained

MIB = 2**20
# PyTorch and what it needs take a good half of this; a batch of eighteen clips for X3D-M several times as much.
LIMIT = 1000 * MIB
WORKER = "Caught {0} in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  {1}\n{0}: {2}"


class Greedy(Ramps):
    """Clips of which one asks for more memory than there is on any machine."""

    def __getitem__(self, index):
        if index == 3:
            np.zeros(2**47, np.uint8)
        return super().__getitem__(index)


class Killed(Ramps):
    """Clips of which one has the process that reads it killed, as the kernel does when memory is out."""

    def __getitem__(self, index):
        if index == 3 and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_array_that_does_not_fit(workers):
    with pytest.raises(ResourceError, match=r"^memory ran out.*'batch_size': 4, .* \(.*Unable to allocate 128. TiB"):
        fit(tiny(), Greedy(), settings=quick(num_workers=workers))


@pytest.mark.slow  # PyTorch waits for the worker
def test_a_killed_data_loader_worker():
    with pytest.raises(ResourceError, match=r"a process that reads clips was killed, .*try .* fewer num_workers"):
        fit(tiny(), Killed(), settings=quick(num_workers=1))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        MemoryError(WORKER.format("MemoryError", "a = b()", "std::bad_alloc")),
        RuntimeError("unable to write to file </torch_12_3>: No space left on device"),
    ],
)
def test_errors_of_memory_are_explained(error):
    advice = r"try a smaller batch_size.* Earlier checkpoints in /x are intact"
    with pytest.raises(ResourceError, match=advice), memory_explained(quick(checkpoint_folder="/x")):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the lens is gone"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/out of memory/1.mp4"),
        OSError("libgomp.so.1: cannot allocate memory in static TLS block"),
        RuntimeError(WORKER.format("RuntimeError", "raise error  # not out of memory", "the lens is gone")),
    ],
)
def test_other_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as caught, memory_explained(quick()):
        raise error
    assert caught.value is error


@pytest.mark.slow
def test_a_batch_that_does_not_fit_ends_training_with_advice_and_leaves_the_checkpoint(tmp_path):
    """A real limit of the process, a real network."""
    clips = ["synth", str(tmp_path / "clips"), "--clips", "2", "--seconds", "1", "--size", "96x72", "--quiet"]
    assert main(clips) == 0
    folder, output = tmp_path / "checkpoints", tmp_path / "mine.onnx"
    common = ["--data", tmp_path / "clips", "--output", output, "--network", "x3d", "--size", "m"]
    common += ["--checkpoint-folder", folder]
    assert main(["train", *map(str, common), "--freeze", "head", "--batch-size", "2", "--steps", "1", "--quiet"]) == 0
    output.unlink()
    before = (folder / LAST).read_bytes()

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    code = "import sys; from opendr_har_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "train", *common, "--batch-size", "64", "--epochs", "9"]
    done = subprocess.run(list(map(str, command)), preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "while training with {'batch_size': 64, 'num_workers': 0, 'freeze': 'none'}" in done.stderr
    assert "try a smaller batch_size" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
    assert (folder / LAST).read_bytes() == before
    assert read_checkpoint(folder / LAST)["progress"]["step"] == 1
