"""What goes where: results to standard output, progress and notes to standard error, with rich and without."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from cli_cases import started

from opendr_har_core.cli import output
from opendr_har_core.cli.main import main


def test_a_terminal_shows_a_bar_on_standard_error_only(tmp_path):
    pytest.importorskip("rich")
    parent, child = pty.openpty()
    clips = ("--actions", "walking", "--clips", "5", "--seconds", "0.5", "--width", "64", "--height", "48")
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
    monkeypatch.setattr(output, "LINE_INTERVAL_SEC", 0)
    with output.progress("fetching", "MB", 1e6) as report:
        report(500_000, 2_000_000)
        report(700_000, None)
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"fetching: 0\.5/2 MB, \S+/s, 0:00:0\d left", first)
    assert re.fullmatch(r"fetching: 0\.7 MB, \S+/s", second)


def test_json_has_null_for_nan_and_infinity(capsys):
    output.Output(json_lines=True).row(
        {"a": float("nan"), "b": (1, float("inf"), True), 3: Path("x"), "c": {"d": None}}
    )
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1, None, True], "3": "x", "c": {"d": None}}


@pytest.mark.parametrize("is_json", [True, False])
def test_a_job_survives_the_loss_of_the_reader_of_its_events(monkeypatch, is_json):
    reading, writing = os.pipe()
    os.close(reading)
    told = 0
    with suppress(BrokenPipeError), os.fdopen(writing, "w") as stream:  # closing it flushes once more
        monkeypatch.setattr(sys, "stdout", stream)
        out = output.Output(json_lines=is_json)
        for _ in range(2):
            out.event({"state": "starting"}, "it starts\n")
            told += 1
    assert told == 2


@pytest.mark.parametrize(
    ("command", "code", "state", "error"),
    [
        (["synth", "--list"], 0, "done", ""),
        (["infer", "absent.mp4"], 1, "failed", "there is no video file absent.mp4"),
        (["synth"], 2, "failed", "FOLDER is missing"),
    ],
)
def test_json_ends_with_one_object_for_success_and_failure(command, code, state, error, capsys):
    assert main([*command, "--json"]) == code
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    expected = {"job": command[0], "state": state, "ok": code == 0, "exit_code": code}
    assert {name: result[name] for name in expected} == expected
    assert error in result["error"]
