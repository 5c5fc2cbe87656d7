"""What goes where: results to standard output, progress and notes to standard error, with rich and without."""

from __future__ import annotations

import json
import os
import pty
import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from cli_cases import started

from opendr_har_core.cli.main import main
from opendr_har_core.cli.output import finite
from opendr_har_core.cli.progress import progress


def test_a_terminal_shows_a_bar_on_standard_error_only(tmp_path):
    pytest.importorskip("rich")
    parent, child = pty.openpty()
    clips = ("--actions", "walking", "--clips", "5", "--seconds", "0.5", "--size", "64x48")
    process = started("synth", tmp_path, *clips, "--json", stderr=child)
    os.close(child)
    shown = b""
    with suppress(OSError):  # the process closes the terminal
        while True:
            shown += os.read(parent, 4096)
    out, _ = process.communicate(timeout=120)
    os.close(parent)
    assert process.returncode == 0
    assert json.loads(out)["clips"] == 5
    assert "5/5 clips" in shown.decode()


def test_progress_is_plain_lines_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("opendr_har_core.cli.progress.LINE_INTERVAL_SEC", 0)
    with progress("fetching", "MB", 1e6) as report:
        report(500_000, 2_000_000, "from a mirror")
        report(700_000, None)
    assert capsys.readouterr().err == "fetching: 0.5/2 MB from a mirror\nfetching: 0.7 MB\n"


def test_json_has_no_word_for_what_is_no_number():
    values = {"a": float("nan"), "b": (1, float("inf"), True), 3: Path("x"), "c": {"d": None}}
    assert finite(values) == {"a": None, "b": [1, None, True], "3": "x", "c": {"d": None}}


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        (["synth", "--list"], 0, ""),
        (["infer", "absent.mp4"], 1, "there is no video file absent.mp4"),
        (["synth"], 2, "FOLDER is missing"),
    ],
)
def test_json_ends_with_one_object_for_success_and_failure(command, code, error, capsys):
    assert main([*command, "--json"]) == code
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["job"], result["ok"], result["exit_code"]) == (command[0], code == 0, code)
    assert error in result["error"]
