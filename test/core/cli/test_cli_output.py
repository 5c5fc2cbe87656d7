"""What goes where: results to standard output, progress and notes to standard error, with rich and without."""

from __future__ import annotations

import io
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
from opendr_har_core.cli.output import DONE, FAILED, Output, Result, finite
from opendr_har_core.cli.progress import progress
from opendr_har_core.errors import ConfigError, HarError

WITHOUT_RICH = (
    "import sys; sys.modules['rich'] = None\nfrom opendr_har_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


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


def drawing(folder, *flags):
    return ("synth", folder, "--clips", "3", "--seconds", "1", "--size", "64x48", "--overwrite", *flags)


@pytest.mark.parametrize("code", [None, WITHOUT_RICH])
def test_a_terminal_shows_progress_and_standard_output_only_the_result(tmp_path, code):
    if code is None:
        pytest.importorskip("rich")
    options = {} if code is None else {"code": code}
    exit_code, out, shown = on_terminal(*drawing(tmp_path), **options)
    assert (exit_code, len(out.splitlines())) == (0, 1)
    assert "drawing" in shown
    assert "clips" in shown
    total = json.loads(on_terminal(*drawing(tmp_path, "--json"), **options)[1])["clips"]
    assert f"{total}/{total}" in shown


def test_quiet_is_quiet_on_a_terminal_too(tmp_path):
    assert on_terminal(*drawing(tmp_path, "--quiet"))[2] == ""


def test_the_plain_bar_counts_and_goes(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(HarError), progress("fetching", "MB", 1e6) as report:
        report(500_000, 2_000_000)
        report(2_000_000, 2_000_000)
        raise HarError("lost")
    text = stream.getvalue()
    assert "fetching [######                  ] 0.5/2 MB" in text
    assert "fetching [########################] 2/2 MB" in text
    assert text.endswith("\r\x1b[K")


def test_progress_without_a_known_end(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with progress("reading", "frames") as report:
        report(7, None)
        report(8, None)  # so soon after the other that it is not drawn
    assert "reading 7 frames" in stream.getvalue()
    assert "reading 8 frames" not in stream.getvalue()


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
        parser.set_defaults(run=self._run)


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
        (fail, FAILED, "", {}, "size is 5, expected 4"),
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
