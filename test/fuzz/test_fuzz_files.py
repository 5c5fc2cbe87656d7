"""Damaged files of every kind are read or refused with a HarError, in bounded time and memory, without side effects.

More inputs: HAR_FUZZ_INPUTS=20000 python -m pytest test/fuzz
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from readers import READERS, TRAPS

HERE = Path(__file__).resolve().parent
INPUTS = os.environ.get("HAR_FUZZ_INPUTS", "40")


def run(name, folder, seconds="20"):
    folder = folder / "work"
    folder.mkdir()
    environment = {**os.environ, "HOME": str(folder.parent), "TMPDIR": str(folder)}
    environment["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder.parent / "hypothesis")
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    command = [sys.executable, str(HERE / "fuzz_child.py"), name, INPUTS, str(folder), seconds]
    return subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    for module in READERS[name].modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    done = run(name, tmp_path)
    assert done.returncode == 0, f"{done.returncode}, input in {tmp_path / 'work'}\n{done.stderr[-4000:]}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("writes", 1, "files changed"),
        ("executes", 1, "forbidden: ['os.system'"),
        ("hangs", -14, ""),
        ("crashes", -11, ""),
        ("allocates", 1, "MemoryError"),
        ("raises", 1, "ZeroDivisionError"),
    ],
)
def test_the_child_process_notices_what_no_reader_may_do(name, code, message, tmp_path):
    assert name in TRAPS
    done = run(name, tmp_path, seconds="2")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
