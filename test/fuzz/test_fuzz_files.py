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
from readers import READERS

HERE = Path(__file__).resolve().parent
INPUTS = os.environ.get("HAR_FUZZ_INPUTS", "40")


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    for module in READERS[name].modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "TMPDIR": str(folder),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis"),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
    }
    command = [sys.executable, str(HERE / "fuzz_child.py"), name, INPUTS, str(folder), "20"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.returncode}, input in {folder}\n{done.stderr[-4000:]}"
