"""Dense streams: a prediction at every frame, each from frames at the training rate."""

from __future__ import annotations

import pytest
from stream_cases import MS, exact, frames

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.streaming.sampling import Sampler

GAP = 2_000 * MS
STRIDE = 6


def by_hand(recognizer, some_frames):
    """What ordinary streams say, one for each history, that are shown nothing but the frames of their history."""
    sampler = Sampler(recognizer.spec.period_ns, GAP, histories=STRIDE)
    streams, said = {}, []
    for frame in some_frames:
        decision = sampler.decide(frame.stamp_ns, frame.size)
        sampler.commit(decision)
        streams = {number: stream for number, stream in streams.items() if number in decision.live}
        for number in decision.taken_by:
            streams.setdefault(number, recognizer.stream(sampling="every_frame"))
        answers = [streams[number].push(frame) for number in decision.taken_by]
        said.append(next((answer for answer in answers if answer), None))
    return said


@pytest.fixture(params=["none", "repeat"])
def make_stream(request, recognizer):
    return lambda: recognizer.stream(sampling="dense", warm_start=request.param)


@pytest.mark.parametrize(("fps", "jitter"), [(30, 0.3), (29.97, 0.1), (25, 0), (15, 0), (7, 0), (60, 0.1)])
def test_each_history_is_bit_identical_to_an_ordinary_stream_of_its_frames(recognizer, fps, jitter):
    some_frames = frames(200, fps, jitter=jitter, seed=round(fps))
    stream = recognizer.stream(sampling="dense")
    found = exact(map(stream.push, some_frames))
    assert found == exact(by_hand(recognizer, some_frames))
    assert sum(item is not None for item in found) > 50


@pytest.mark.parametrize(
    ("fps", "jitter"),
    [(30, 0.3), (25, 0.3), (15, 0.3), (10, 0.3), (7, 0), (29.97, 0.3)],
)
def test_every_frame_gets_a_prediction_once_all_histories_are_warm(recognizer, fps, jitter):
    some_frames, stream = frames(900, fps, jitter=jitter), recognizer.stream(sampling="dense")
    found = [stream.push(frame) for frame in some_frames]
    warm_after = int((recognizer.spec.warm_up + 2) * 0.2 * fps) + 1
    assert all(found[warm_after:])
    assert [item.stamp_ns for item in found[warm_after:]] == [item.stamp_ns for item in some_frames[warm_after:]]


@pytest.mark.parametrize(("fps", "histories"), [(30, 6), (25, 5), (15, 3), (10, 2), (5, 1), (3, 1), (60, 6)])
def test_no_more_work_is_done_than_the_camera_has_frames_for(recognizer, fps, histories):
    stream, sampler = recognizer.stream(sampling="dense"), Sampler(recognizer.spec.period_ns, GAP, histories=STRIDE)
    taken = 0
    for frame in frames(120, fps):
        stream.push(frame)
        decision = sampler.decide(frame.stamp_ns, frame.size)
        sampler.commit(decision)
        taken += len(decision.taken_by)
    assert stream.histories == histories
    assert taken == (60 if fps == 60 else 120)


def test_histories_that_take_the_same_frames_become_one_and_come_back(recognizer):
    """A camera that halves its rate in the dark, and has it again in the light."""
    stream, start, counts = recognizer.stream(sampling="dense"), 0, []
    for fps, seed in ((30, 1), (15, 2), (30, 3)):
        some_frames = frames(300, fps, seed=seed, start=start, jitter=0.05)
        found = [stream.push(frame) for frame in some_frames]
        start = some_frames[-1].stamp_ns + round(1e9 / fps)
        counts.append(stream.histories)
        assert sum(item is not None for item in found[150:]) >= 148
    assert counts == [6, 3, 6]


def test_a_reset_forgets_all_histories(make_stream):
    some_frames, stream = frames(100, seed=1), make_stream()
    expected = exact(map(make_stream().push, some_frames))
    for frame in frames(100, seed=2, start=50 * MS):
        stream.push(frame)
    assert exact(map(stream.push, some_frames)) == expected  # the stamps went back
    stream.reset()
    assert (str(stream.status), stream.histories) == ("idle", 0)
    assert exact(map(stream.push, some_frames)) == expected


def test_errors_lose_nothing_in_any_history(backend, make_stream):
    def broken():
        raise ImageError("half of the pixels are missing")

    some_frames = frames(100, seed=4)
    expected = exact(map(make_stream().push, some_frames))
    stream, found, failures = make_stream(), [], 0
    for frame in some_frames:
        before = stream.status, stream.histories
        with pytest.raises(ImageError):
            stream.push(LazyFrame(frame.stamp_ns, frame.size, broken))
        assert (stream.status, stream.histories) == before
        backend.fail = True
        try:
            said = stream.push(frame)
        except RuntimeError:
            failures += 1
            assert (stream.status, stream.histories) == before
            backend.fail = False
            said = stream.push(frame)
        backend.fail = False
        found += exact([said])
    assert failures > 80
    assert found == expected


@pytest.mark.parametrize(("sampling", "sampled"), [("stamps", 20), ("dense", 120)])
def test_cameras_of_one_clock_are_stepped_together_when_aligned(backend, recognizer, sampling, sampled):
    """The second camera starts three frames, half a period, after the first, and 5 ms off its beat."""
    calls = {}
    for aligned in (True, False):
        streams = [recognizer.stream(sampling=sampling, aligned=aligned) for _ in range(2)]
        first, second = frames(123, start=7 * MS), frames(120, seed=1, start=112 * MS)
        for frame in first[:3]:
            streams[0].push(frame)
        backend.calls, both = 0, 0
        for pair in zip(first[3:], second):
            recognizer.push_many(list(zip(streams, pair)))
            both += all(stream.status.sampled for stream in streams)
        calls[aligned] = backend.calls
        if aligned:
            assert sampled - 1 <= both <= sampled
    if sampling == "stamps":
        assert calls[False] > 1.8 * calls[True]
    else:
        assert calls[True] <= sampled


def test_aligned_predictions_are_those_of_an_ordinary_stream_of_the_same_frames(recognizer):
    some_frames = frames(150, start=70 * MS, jitter=0.1)
    aligned, sampled, found = recognizer.stream(aligned=True), [], []
    for frame in some_frames:
        found.append(aligned.push(frame))
        sampled += [frame] if aligned.status.sampled else []
    ticks = [round(frame.stamp_ns / (200 * MS)) for frame in sampled]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert all(abs(frame.stamp_ns - tick * 200 * MS) < 21 * MS for frame, tick in zip(sampled[1:], ticks[1:]))
    ordinary = recognizer.stream(sampling="every_frame")
    assert [item for item in exact(found) if item] == [item for item in exact(map(ordinary.push, sampled)) if item]
