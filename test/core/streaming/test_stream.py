"""Streams: warm-up, resets, batches, and errors that lose nothing."""

from __future__ import annotations

import numpy as np
import pytest
from stream_cases import MS, ArithmeticBackend, exact, frames, outputs

from opendr_har_core.errors import ConfigError, DataError, ImageError
from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.streaming.recognizer import Recognizer


def test_the_status_counts_the_warm_up_and_then_predictions_come(recognizer):
    stream = recognizer.stream()
    warm_up = recognizer.spec.warm_up
    assert str(stream.status) == "idle"
    for index in range(warm_up):
        assert stream.push(frames(1, start=index * 200 * MS)[0]) is None
        assert str(stream.status) == f"warming {index + 1}/{warm_up}"
    prediction = stream.push(frames(1, start=warm_up * 200 * MS)[0])
    assert str(stream.status) == "running"
    assert prediction.stamp_ns == warm_up * 200 * MS
    assert prediction.scores.shape == (3,)
    assert prediction.label == prediction.top[0].label
    assert stream.push(frames(1, start=warm_up * 200 * MS + 33 * MS)[0]) is None
    assert (str(stream.status), stream.status.sampled) == ("running", False)


def test_a_reset_stream_is_bit_identical_to_a_new_one(recognizer):
    some_frames = frames(100, seed=1)
    stream = recognizer.stream()
    outputs(stream, frames(77, seed=2))
    stream.reset()
    assert str(stream.status) == "idle"
    expected = outputs(recognizer.stream(), some_frames)
    assert len(expected) > 5
    assert outputs(stream, some_frames) == expected


def test_a_stamp_that_goes_back_resets_and_does_not_mix(recognizer):
    some_frames = frames(60, seed=3)
    stream = recognizer.stream()
    outputs(stream, frames(90, seed=4))
    stream.push(some_frames[0])
    assert stream.status.reset == "stamp went back by 2.97 s"
    assert stream.status.step == 1
    assert outputs(stream, some_frames[1:]) == outputs(recognizer.stream(), some_frames)


def test_only_sampled_frames_are_decoded(recognizer):
    decoded = []

    def lazy(frame):
        def decode():
            decoded.append(frame.stamp_ns)
            return frame.rgb

        return LazyFrame(frame.stamp_ns, frame.size, decode)

    some_frames = frames(60)
    stream = recognizer.stream()
    assert outputs(stream, [lazy(frame) for frame in some_frames]) == outputs(recognizer.stream(), some_frames)
    assert len(decoded) == 10


def test_a_failure_at_a_reset_keeps_the_history_from_before(backend, recognizer):
    some_frames = frames(60)
    expected = outputs(recognizer.stream(), some_frames)
    stream, neighbour = recognizer.stream(), recognizer.stream()
    found = outputs(stream, some_frames[:40])
    outputs(neighbour, frames(40, seed=9))
    other_size = Frame(np.zeros((20, 20, 3), np.uint8), some_frames[40].stamp_ns)
    backend.fail = True
    with pytest.raises(RuntimeError):  # the neighbour's frame makes the network run, whatever the network is
        recognizer.push_many([(stream, other_size), (neighbour, frames(49, seed=9)[48])])
    backend.fail = False
    assert found + outputs(stream, some_frames[40:]) == expected


def test_a_call_for_streams_of_several_kinds_fails_or_works_as_a_whole(backend, recognizer):
    kinds = [{"warm_start": "repeat"}, {"sampling": "dense"}, {"sampling": "dense", "warm_start": "repeat"}, {}]
    some_frames = frames(100, seed=5)
    expected = [exact(map(recognizer.stream(**kind).push, some_frames)) for kind in kinds]
    streams, found = [recognizer.stream(**kind) for kind in kinds], []
    for frame in some_frames:
        before = [stream.status for stream in streams]
        backend.fail = True
        with pytest.raises(RuntimeError):
            recognizer.push_many([(stream, frame) for stream in streams])
        backend.fail = False
        assert [stream.status for stream in streams] == before
        found.append(exact(recognizer.push_many([(stream, frame) for stream in streams])))
    assert [list(column) for column in zip(*found)] == expected


def test_streams_pushed_together_give_what_each_gives_alone(backend, recognizer):
    videos = [frames(80, seed=5), frames(80, fps=25, seed=6), frames(80, fps=12, seed=7)]
    alone = [outputs(recognizer.stream(), video) for video in videos]
    streams = [recognizer.stream() for _ in videos]
    together, backend.calls = [[], [], []], 0
    for row in zip(*videos):
        for index, prediction in enumerate(recognizer.push_many(list(zip(streams, row)))):
            if prediction:
                together[index].append((prediction.stamp_ns, prediction.scores.tobytes()))
    assert together == alone
    assert backend.calls <= 80


def test_a_stream_is_not_taken_twice_or_from_another_recognizer(recognizer):
    stream, frame = recognizer.stream(), frames(1)[0]
    with pytest.raises(ConfigError, match="given twice"):
        recognizer.push_many([(stream, frame), (stream, frame)])
    with pytest.raises(ConfigError, match="another recognizer"):
        Recognizer(ArithmeticBackend("x3d")).push_many([(stream, frame)])


@pytest.mark.parametrize("wrong", [None, np.zeros((4, 4, 3), np.uint8)])
def test_what_is_no_frame_is_refused_with_the_type_to_give(recognizer, wrong):
    stream = recognizer.stream()
    with pytest.raises(DataError, match=r"takes a Frame\(rgb, stamp_ns\)"):
        stream.push(wrong)
    assert stream.status.phase == "idle"


@pytest.mark.parametrize(
    "wrong", [{"sampling": "sometimes"}, {"max_gap_sec": 0}, {"max_gap_sec": float("nan")}, {"top_k": 0}]
)
def test_settings_that_make_no_sense_are_refused_by_name(recognizer, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        recognizer.stream(**wrong)


@pytest.mark.parametrize(
    "rgb", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), [[0, 0, 0]]]
)
def test_a_frame_must_be_an_rgb_image(rgb):
    with pytest.raises(ImageError):
        Frame(rgb, 0)
