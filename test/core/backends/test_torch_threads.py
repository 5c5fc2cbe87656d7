"""Stepping in torch takes few threads, and leaves the process's number of threads alone."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from opendr_har_core import CoX3DLearner
from opendr_har_core.backends.session import default_threads, usable_cores
from opendr_har_core.backends.torch import TorchBackend, few_threads
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D

MANY = 16
FEW = default_threads(usable_cores())


@pytest.fixture(autouse=True)
def many_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(MANY)
    yield
    torch.set_num_threads(threads)


def stepped_by_a_backend(observe):
    network = CoX3D(x3d_config("xs", "none"), 3)
    backend = TorchBackend(network)
    observe(network)
    backend.step([np.zeros((160, 160, 3), np.uint8)], backend.state([None]))


def stepped_by_a_learner(observe):
    learner = CoX3DLearner(backbone="xs", device="cpu", num_classes=3)
    observe(learner.model)
    learner.infer(torch.zeros(3, 160, 160, dtype=torch.uint8))


@pytest.mark.parametrize("stepped", [stepped_by_a_backend, stepped_by_a_learner])
def test_a_step_takes_as_many_threads_as_onnx_runtime_does_by_default(stepped):
    found = []
    stepped(lambda net: net.stem.conv_xy.register_forward_pre_hook(lambda *_: found.append(torch.get_num_threads())))
    assert torch.get_num_threads() == MANY
    assert found == [FEW]


def test_the_number_is_restored_after_an_error():
    with pytest.raises(ZeroDivisionError), few_threads():
        _ = 1 / 0
    assert torch.get_num_threads() == MANY


def test_who_asked_for_one_thread_keeps_it():
    torch.set_num_threads(1)
    with few_threads():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 1
