"""Sessions: number of threads, names of providers, idle threads."""

from __future__ import annotations

import time

import numpy as np
import pytest

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.backends.session import default_threads, provider_names, session_settings
from opendr_har_core.errors import BackendError, ConfigError
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE


def test_by_default_one_core_is_left_free_and_at_most_four_are_used():
    assert [default_threads(cores) for cores in (1, 2, 4, 6, 8, 64)] == [1, 1, 3, 4, 4, 4]


def test_providers_have_short_names():
    assert provider_names(["cpu"]) == provider_names(["CPUExecutionProvider"]) == provider_names(None)
    with pytest.raises(BackendError, match="no execution provider 'warp'"):
        provider_names(["warp"])


def test_a_negative_number_of_threads_is_refused():
    with pytest.raises(ConfigError, match="threads is -1"):
        session_settings(threads=-1)


def test_threads_sleep_between_frames():
    """The process uses nearly no processor time while no frame comes."""
    backend = OnnxBackend(DEFAULT_BUNDLE, threads=2)
    side = backend.spec.image_size
    clip = np.zeros((1, backend.spec.window, side, side, 3), np.uint8)
    used = []
    for _ in range(5):
        backend.classify(clip)
        before = time.process_time()
        time.sleep(0.2)
        used.append(time.process_time() - before)
    assert min(used) < 0.02
