"""Warm start: labels from the first frame on, as if it had repeated indefinitely, marked as provisional."""

from __future__ import annotations

import pytest
from stream_cases import MS, frames

from opendr_har_core import Recognizer
from opendr_har_core.frame import Frame

PERIOD = 200 * MS


def after_repeating(recognizer, first, some_frames):
    """Bytes of the predictions for some frames, after pushing `first` as often as the warm-up is long."""
    stream = recognizer.stream(sampling="every_frame", max_gap_sec=100)
    for index in range(recognizer.spec.warm_up):
        assert stream.push(Frame(first.rgb, first.stamp_ns - (recognizer.spec.warm_up - index) * MS)) is None
    return [stream.push(frame).scores.tobytes() for frame in some_frames]


def test_predictions_start_at_once_as_if_the_first_frame_had_repeated(recognizer):
    some_frames = frames(20, fps=5)
    stream = recognizer.stream(warm_start="repeat")
    found = [stream.push(frame) for frame in some_frames]
    assert [item.scores.tobytes() for item in found] == after_repeating(recognizer, some_frames[0], some_frames)
    warm_up = recognizer.spec.warm_up
    assert [item.provisional for item in found] == [True] * warm_up + [False] * (20 - warm_up)
    stream = recognizer.stream(warm_start="repeat")
    for index, frame in enumerate(some_frames[: warm_up + 1]):
        stream.push(frame)
        assert str(stream.status) == (f"provisional {index + 1}/{warm_up}" if index < warm_up else "running")


def test_a_new_history_starts_warm_again(recognizer):
    stream, first, second = recognizer.stream(warm_start="repeat"), frames(20, fps=5), frames(20, fps=5, seed=1)
    expected = after_repeating(recognizer, second[0], second)
    for frame in first:
        stream.push(frame)
    found = [stream.push(frame) for frame in second]  # the stamps went back
    assert [item.scores.tobytes() for item in found] == expected
    assert [item.provisional for item in found[:2]] == [True, True]
    stream.reset()
    assert str(stream.status) == "idle"
    assert [stream.push(frame).scores.tobytes() for frame in second] == expected


def test_a_dense_stream_labels_every_frame_from_the_first_on(recognizer):
    some_frames = frames(100)
    stream = recognizer.stream(sampling="dense", warm_start="repeat")
    found = [stream.push(frame) for frame in some_frames]
    for number in range(6):
        of_history = some_frames[:1] * bool(number) + some_frames[number::6]
        expected = after_repeating(recognizer, some_frames[0], of_history)
        assert [item.scores.tobytes() for item in found[number::6]] == expected[bool(number) :]
    provisional = [item.provisional for item in found]
    assert provisional == sorted(provisional, reverse=True)
    assert sum(provisional) == 1 + 6 * (recognizer.spec.warm_up - 1)


def test_the_histories_of_a_dense_stream_share_one_warm_up(backend, recognizer):
    if not recognizer.spec.is_continual:
        pytest.skip("an X3D computes nothing for a repeated frame")
    stream = recognizer.stream(sampling="dense", warm_start="repeat")
    for frame in frames(30):
        stream.push(frame)
    assert backend.calls == recognizer.spec.warm_up + 30


@pytest.mark.slow
@pytest.mark.parametrize("model", [("x3d", "xs"), ("cox3d", "xs")])
def test_real_networks_start_warm_bit_for_bit_and_forget_it(model, real_bundle):
    """A warm start leaves no trace after the repeated frames have left all layers."""
    recognizer = Recognizer.open(real_bundle(*model))
    size, count = recognizer.spec.image_size, 60  # as far as a CoX3D-XS reaches back
    some_frames = frames(count, fps=2.5, size=(size, size))
    stream, cold = recognizer.stream(warm_start="repeat"), recognizer.stream()
    warm = [stream.push(frame).scores.tobytes() for frame in some_frames]
    said = [cold.push(frame) for frame in some_frames]
    expected = after_repeating(recognizer, some_frames[0], some_frames[:3])
    assert warm[:3] == expected
    assert warm[-1] == said[-1].scores.tobytes()
