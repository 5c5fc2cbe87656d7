"""Steps in PyTorch use few threads and leave the process's number of threads unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

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


def test_a_step_uses_the_threads_that_onnx_runtime_uses_by_default():
    network = CoX3D(replace(x3d_config("xs", "none"), image_size=32), 3)
    found = []
    network.stem.conv_xy.register_forward_pre_hook(lambda *_: found.append(torch.get_num_threads()))
    backend = TorchBackend(network)
    backend.step([np.zeros((32, 32, 3), np.uint8)], backend.state([None]))
    assert (found, torch.get_num_threads()) == ([FEW], MANY)


def test_the_number_of_threads_is_restored_after_an_error_and_never_raised():
    with pytest.raises(ZeroDivisionError), few_threads():
        _ = 1 / 0
    assert torch.get_num_threads() == MANY
    torch.set_num_threads(1)
    with few_threads():
        assert torch.get_num_threads() == 1
