"""Sessions: threads, provider names, and providers that fail or have memory of their own."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from opendr_har_core import Frame, Recognizer
from opendr_har_core.backends import session as sessions
from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.errors import BackendError, ConfigError
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE, bundle_path

# Of all builds of ONNX Runtime that registries offer for CPUs; it leaves our operators to the CPU.
OTHER = "AzureExecutionProvider"
needs_other = pytest.mark.skipif(
    OTHER not in sessions.ort.get_available_providers(), reason=f"this ONNX Runtime has no {OTHER} to fail"
)
falls_back = pytest.mark.filterwarnings("ignore:AzureExecutionProvider failed")
THREADS = 8


class Wrapper:
    def __init__(self, session):
        self.session = session

    def __getattr__(self, name):
        return getattr(self.session, name)


class Failing(Wrapper):
    """A session that fails in the given runs, counted from 0, like a lost GPU."""

    def __init__(self, session, fails):
        super().__init__(session)
        self._fails, self._runs, self._lock = fails, 0, threading.Lock()

    def run(self, *arguments):
        return self._counted(self.session.run, *arguments)

    def run_with_iobinding(self, binding):
        self._counted(self.session.run_with_iobinding, binding)

    def _counted(self, run, *arguments):
        with self._lock:
            number, self._runs = self._runs, self._runs + 1
        if self._fails(number):
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")
        return run(*arguments)


class OnDevice(Wrapper):
    """A session whose bindings copy inputs to a device when they are bound, as ONNX Runtime's do for CUDA."""

    def get_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def io_binding(self):
        return Binding(self.session.io_binding())

    def run_with_iobinding(self, binding):
        self.session.run_with_iobinding(binding.inner)


class Binding:
    def __init__(self, inner):
        self.inner, self._copies = inner, {}

    def bind_ortvalue_input(self, name, value):
        copy = self._copies[name] = sessions.ort.OrtValue.ortvalue_from_numpy(value.numpy().copy())
        self.inner.bind_ortvalue_input(name, copy)

    def bind_ortvalue_output(self, *arguments):
        self.inner.bind_ortvalue_output(*arguments)


def opened(path, change, providers=("azure", "cpu")):
    """A backend whose sessions on its first provider went through `change`."""
    backend = OnnxBackend(path, providers=providers, threads=1)
    inner = backend._sessions
    for rows in (1, 2):
        inner._session(inner._settings, rows)
    inner._open = {key: change(session) for key, session in inner._open.items()}
    return backend


def failing(path, good):
    return opened(path, lambda session: Failing(session, lambda number: number >= good))


def pixels(backend, count, seed=0):
    side = backend.spec.image_size
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def frames(backend, count, seed=0):
    return [Frame(rgb, index * 10**9 // 30) for index, rgb in enumerate(pixels(backend, count, seed))]


def scores(backend, count, seed=0):
    """Scores of a stream of `count` frames."""
    found = map(Recognizer(backend).stream(sampling="every_frame").push, frames(backend, count, seed))
    return np.array([prediction.scores for prediction in found if prediction])


def test_by_default_one_core_is_left_free_and_at_most_four_are_used():
    assert [sessions.default_threads(cores) for cores in (1, 2, 4, 6, 8, 64)] == [1, 1, 3, 4, 4, 4]
    with pytest.raises(ConfigError, match="threads is -1"):
        sessions.session_settings(threads=-1)


@pytest.mark.skipif("CUDAExecutionProvider" in sessions.ort.get_available_providers(), reason="this machine has CUDA")
def test_a_provider_that_is_not_installed_is_replaced_by_the_next_one_with_a_warning():
    with pytest.warns(RuntimeWarning, match="has no CUDAExecutionProvider here.*; continuing on CPUExecutionProvider"):
        recognizer = Recognizer.open("default", ["cuda", "cpu"])
    assert recognizer.provider == "CPUExecutionProvider"
    assert "CUDAExecutionProvider" in recognizer.fallback_reason
    with pytest.raises(BackendError, match="has no CUDAExecutionProvider here"):
        Recognizer.open("default", ["cuda"])


def test_providers_have_short_names():
    names = sessions.provider_names
    assert names(["cpu"]) == names(["CPUExecutionProvider"]) == names(None)
    with pytest.raises(BackendError, match="no execution provider 'warp'"):
        names(["warp"])


def test_threads_sleep_between_frames():
    """The process uses nearly no processor time while no frame comes."""
    backend = OnnxBackend(DEFAULT_BUNDLE, threads=2)
    clip, used = pixels(backend, backend.spec.window)[None], []
    for _ in range(5):
        backend.classify(clip)
        before = time.process_time()
        time.sleep(0.2)
        used.append(time.process_time() - before)
    assert min(used) < 0.02


@pytest.mark.parametrize("rows", [1, 2])
def test_each_step_sees_its_own_frame_and_state_on_another_device(rows):
    path = bundle_path("continual")
    here, there = OnnxBackend(path, threads=1), opened(path, OnDevice, ["cpu"])
    states = [backend.state([None] * rows) for backend in (here, there)]
    for row in pixels(here, 15 * rows).reshape(15, rows, *pixels(here, 1).shape[1:]):
        expected, found = (backend.step(list(row), state) for backend, state in zip((here, there), states))
        for one, other in zip(found, expected):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("provider", "loads"), [("CUDAExecutionProvider", 1), ("CPUExecutionProvider", 0)])
def test_cuda_s_libraries_are_found_where_pip_puts_them_and_nothing_is_printed(monkeypatch, capsys, provider, loads):
    calls = []
    monkeypatch.setattr(
        sessions.ort, "preload_dlls", lambda: calls.append(print("Failed to load libcufft.so.12")), raising=False
    )
    sessions._load_libraries_of([provider])
    assert (len(calls), capsys.readouterr().out) == (loads, "")


@pytest.mark.parametrize(("version", "tf32"), [("1.16.3", {}), ("1.18.0", {"use_tf32": "0"})])
def test_cuda_computes_in_single_precision_and_starts_without_trying_every_algorithm(monkeypatch, version, tf32):
    monkeypatch.setattr(sessions.ort, "__version__", version)
    given = sessions._with_options(["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"])
    options = {"cudnn_conv_algo_search": "HEURISTIC", **tf32}
    assert given == ["TensorrtExecutionProvider", ("CUDAExecutionProvider", options), "CPUExecutionProvider"]


@needs_other
@pytest.mark.parametrize(("architecture", "good"), [("cox3d", 0), ("cox3d", 7), ("cox3d", 33), ("x3d", 2)])
def test_a_stream_continues_where_it_was(tiny_bundle, architecture, good):
    path = tiny_bundle(architecture)
    expected = scores(OnnxBackend(path, threads=1), 40)
    backend = failing(path, good)
    assert (backend.provider, backend.fallback_reason) == (OTHER, "")
    with pytest.warns(RuntimeWarning, match="continuing on CPUExecutionProvider"):
        found = scores(backend, 40)
    np.testing.assert_array_equal(found, expected)
    assert backend.provider == "CPUExecutionProvider"
    assert backend.fallback_reason.startswith(f"{OTHER} failed on {path}: CUDA failure 700")


@needs_other
@falls_back
def test_threads_that_fail_together_fall_back_once(tiny_bundle):
    path, found = tiny_bundle("cox3d"), {}
    expected = [scores(OnnxBackend(path, threads=1), 36, seed) for seed in range(THREADS)]
    backend = failing(path, 100)
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: scores(backend, 36, seed)}))
        for seed in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(THREADS):
        np.testing.assert_array_equal(found[seed], expected[seed])
    assert backend.fallback_reason


@needs_other
@falls_back
def test_streams_pushed_together_continue_together(tiny_bundle):
    path, found = tiny_bundle("cox3d"), []
    for backend in (OnnxBackend(path, threads=1), failing(path, 5)):
        recognizer = Recognizer(backend)
        streams = [recognizer.stream(sampling="every_frame") for _ in range(3)]
        rows = zip(*(frames(backend, 36, seed) for seed in range(3)))
        answers = [recognizer.push_many(list(zip(streams, row))) for row in rows]
        found.append([[prediction.scores for prediction in row] for row in answers if row[0]])
    np.testing.assert_array_equal(*found)


def test_a_failure_of_the_last_provider_is_raised_and_keeps_the_history(tiny_bundle):
    path, found = tiny_bundle("cox3d"), []
    backend = opened(path, lambda session: Failing(session, lambda number: number in (3, 21, 37)), ["cpu"])
    stream = Recognizer(backend).stream(sampling="every_frame")
    for index, frame in enumerate(frames(backend, 40)):
        if index in (3, 20, 35):
            with pytest.raises(BackendError, match=f"CPUExecutionProvider failed on {path}: CUDA failure 700"):
                stream.push(frame)
        prediction = stream.push(frame)
        found += [prediction.scores] if prediction else []
    np.testing.assert_array_equal(np.array(found), scores(OnnxBackend(path, threads=1), 40))
    assert backend.fallback_reason == ""


@needs_other
@falls_back
def test_a_next_provider_that_does_not_start_is_skipped(tiny_bundle, monkeypatch):
    backend, tried, original = failing(tiny_bundle("cox3d"), 0), [], sessions.open_session
    backend._sessions._settings.providers[1:1] = ["CUDAExecutionProvider"]

    def open_session(path, settings, *arguments):
        tried.append(settings.providers[0])
        if settings.providers[0].startswith("CUDA"):
            raise BackendError("CUDAExecutionProvider could not be started")
        return original(path, settings, *arguments)

    monkeypatch.setattr(sessions, "open_session", open_session)
    scores(backend, 3)
    assert tried == ["CUDAExecutionProvider", "CPUExecutionProvider"]
