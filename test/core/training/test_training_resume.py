"""Checkpoints: a resumed run equals an uninterrupted one; running out of memory leaves a checkpoint and advice."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]
from torch.utils.data import get_worker_info
from training_cases import CoX3D, Ramps, assert_same_weights, causal, quick, tiny, weights_of

from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.cli.main import main
from opendr_har_core.errors import CheckpointError, ResourceError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.training.checkpoint import BEST, LAST, last_step, read_checkpoint, step_name
from opendr_har_core.training.fit import fit, shortage_explained


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "case"),  # three batches an epoch: within the first, at its end, and after two updates of the second
    [
        (2, {"optimizer": "adam"}),
        (3, {"optimizer": "sgd", "lr_schedule": "cosine", "warmup_steps": 3, "backbone_lr_factor": 0.1}),
        (4, {"optimizer": "adamw", "lr_schedule": "plateau", "accumulate": 2, "early_stopping_patience": 3}),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, case, stop):
    settings = quick(epochs=4, checkpoint_folder=str(tmp_path), checkpoint_every_steps=1, **case)
    data, val = Ramps(13, noisy=True), Ramps(6)  # another clip each time, dropout in the head
    whole = tiny()
    expected = fit(whole, data, val, settings)
    resumed = tiny(seed=99)
    report = fit(resumed, data, val, quick(**{**settings.to_dict(), "resume_step": stop}))
    assert_same_weights(weights_of(whole), weights_of(resumed))
    assert report.history == expected.history
    assert (report.steps, report.epochs, report.best_loss) == (expected.steps, expected.epochs, expected.best_loss)


def test_checkpoints_hold_tensors_and_plain_values_and_load_as_weights(tmp_path):
    network = tiny()
    report = fit(network, Ramps(), Ramps(4), quick(checkpoint_folder=str(tmp_path), checkpoint_every_steps=4))
    assert {Path(path).name for path in report.checkpoints} == {BEST, LAST, step_name(4), step_name(8)}
    for path in report.checkpoints:
        assert torch.load(path, weights_only=True)["progress"]["step"] <= 9
    loaded = tiny(seed=50)
    load_weights(loaded, tmp_path / BEST)
    assert_same_weights(weights_of(loaded), weights_of(network))
    export_bundle(loaded, tmp_path / "tiny.onnx", Ramps.labels, source="a test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 broken", "can't be read as a checkpoint"),
        (None, r"there is no checkpoint .*step_00000003\.ckpt; .* holds \['last\.ckpt'\]"),
    ],
)
def test_a_checkpoint_that_is_missing_or_broken_is_named(tmp_path, content, message):
    fit(tiny(), Ramps(), settings=quick(epochs=2, checkpoint_folder=str(tmp_path)))
    (tmp_path / BEST).unlink()
    if content is not None:
        (tmp_path / step_name(3)).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        fit(tiny(), Ramps(), settings=quick(checkpoint_folder=str(tmp_path), resume_step=3))


def test_a_checkpoint_of_another_network_or_optimizer_is_refused(tmp_path):
    common = {"checkpoint_folder": str(tmp_path), "checkpoint_every_steps": 3}
    fit(tiny(), Ramps(), settings=quick(freeze="head", **common))
    with pytest.raises(CheckpointError, match="of another optimizer"):
        fit(tiny(), Ramps(), settings=quick(resume_step=3, **common))
    torch.save({"model_state": tiny().state_dict()}, tmp_path / step_name(3))
    with pytest.raises(CheckpointError, match="is not a training checkpoint"):
        fit(tiny(), Ramps(), settings=quick(resume_step=3, **common))


@pytest.mark.slow
def test_a_run_resumes_only_with_its_own_network_and_classes(tmp_path):
    settings = quick(epochs=1, checkpoint_folder=str(tmp_path))
    fit(causal(), Ramps(), settings=settings)
    more = replace(settings, epochs=2, resume_step=3)
    with pytest.raises(
        CheckpointError, match=r"last\.ckpt is of a run with {.*'lookahead': 'none'}, which can't continue"
    ):
        fit(tiny(CoX3D), Ramps(), settings=more)
    other = Ramps()
    other.labels = LabelMap(["falls", "rises"])
    with pytest.raises(CheckpointError, match=r"run with {'labels': \['rises', 'falls'\]}, which .* with {'labels'"):
        fit(causal(), other, settings=more)
    assert fit(causal(), Ramps(), settings=more).epochs == 2


WORKER = "Caught {0} in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  {1}\n{0}: {2}"
# PyTorch and what it needs take a good half of this; a batch of eighteen clips for X3D-M several times as much.
LIMIT = 1000 * 2**20
ENDLESS = """
import sys
from training_cases import Ramps, quick, tiny
from opendr_har_core.training.fit import fit
report = fit(tiny(), Ramps(noisy=True), Ramps(4), quick(epochs=100000, keep="last", checkpoint_folder=sys.argv[1]))
sys.stdout.write(f"cancelled {report.cancelled} after {report.steps}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_process_leaves_a_checkpoint_to_resume_from(tmp_path, number):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, env=environment, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / LAST).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.3)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    step = last_step(tmp_path)
    assert process.returncode == 0
    assert output == f"cancelled True after {step}"
    network = tiny()
    settings = quick(epochs=None, steps=step + 2, keep="last", checkpoint_folder=str(tmp_path), resume_step=step)
    assert fit(network, Ramps(noisy=True), Ramps(4), settings).steps == step + 2
    # The same weights as those of a run that ended there by itself.
    uninterrupted = tiny()
    fit(uninterrupted, Ramps(noisy=True), Ramps(4), quick(epochs=None, steps=step + 2, keep="last"))
    assert_same_weights(weights_of(uninterrupted), weights_of(network))


class Exhausted(Ramps):
    """Clips for two of the three batches of an epoch; then memory runs out."""

    def __init__(self):
        super().__init__()
        self.left = 8

    def __getitem__(self, index):
        self.left -= 1
        if self.left < 0:
            raise MemoryError
        return super().__getitem__(index)


def test_a_run_that_fails_within_an_epoch_resumes_from_its_last_checkpoint(tmp_path):
    settings = quick(epochs=1, keep="last", checkpoint_folder=str(tmp_path), checkpoint_every_steps=1)
    with pytest.raises(ResourceError):
        fit(tiny(), Exhausted(), settings=settings)
    assert last_step(tmp_path) == 2
    abandoned = tmp_path / ".last.abcdefgh.part.ckpt"
    abandoned.touch()
    os.utime(abandoned, (0, 0))
    network, uninterrupted = tiny(), tiny()
    assert fit(network, Ramps(), settings=replace(settings, resume_step=2)).steps == 3
    assert not abandoned.exists()
    fit(uninterrupted, Ramps(), settings=quick(epochs=1, keep="last"))
    assert_same_weights(weights_of(uninterrupted), weights_of(network))


class Killed(Ramps):
    """Clips of which one has the process that reads it killed, as the kernel does when memory is out."""

    def __getitem__(self, index):
        if index == 3 and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


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
    with pytest.raises(ResourceError, match=advice), shortage_explained(quick(checkpoint_folder="/x")):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer"),
        RuntimeError("Application timeout caused pair closure"),
        torch.distributed.DistBackendError("NCCL communicator was aborted on rank 0"),
    ],
)
def test_the_loss_of_another_process_is_explained(error):
    lost = r"another process of this run was lost .*start all again. Earlier checkpoints in /x are intact"
    with pytest.raises(ResourceError, match=lost), shortage_explained(quick(checkpoint_folder="/x")):
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
    with pytest.raises(type(error)) as caught, shortage_explained(quick()):
        raise error
    assert caught.value is error


@pytest.mark.slow
def test_a_batch_that_does_not_fit_ends_training_with_advice_and_leaves_the_checkpoint(tmp_path):
    """A real limit of the process, a real network."""
    size = ["--width", "96", "--height", "72"]
    clips = ["synth", str(tmp_path / "clips"), "--clips", "2", "--seconds", "1", *size, "--quiet"]
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
