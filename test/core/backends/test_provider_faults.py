"""If a provider fails while it computes, the next one takes over and no history is lost."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from opendr_har_core import Frame, Recognizer
from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.runtime import ort
from opendr_har_core.errors import BackendError

# Of all builds of ONNX Runtime that registries offer for CPUs; it leaves our operators to the CPU.
OTHER = "AzureExecutionProvider"
pytestmark = pytest.mark.skipif(
    OTHER not in ort.get_available_providers(), reason=f"this ONNX Runtime has no {OTHER} to fail"
)
THREADS = 8


class Failing:
    """A session that fails after `good` runs, like a lost GPU."""

    def __init__(self, session, good):
        self._session, self._left = session, good
        self._lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, *arguments):
        self._count()
        return self._session.run(*arguments)

    def run_with_iobinding(self, binding):
        self._count()
        self._session.run_with_iobinding(binding)

    def _count(self):
        with self._lock:
            self._left -= 1
            if self._left < 0:
                raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")


@pytest.fixture
def stepping(tiny_bundle):
    return tiny_bundle("cox3d")


def opened(path, good):
    """A backend whose first provider fails after `good` runs; the second one is the CPU."""
    backend = OnnxBackend(path, providers=["azure", "cpu"], threads=1)
    sessions = backend._sessions._current
    sessions.single = Failing(sessions.single, good)
    sessions._several = Failing(sessions.several(), good)
    return backend


def frames(side, count, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return [Frame(rgb, index * 10**9 // 30) for index, rgb in enumerate(pixels)]


def scores(backend, count, seed=0):
    """Scores of a stream of `count` frames."""
    stream = Recognizer(backend).stream(sampling="every_frame")
    found = (stream.push(frame) for frame in frames(backend.spec.image_size, count, seed))
    return np.array([prediction.scores for prediction in found if prediction])


@pytest.mark.parametrize("good", [0, 7, 33])
def test_a_stream_continues_where_it_was(stepping, good):
    expected = scores(OnnxBackend(stepping, threads=1), 40)
    backend = opened(stepping, good)
    assert (backend.provider, backend.fallback_reason) == (OTHER, "")
    with pytest.warns(RuntimeWarning, match="continuing on CPUExecutionProvider"):
        found = scores(backend, 40)
    np.testing.assert_array_equal(found, expected)
    assert backend.provider == "CPUExecutionProvider"
    assert backend.fallback_reason.startswith(f"{OTHER} failed on {stepping}: CUDA failure 700")
    assert Recognizer(backend).fallback_reason == backend.fallback_reason


def test_clips_are_classified_by_the_next_provider(tiny_bundle):
    path = tiny_bundle("x3d")
    expected = scores(OnnxBackend(path, threads=1), 8)
    with pytest.warns(RuntimeWarning, match="continuing on CPUExecutionProvider"):
        found = scores(opened(path, 2), 8)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("ignore:AzureExecutionProvider failed")
def test_threads_that_fail_together_fall_back_once(stepping):
    expected = [scores(OnnxBackend(stepping, threads=1), 36, seed) for seed in range(THREADS)]
    backend = opened(stepping, 100)
    found = [None] * THREADS

    def run(seed):
        found[seed] = scores(backend, 36, seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(THREADS):
        np.testing.assert_array_equal(found[seed], expected[seed])
    assert backend.fallback_reason


@pytest.mark.filterwarnings("ignore:AzureExecutionProvider failed")
def test_streams_pushed_together_continue_together(stepping):
    found = []
    for backend in (OnnxBackend(stepping, threads=1), opened(stepping, 5)):
        recognizer = Recognizer(backend)
        streams = [recognizer.stream(sampling="every_frame") for _ in range(3)]
        clips = [frames(backend.spec.image_size, 36, seed) for seed in range(3)]
        answers = [recognizer.push_many(list(zip(streams, row))) for row in zip(*clips)]
        found.append([[prediction.scores for prediction in row] for row in answers if row[0]])
    np.testing.assert_array_equal(*found)


def test_a_failure_of_the_last_provider_is_raised_and_keeps_the_history(stepping):
    expected = scores(OnnxBackend(stepping, threads=1), 40)
    backend = OnnxBackend(stepping, threads=1)
    sessions = backend._sessions._current
    sound = sessions.single
    stream = Recognizer(backend).stream(sampling="every_frame")
    found = []
    for index, frame in enumerate(frames(backend.spec.image_size, 40)):
        if index in (3, 20, 35):
            sessions.single = Failing(sound, 0)
            with pytest.raises(BackendError, match=f"CPUExecutionProvider failed on {stepping}: CUDA failure 700"):
                stream.push(frame)
            sessions.single = sound
        prediction = stream.push(frame)
        found += [prediction.scores] if prediction else []
    np.testing.assert_array_equal(np.array(found), expected)
    assert backend.fallback_reason == ""


def test_a_next_provider_that_does_not_start_is_skipped(stepping, monkeypatch):
    from opendr_har_core.backends import provider_fallback as sessions

    backend = opened(stepping, 0)
    current = backend._sessions._current
    current.settings = type(current.settings)([OTHER, "CUDAExecutionProvider", "CPUExecutionProvider"], 1, False)
    tried = []

    def open_session(path, settings, rows=None):
        tried.append(settings.providers[0])
        if settings.providers[0].startswith("CUDA"):
            raise BackendError("CUDAExecutionProvider could not be started")
        return original(path, settings, rows)

    original = sessions.open_session
    monkeypatch.setattr(sessions, "open_session", open_session)
    with pytest.warns(RuntimeWarning, match="continuing on CPUExecutionProvider"):
        scores(backend, 3)
    assert tried == ["CUDAExecutionProvider", "CPUExecutionProvider"]
