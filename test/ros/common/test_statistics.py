"""Rates, latencies and losses, and their diagnostics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opendr_har_ros.common.statistics import Statistics

MS = 1_000_000
SECOND = 1_000_000_000


def fed(stamps, arrivals=None):
    statistics = Statistics()
    for stamp, arrival in zip(stamps, arrivals or stamps):
        statistics.received(stamp, arrival)
    return statistics


def test_unknown_values_are_none():
    report = Statistics().report(SECOND)
    assert (report.received, report.rate_in, report.latency_ms, report.lost_share) == (0, 0.0, None, None)
    assert not report.loses_many


def test_rates_are_those_of_the_last_ten_seconds():
    statistics = fed([index * 100 * MS for index in range(200)])
    assert statistics.report(199 * 100 * MS).rate_in == pytest.approx(10, rel=0.02)
    assert statistics.report(60 * SECOND).rate_in == 0
    assert statistics.report(24_900 * MS).silent_sec == pytest.approx(5)


def test_latency_percentiles_ignore_stamps_of_another_clock():
    statistics = Statistics()
    for index in range(1, 101):
        statistics.published(index / 1000, index * MS)
    statistics.published(1.7e9, 101 * MS)
    statistics.published(-3.0, 102 * MS)
    report = statistics.report(103 * MS)
    assert report.published == 102
    assert report.latency_ms == pytest.approx((50, 95, 99), abs=1.01)


@pytest.mark.parametrize("interval_ms", [33, 99])
def test_a_steady_camera_loses_nothing(interval_ms):
    stamps = [index * interval_ms * MS for index in range(100)]
    assert fed(stamps).report(10 * SECOND).lost_share == pytest.approx(0.0, abs=0.02)


def test_missing_stamps_are_counted_as_lost():
    stamps = [index * 33 * MS for index in range(400) if index % 10 in (0, 1, 4)]
    report = fed(stamps).report(20 * SECOND)
    assert report.lost_share == pytest.approx(0.7, abs=0.05)
    assert report.loses_many


def test_jitter_is_not_loss():
    stamps = [index * 33 * MS + (index * 7919 % 11 - 5) * 2 * MS for index in range(300)]
    assert not fed(stamps).report(10 * SECOND).loses_many


def test_a_video_that_starts_again_is_not_loss():
    statistics = fed([index * 33 * MS for index in range(200)] + [index * 33 * MS for index in range(100)])
    assert statistics.report(10 * SECOND).lost_share == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("prepare", "level", "message"),
    [
        (lambda s: (s.received(0, 9 * SECOND), s.failed("bad size")), b"\x02", "no image could be read: bad size"),
        (lambda s: (s.received(0, 9 * SECOND), s.sampled(None), s.failed("bad size")), b"\x00", "running"),
        (
            lambda s: [s.received(0, 9 * SECOND), s.sampled(None), *[s.failed("torn") for _ in range(10)]],
            b"\x02",
            "the last 10 images could not be used: torn",
        ),
        (
            lambda s: [s.received(0, 9 * SECOND), *[(s.failed("torn"), s.sampled(None)) for _ in range(10)]],
            b"\x00",
            "running",
        ),
        (
            lambda s: [s.received((i // 2 * 400 + i % 2 * 33) * MS, 9 * SECOND) for i in range(40)],
            b"\x01",
            "images are being lost",
        ),
        (
            lambda s: [(s.received(0, 9 * SECOND), s.sampled(None)), *[s.ordered(True) for _ in range(30)]],
            b"\x01",
            "the stamps of the last 30 images do not advance",
        ),
        (
            lambda s: [s.received(0, 9 * SECOND), *[(s.ordered(True), s.ordered(False)) for _ in range(30)]],
            b"\x00",
            "running",
        ),
    ],
)
def test_the_diagnostics_report_faults(prepare, level, message):
    pytest.importorskip("diagnostic_msgs")
    from opendr_har_ros.common.diagnostics import RUNNING, diagnostic_status

    statistics = Statistics()
    prepare(statistics)
    report = statistics.report(10 * SECOND)
    status = diagnostic_status("camera/har", "front", report, {"model": "x3d_xs"}, RUNNING)
    assert status.name == "camera/har: activity recognition of front"
    assert status.level == level
    assert message in status.message
    assert {item.key: item.value for item in status.values}["model"] == "x3d_xs"


@pytest.mark.parametrize("phase", ["not active", "idle: the labels have no subscriber"])
def test_an_idle_or_inactive_node_is_ok(phase):
    pytest.importorskip("diagnostic_msgs")
    from opendr_har_ros.common.diagnostics import diagnostic_status

    statistics = fed([index * 33 * MS for index in range(100)])
    status = diagnostic_status("har", "", statistics.report(4 * SECOND), {}, phase)
    assert (status.level, status.message) == (b"\x00", phase)


@pytest.mark.parametrize("jump", [-5 * SECOND, 3 * SECOND, 3600 * SECOND])
def test_a_pause_or_a_clock_jump_is_not_loss(jump):
    before = [10 * SECOND + index * 33 * MS for index in range(40)]
    statistics = fed([*before, *(before[-1] + jump + index * 33 * MS for index in range(40))])
    assert statistics.report(20 * SECOND).lost_share == pytest.approx(0.0, abs=0.01)


def test_the_latest_reset_reason_is_kept():
    statistics = Statistics()
    for reason in (None, "gap of 3 s", None, "stamp went back", None):
        statistics.sampled(reason)
    report = statistics.report(0)
    assert (report.sampled, report.resets, report.last_reset) == (5, 2, "stamp went back")


def test_the_guide_explains_every_diagnostic_value():
    pytest.importorskip("diagnostic_msgs")
    from opendr_har_ros.common.diagnostics import RUNNING, diagnostic_status

    statistics = fed([index * 33 * MS for index in range(100)])
    statistics.published(0.01, SECOND)
    model = dict.fromkeys(
        ("model", "weights", "provider", "stream", "label delay (s)", "image topic", "label topic"), ""
    )
    status = diagnostic_status("har", "", statistics.report(10 * SECOND), model, RUNNING)
    guide = (Path(__file__).resolve().parents[3] / "docs" / "ros.md").read_text()
    rows = guide.split("| key | meaning |")[1].split("\n\n")[0].splitlines()[2:]
    explained = [key for row in rows for key in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert sorted(explained) == sorted(item.key for item in status.values)
