"""Frames are chosen by their stamps, at any camera rate."""

from __future__ import annotations

import random

import pytest

from opendr_har_core.streaming.sampling import Sampler

MS = 1_000_000
PERIOD = 200 * MS
SIZE = (480, 640)


def sampled_stamps(stamps, sampler=None):
    sampler = sampler or Sampler(PERIOD, 2_000 * MS)
    taken = []
    for stamp in stamps:
        decision = sampler.decide(stamp, SIZE)
        assert decision.reset is None
        sampler.commit(decision)
        if decision.sampled:
            taken.append(stamp)
    return taken


def camera(rate, seconds=60, jitter=0.0, seed=0):
    """Stamps of a camera at `rate` Hz, each off by up to `jitter` of an interval."""
    rng = random.Random(seed)
    interval = 1e9 / rate
    return [round((index + rng.uniform(-jitter, jitter)) * interval) + 10**18 for index in range(int(seconds * rate))]


@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize("rate", [7, 10, 15, 25, 29.97, 30, 60, 120])
def test_each_tick_gets_one_frame_near_it(rate, jitter):
    stamps = camera(rate, jitter=jitter)
    taken = sampled_stamps(stamps)
    ticks = (stamps[-1] - stamps[0]) // PERIOD + 1
    longest = max(after - before for before, after in zip(stamps, stamps[1:]))
    assert ticks - (4 if longest > PERIOD else 1) <= len(taken) <= ticks + 1
    tolerance = (0.5 + 2 * jitter) * 1e9 / rate + MS
    nearest = [round((stamp - stamps[0]) / PERIOD) for stamp in taken]
    assert all(abs(stamp - stamps[0] - tick * PERIOD) <= tolerance for stamp, tick in zip(taken, nearest))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rate", [4.8, 5.0, 5.2])
def test_a_camera_about_as_quick_as_the_model_is_taken_whole_between_others_too(rate, seed):
    """Wherever its frames lie between the ticks that it shares with other cameras."""
    phase = random.Random(seed).randrange(PERIOD)
    stamps = [stamp + phase for stamp in camera(rate, jitter=0.1, seed=seed)]
    taken = sampled_stamps(stamps, Sampler(PERIOD, 2_000 * MS, aligned=True))
    assert len(taken) >= 0.98 * len(stamps)


def test_a_slow_camera_is_taken_whole_and_reported():
    sampler = Sampler(PERIOD, 2_000 * MS)
    stamps = camera(3)
    assert sampled_stamps(stamps, sampler) == stamps
    assert sampler.decide(stamps[-1] + 333 * MS, SIZE).slow_camera


@pytest.mark.parametrize(
    ("stamp", "size", "reason"),
    [
        (-5_000 * MS, SIZE, "stamp went back by 5.00 s"),
        (2_500 * MS, SIZE, "gap of 2.50 s is over the limit of 2.00 s"),
        (33 * MS, (240, 320), "frame size changed from 640x480 to 320x240"),
    ],
)
def test_a_break_starts_a_new_sequence_and_says_why(stamp, size, reason):
    sampler = Sampler(PERIOD, 2_000 * MS)
    sampler.commit(sampler.decide(0, SIZE))
    decision = sampler.decide(stamp, size)
    assert (decision.sampled, decision.reset) == (True, reason)
    sampler.commit(decision)
    assert sampler.decide(stamp + 33 * MS, size).sampled is False
    assert sampler.decide(stamp + PERIOD, size).sampled is True


def test_a_repeated_stamp_is_not_sampled_twice():
    for every_frame in (False, True):
        sampler = Sampler(PERIOD, 2_000 * MS, every_frame)
        sampler.commit(sampler.decide(7, SIZE))
        decision = sampler.decide(7, SIZE)
        assert (decision.sampled, decision.reset) == (False, None)


def test_frames_that_were_overtaken_are_left_out_and_cost_nothing_else():
    """Also of another size: a second camera on the topic that is always a little behind."""
    stamps = camera(30, seconds=5)
    expected = sampled_stamps(stamps)
    sampler, taken = Sampler(PERIOD, 2_000 * MS), []
    for stamp in stamps:
        for number, size in ((stamp, SIZE), (stamp - 20 * MS, (240, 320)), (stamp - 400 * MS, SIZE)):
            decision = sampler.decide(number, size)
            assert decision.reset is None
            assert decision.out_of_order == (number < stamp)
            sampler.commit(decision)
            taken += [number] if decision.sampled else []
    assert taken == expected


def test_a_clock_that_is_set_back_a_little_is_believed_after_a_few_frames():
    sampler = Sampler(PERIOD, 2_000 * MS)
    sampled_stamps(camera(30, seconds=2), sampler)
    behind = [10**18 + 1_600 * MS + index * 33 * MS for index in range(10)]
    decisions = []
    for stamp in behind:
        decisions.append(sampler.decide(stamp, SIZE))
        sampler.commit(decisions[-1])
    assert [decision.out_of_order for decision in decisions] == [True] * 4 + [False] * 6
    assert decisions[4].reset.startswith("stamp went back by 0.2")
    assert [decision.reset for decision in decisions[5:]] == [None] * 5


def test_deciding_without_committing_leaves_no_trace():
    plain, disturbed = Sampler(PERIOD, 2_000 * MS), Sampler(PERIOD, 2_000 * MS)
    for stamp in camera(30, seconds=5, jitter=0.2):
        disturbed.decide(stamp + 13 * MS, (1, 1))
        disturbed.decide(stamp - 10_000 * MS, SIZE)
        expected, found = plain.decide(stamp, SIZE), disturbed.decide(stamp, SIZE)
        assert expected == found
        plain.commit(expected)
        disturbed.commit(found)


def test_sampling_continues_in_step_after_a_gap_shorter_than_max_gap():
    stamps = [stamp for stamp in camera(30, seconds=10) if not 3 <= (stamp - 10**18) / 1e9 < 4]
    taken = [(stamp - 10**18) / 1e9 for stamp in sampled_stamps(stamps)]
    assert all(abs(time / 0.2 - round(time / 0.2)) < 0.1 for time in taken)
    assert 45 <= len(taken) <= 46
