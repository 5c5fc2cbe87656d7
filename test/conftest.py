"""What all tests share: where the real data lies."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights, videos and golden outputs; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HAR_SHARED", ROOT.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"no real data at {folder}; set HAR_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory) -> Path:
    """Where the tests' bundles are: $HAR_BUNDLES, for machines that cannot make them, or a folder of this run."""
    if "HAR_BUNDLES" in os.environ:
        return Path(os.environ["HAR_BUNDLES"])
    pytest.importorskip("torch")
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="session")
def real_bundle(shared, bundle_folder):
    """Make bundles of the real Kinetics-400 weights.

    real_bundle("x3d" or "cox3d", size, window=None, lookahead="full") -> path.
    """

    def make(architecture, size, window=None, lookahead="full"):
        path = bundle_folder / f"{architecture}_{size}_{window}_{lookahead}.onnx"
        if not path.exists():
            from opendr_har_core.bundles.export import export_bundle
            from opendr_har_core.networks.checkpoints import load_weights
            from opendr_har_core.networks.config import x3d_config
            from opendr_har_core.networks.cox3d import CoX3D
            from opendr_har_core.networks.x3d import X3D

            config = x3d_config(size, lookahead)
            network = X3D(config) if architecture == "x3d" else CoX3D(config, window=window)
            digest = load_weights(network, shared / "weights" / "x3d_xs_k400_slowfast.pyth")
            export_bundle(network, path, source="x3d_xs_k400_slowfast.pyth", weights_sha256=digest)
        return path

    return make


@pytest.fixture(scope="session")
def tiny_bundle(bundle_folder):
    """Make bundles that run in no time: tiny_bundle("x3d"), ("cox3d", "full") or ("cox3d", "none") -> path.

    Images of 32 pixels, 4 frames 0.4 s apart, 5 classes, random weights.
    """

    def make(architecture, lookahead="full"):
        path = bundle_folder / f"tiny_{architecture}_{lookahead}.onnx"
        if not path.exists():
            import torch

            from opendr_har_core.bundles.export import export_bundle
            from opendr_har_core.networks.config import x3d_config
            from opendr_har_core.networks.cox3d import CoX3D
            from opendr_har_core.networks.x3d import X3D

            torch.manual_seed(7)
            config = replace(x3d_config("xs", lookahead), image_size=32)
            network = X3D(config, 5) if architecture == "x3d" else CoX3D(config, 5)
            export_bundle(network.eval(), path, source="a test")
        return path

    return make


def pytest_terminal_summary(terminalreporter):
    """Shows what tests measured (record_property)."""
    measured = [
        f"{report.nodeid}: {name} = {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
    ]
    if measured:
        terminalreporter.section("measured")
        for line in measured:
            terminalreporter.line(line)
