"""What goes where: results to standard output, progress and notes to standard error, with rich and without."""

from __future__ import annotations

import json
import os
import pty
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from cli_cases import started

from opendr_har_core.cli import main as command
from opendr_har_core.cli.output import DONE, FAILED, USAGE, Output, Result, finite
from opendr_har_core.cli.progress import progress
from opendr_har_core.errors import ConfigError


def on_terminal(*arguments, **options):
    """(exit code, standard output through a pipe, standard error through a terminal)."""
    parent, child = pty.openpty()
    process = started(*arguments, stderr=child, **options)
    os.close(child)
    shown = []

    def read():
        while True:
            try:
                shown.append(os.read(parent, 4096))
            except OSError:  # the terminal's last user has gone
                return

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate(timeout=120)
    reader.join(10)
    os.close(parent)
    return process.returncode, out, b"".join(shown).decode()


def synth(folder, *flags):
    return (
        "synth",
        folder,
        "--actions",
        "walking",
        "--clips",
        "5",
        "--seconds",
        "0.5",
        "--size",
        "64x48",
        "--overwrite",
        *flags,
    )


def test_a_terminal_shows_a_bar_on_standard_error_only(tmp_path):
    pytest.importorskip("rich")
    exit_code, out, shown = on_terminal(*synth(tmp_path, "--json"))
    total = json.loads(out)["clips"]
    assert exit_code == 0
    assert f"{total}/{total} clips" in shown


def test_quiet_shows_no_progress(tmp_path):
    assert on_terminal(*synth(tmp_path, "--quiet"))[2] == ""


@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress_is_plain_lines_without_rich_or_a_terminal(monkeypatch, capsys, is_terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    if is_terminal:
        monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setattr("opendr_har_core.cli.progress.LINE_INTERVAL_SEC", 0)
    with progress("fetching", "MB", 1e6) as report:
        report(500_000, 2_000_000, "from a mirror")
        report(700_000, None)
    assert capsys.readouterr().err == "fetching: 0.5/2 MB from a mirror\nfetching: 0.7 MB\n"


def test_plain_progress_lines_are_rare(capsys):
    with progress("reading", "frames") as report:
        report(7, None)
    assert capsys.readouterr().err == ""


def test_json_has_no_word_for_what_is_no_number():
    values = {"a": float("nan"), "b": (1, float("inf"), True), 3: Path("x"), "c": {"d": None}}
    assert finite(values) == {"a": None, "b": [1, None, True], "3": "x", "c": {"d": None}}


class Job:
    """Stands for a job of the command line."""

    def __init__(self, run):
        self._run = run

    def add_parser(self, jobs):
        parser = jobs.add_parser("stand-in")
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--quiet", action="store_true")
        parser.set_defaults(run=self._run, extra="")


def fail(options):
    raise ConfigError("size is 5, expected 4")


def break_off(options):
    raise PermissionError(13, "Permission denied", "/root/x")


def chatter(options):
    sys.stdout.write("a library says hello\n")
    options.out.note("a note")
    return Result("for people\n", {"answer": 42})


def half(options):
    return Result("partly\n", {"left": 1}, FAILED, "one is left")


@pytest.mark.parametrize(
    ("run", "code", "text", "values", "error"),
    [
        (chatter, DONE, "a library says hello\nfor people\n", {"answer": 42}, ""),
        (lambda options: None, DONE, "", {}, ""),
        (half, FAILED, "partly\n", {"left": 1}, "one is left"),
        (fail, USAGE, "", {}, "size is 5, expected 4"),
        (break_off, FAILED, "", {}, "[Errno 13] Permission denied: '/root/x'"),
    ],
)
def test_every_end_has_its_code_its_line_and_its_object(run, code, text, values, error, monkeypatch, capsys):
    monkeypatch.setattr(command, "JOBS", (Job(run),))
    assert command.main(["stand-in"]) == code
    written = capsys.readouterr()
    assert written.out == text
    assert written.err.endswith(f"opendr-har: {error}\n" if error else "")
    assert command.main(["stand-in", "--json"]) == code
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"job": "stand-in", "ok": code == DONE, "exit_code": code, "error": error, **values}


def test_an_error_of_ours_is_not_hidden(monkeypatch):
    def run(options):
        raise ZeroDivisionError

    monkeypatch.setattr(command, "JOBS", (Job(run),))
    with pytest.raises(ZeroDivisionError):
        command.main(["stand-in"])


def test_notes_are_not_results(capsys):
    out = Output(quiet=False)
    out.note("by the way")
    out.warn("mind this")
    Output(quiet=True).note("by the way")
    assert capsys.readouterr() == ("", "by the way\nopendr-har: mind this\n")
