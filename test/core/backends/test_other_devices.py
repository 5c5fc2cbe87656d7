"""Providers with memory of their own, such as CUDA, played by the CPU's."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from opendr_har_core.backends import session as sessions
from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.streaming.recognizer import bundle_path

STEPS = 15  # more than the bindings that a state has


class OnDevice:
    """A session whose bindings copy inputs to a device when they are bound, as ONNX Runtime's do for CUDA."""

    def __init__(self, session):
        self._session = session

    def get_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def io_binding(self):
        return Binding(self._session.io_binding())

    def run_with_iobinding(self, binding):
        self._session.run_with_iobinding(binding.inner)


class Binding:
    def __init__(self, inner):
        self.inner, self._copies = inner, {}

    def bind_input(self, name, device, number, dtype, shape, address):
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        copy = self._copies[name] = np.frombuffer(ctypes.string_at(address, count), np.uint8).copy()
        self.inner.bind_input(name, device, number, dtype, shape, copy.ctypes.data)

    def bind_output(self, *arguments):
        self.inner.bind_output(*arguments)


@pytest.mark.parametrize("rows", [1, 2])
def test_each_step_sees_its_own_frame_and_state_on_another_device(rows):
    here, there = (OnnxBackend(bundle_path("continual"), threads=1) for _ in range(2))
    current = there._sessions._current
    current.single, current._several = OnDevice(current.single), OnDevice(current.several())
    side = here.spec.image_size
    states = [backend.state([None] * rows) for backend in (here, there)]
    for frames in np.random.default_rng(0).integers(0, 256, (STEPS, rows, side, side, 3), dtype=np.uint8):
        expected, found = (backend.step(list(frames), state) for backend, state in zip((here, there), states))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("provider, loads", [("CUDAExecutionProvider", 1), ("CPUExecutionProvider", 0)])
def test_cuda_s_libraries_are_found_where_pip_puts_them_and_nothing_is_printed(monkeypatch, capsys, provider, loads):
    calls = []
    monkeypatch.setattr(
        sessions.ort, "preload_dlls", lambda: calls.append(print("Failed to load libcufft.so.12")), raising=False
    )
    sessions._load_libraries_of([provider])
    assert (len(calls), capsys.readouterr().out) == (loads, "")


@pytest.mark.parametrize(
    "version, tf32", [("1.16.3", {}), ("1.18.0", {"use_tf32": "0"}), ("1.31.1", {"use_tf32": "0"})]
)
def test_cuda_computes_in_single_precision_and_starts_without_trying_every_algorithm(monkeypatch, version, tf32):
    monkeypatch.setattr(sessions.ort, "__version__", version)
    given = sessions._with_options(["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"])
    options = {"cudnn_conv_algo_search": "HEURISTIC", **tf32}
    assert given == ["TensorrtExecutionProvider", ("CUDAExecutionProvider", options), "CPUExecutionProvider"]
