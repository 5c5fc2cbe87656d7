"""A tiny network in place of XS, for tests that don't depend on the real one."""

from __future__ import annotations

import pytest

from opendr_har_core.networks import config as configs
from opendr_har_core.networks.config import X3DConfig

REAL = configs.X3D_CONFIGS["xs"]
TINY = X3DConfig("xs", image_size=32, frames=4, stride=12, stage_depths=(1, 2), stage_widths=(8, 16), stem_width=8)


@pytest.fixture(scope="module")
def tiny_xs():
    """'xs' is a tiny network in this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(configs.X3D_CONFIGS, "xs", TINY)
        yield


@pytest.fixture
def real_xs(monkeypatch):
    """'xs' is the real network in this test."""
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", REAL)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Next to other work on the machine, several threads mostly wait for each other."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
