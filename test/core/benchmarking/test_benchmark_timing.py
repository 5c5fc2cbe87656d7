"""Medians, comparisons and batches, on a clock that the tests set."""

from __future__ import annotations

import pytest

from opendr_har_core.benchmarking.benchmark import throughput_by_batch
from opendr_har_core.benchmarking.timing import Timing, compare, time_calls, time_turns

MIB = 1 << 20


class Clock:
    """Time that passes only while a job runs."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_medians_are_of_the_calls_after_the_warm_up():
    clock, durations = Clock(), iter([5.0, 4.0, *[1.0] * 6, 2.0, 3.0, 4.0])

    def job():
        clock.now += next(durations)

    timing = time_calls(job, 12.5, clock)
    assert (timing.median_sec, timing.p10_sec) == (1.0, 1.0)
    assert timing.p90_sec == pytest.approx(3.2)


@pytest.fixture
def slowing():
    """A clock, the names of the calls, and jobs whose calls take longer and longer."""
    clock, order = Clock(), []

    def job(name, seconds):
        def run():
            order.append(name)
            clock.now += seconds * (1 + clock.now / 1000)

        return run

    return clock, order, job


def test_several_jobs_take_turns(slowing):
    clock, order, job = slowing
    one, two, three = time_turns([job("a", 1.0), job("b", 2.0), job("c", 1.0)], 40.0, clock)
    assert (two.median_sec / one.median_sec, three.median_sec / one.median_sec) == (
        pytest.approx(2.0, rel=0.05),
        pytest.approx(1.0, rel=0.05),
    )
    assert "".join(order[6::5]).startswith("abcabc")  # the turns of five calls after the warm-up


def test_a_machine_that_slows_down_favours_neither_job(slowing):
    clock, order, job = slowing
    result = compare(job("a", 1.0), job("b", 2.0), 100.0, clock)
    assert result.ratio == pytest.approx(2.0, rel=0.05)
    assert result.ratio_p10 < result.ratio < result.ratio_p90
    assert result.rounds >= 5
    assert "".join(order[4::5]).startswith("abbaabbaab")  # the turns of five calls after the warm-up


@pytest.mark.parametrize(
    ("seconds", "peaks", "largest", "tried"),
    [
        ({1: 1.0, 2: 1.5, 4: 2.5, 8: 6.0, 16: 1.0}, (), 64, [1, 2, 4, 8]),  # no gain
        ({1: 1.0, 2: 1.0, 4: 1.0}, (100, 200, 400), 64, [1, 2]),  # memory
        ({2**power: 1.0 for power in range(10)}, (), 64, [1, 2, 4, 8, 16, 32, 64]),
        ({2**power: 1.0 for power in range(10)}, (), 12, [1, 2, 4, 8]),
    ],
)
def test_batches_grow_until_one_gains_nothing_or_is_too_large(seconds, peaks, largest, tried):
    peaks = iter(peaks)
    found = throughput_by_batch(
        lambda batch: lambda: seconds[batch],
        1.0,
        largest,
        timer=lambda job, _: Timing(job(), job(), job(), job()),
        peak=lambda: next(peaks, 100) * MIB,
        available=lambda: 350 * MIB,
    )
    assert found == {batch: pytest.approx(batch / seconds[batch]) for batch in tried}
