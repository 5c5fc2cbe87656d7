"""Files of every kind, spoilt by a seed: read rightly or refused with a HarError, in bounded time and memory, and
nothing written, executed or asked for elsewhere. The same for as long as you like: test/fuzz/run.py."""

from __future__ import annotations

import importlib.util

import cage
import pytest
from targets import ALL
from traps import TRAP, USES

# Enough for each to meet most changes; a run of a thousand times more is in docs/reliability.md.
INPUTS = 40
SEED = 20


@pytest.mark.parametrize("target", ALL, ids=lambda target: target.name)
def test_spoilt_files_are_refused_or_read_and_do_nothing_else(target, tmp_path, record_property):
    for module in target.modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    report = cage.run(target.name, INPUTS, SEED, tmp_path / target.name)
    record_property("fuzzed", report.line())
    assert report.findings == []
    assert report.tried == INPUTS


def test_the_same_seed_gives_the_same_inputs():
    for target in ALL[:3]:
        contents = [b"one of the seeds", b"another"]
        if target.repair is None:
            assert target.input(contents, 1, 7) == target.input(contents, 1, 7)
            assert target.input(contents, 1, 7) != target.input(contents, 2, 7)


def test_the_cage_sees_what_it_is_for(tmp_path):
    kinds = {}
    for number, name in enumerate(USES):
        report = cage.run(TRAP + name, 2, number, tmp_path / name, cage.Limits(seconds=2, megabytes=300))
        kinds[name] = {finding["kind"].split(" in ")[0] for finding in report.findings}
        assert report.tried == 2
    assert kinds == {
        "writes": {"side effects"},
        "writes elsewhere": {"side effects"},
        "executes": {"side effects"},
        "unpickles": {"side effects"},
        "hangs": {"hang"},
        "crashes": {"died with -11"},
        "allocates": {"MemoryError"},
        "raises": {"ZeroDivisionError"},
    }
