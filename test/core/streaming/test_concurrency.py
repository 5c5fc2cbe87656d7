"""Streams pushed from many threads on one recognizer give what one thread would get."""

from __future__ import annotations

import itertools
import random
import sys
import threading

import numpy as np
import pytest
from stream_cases import ArithmeticBackend, exact

from opendr_har_core import Frame, Recognizer
from opendr_har_core.frame import LazyFrame

SIDE = 12
THREADS, FRAMES = 8, 60


@pytest.fixture(autouse=True)
def frequent_switches():
    """Switch threads as often as Python can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(params=["arithmetic x3d", "arithmetic cox3d", "onnx x3d", "onnx cox3d"])
def shared_recognizer(request, tmp_path):
    kind, architecture = request.param.split()
    if kind == "arithmetic":
        return Recognizer(ArithmeticBackend(architecture, warm_up=2 if architecture == "x3d" else 5))
    pytest.importorskip("onnx")
    from readers import bundles

    path = tmp_path / "tiny.onnx"
    path.write_bytes(bundles(tmp_path)[architecture == "cox3d"])
    return Recognizer.open(path, threads=1)


def frames(seed, count=FRAMES, period_ns=100_000_000):
    rng = np.random.default_rng(seed)
    return [
        Frame(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), index * period_ns + int(rng.integers(10**6)))
        for index in range(count)
    ]


class TickingFrame(LazyFrame):
    """A frame with a later stamp each time that a stream reads it, so that stamps rise in any order of threads."""

    stamp_ns = property(lambda self: next(self._ticks) * 1000, lambda self, _: None)

    def __init__(self):
        super().__init__(0, (SIDE, SIDE), lambda: frames(3, 1)[0].rgb)
        self._ticks = itertools.count()


def at_once(*jobs):
    """Run each job in a thread, starting together; raise the first error."""
    errors, start = [], threading.Barrier(len(jobs))

    def run(job):
        try:
            start.wait(10)
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "deadlock"
    if errors:
        raise errors[0]


@pytest.mark.parametrize(("sampling", "warm_start"), [("stamps", "none"), ("dense", "none"), ("dense", "repeat")])
def test_a_stream_for_each_thread_gives_bit_for_bit_what_it_gives_alone(shared_recognizer, sampling, warm_start):
    expected, results = {}, {}
    for seed in range(THREADS):
        stream = shared_recognizer.stream(sampling, warm_start=warm_start)
        expected[seed] = exact(map(stream.push, frames(seed)))

    def job(seed):
        stream = shared_recognizer.stream(sampling, warm_start=warm_start)
        results[seed] = exact(map(stream.push, frames(seed)))

    at_once(*[lambda seed=seed: job(seed) for seed in range(THREADS)])
    assert results == expected
    assert all(any(scores) for scores in expected.values())


def test_groups_of_streams_pushed_together_by_several_threads_give_what_each_gives_alone(shared_recognizer):
    groups, each, results = 4, 3, {}

    def job(group):
        streams = [shared_recognizer.stream("every_frame") for _ in range(each)]
        columns = zip(*[frames(10 * group + row) for row in range(each)])
        rows = [shared_recognizer.push_many(list(zip(streams, column))) for column in columns]
        for row in range(each):
            results[group, row] = [answers[row] for answers in rows]

    at_once(*[lambda group=group: job(group) for group in range(groups)])
    for (group, row), together in results.items():
        stream = shared_recognizer.stream("every_frame")
        alone = [stream.push(frame) for frame in frames(10 * group + row)]
        assert [item is None for item in together] == [item is None for item in alone]
        pairs = [(one.scores, other.scores) for one, other in zip(together, alone) if one]
        assert max(np.abs(one - other).max() for one, other in pairs) <= 1e-6


def test_one_stream_from_many_threads_loses_no_frame(shared_recognizer):
    stream, picture = shared_recognizer.stream("every_frame"), TickingFrame()
    at_once(*[lambda: [stream.push(picture) for _ in range(FRAMES)]] * THREADS)
    assert stream.status.step == THREADS * FRAMES
    alone = shared_recognizer.stream("every_frame")
    for _ in range(THREADS * FRAMES):
        alone.push(picture)
    assert stream.push(picture).scores.tobytes() == alone.push(picture).scores.tobytes()


def test_overlapping_groups_in_opposite_orders_do_not_wait_for_each_other(shared_recognizer):
    streams = [shared_recognizer.stream("every_frame") for _ in range(4)]
    picture = TickingFrame()
    counts, counting = [0] * len(streams), threading.Lock()

    def job(seed):
        rng = random.Random(seed)
        for _ in range(FRAMES):
            chosen = rng.sample(range(len(streams)), rng.randint(1, len(streams)))
            shared_recognizer.push_many([(streams[index], picture) for index in chosen])
            with counting:
                for index in chosen:
                    counts[index] += 1

    at_once(*[lambda seed=seed: job(seed) for seed in range(6)])
    assert [stream.status.step for stream in streams] == counts


def test_a_stream_that_is_reset_while_it_is_pushed_is_sound_afterwards(shared_recognizer):
    streams = [shared_recognizer.stream("every_frame") for _ in range(2)]
    done = threading.Event()

    def push():
        try:
            for number in range(6):
                for column in zip(frames(number), frames(number + 50)):
                    shared_recognizer.push_many(list(zip(streams, column)))
        finally:
            done.set()

    def reset():
        while not done.is_set():
            streams[0].reset()
            assert streams[0].status.step >= 0

    at_once(push, reset, reset)
    for stream in streams:
        stream.reset()
        assert (stream.status.phase, stream.histories) == ("idle", 0)
    fresh = shared_recognizer.stream("every_frame")
    assert exact(map(streams[0].push, frames(9))) == exact(map(fresh.push, frames(9)))
