"""Ctrl-C and closed pipes in real processes: no unfinished files, one line, and an exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from cli_cases import files_in, interrupted, run, started
from download_server import Server

from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip

INTERRUPTED = "opendr-har: interrupted\n"


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    frames = list(render_clip("walking", 1.0, 30.0, (96, 128), seed=1))
    return write_video(path, islice(cycle(frames), 1500), 30.0)


def hidden(folder):
    """Whether a temporary file is there."""
    return any(path.name.startswith(".") for path in folder.rglob("*"))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_infer_leaves_no_unfinished_video(tmp_path, long_clip, number):
    process = started("infer", long_clip, "--output", tmp_path)
    code, out, errors = interrupted(process, lambda: hidden(tmp_path), number)
    assert (code, out, errors.endswith(INTERRUPTED)) == (130, "", True)
    assert files_in(tmp_path) == []


def test_download_leaves_what_it_resumes_from(tmp_path):
    server = Server()
    server.pause_sec = 0.3
    try:
        part = tmp_path / "x3d_s.pyth.part"
        command = ("download", "s", "--output", tmp_path, "--url", server.url)
        code, out, errors = interrupted(started(*command), lambda: part.exists() and part.stat().st_size > 0)
        assert (code, out, errors.endswith(INTERRUPTED)) == (130, "", True)
        assert files_in(tmp_path) == ["x3d_s.pyth.part"]
        server.pause_sec = 0.0
        code, out, _ = run(*command)
        assert (code, out) == (0, f"{tmp_path / 'x3d_s.pyth'}\n")
        assert server.ranges[-1].startswith("bytes=")
        assert files_in(tmp_path) == ["x3d_s.pyth"]
    finally:
        server.close()


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_closed_pipe_is_one_line(flags, long_clip):
    process = started("infer", long_clip, *flags)
    assert process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(60) == 1
    assert errors.splitlines()[-1].startswith("opendr-har: ")
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


def test_an_interruption_is_reported_in_json(long_clip):
    process = started("infer", long_clip, "--json", stderr=subprocess.DEVNULL)
    assert json.loads(process.stdout.readline())["video"] == str(long_clip)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == 130
    assert last == {"job": "infer", "state": "cancelled", "ok": False, "exit_code": 130, "error": "interrupted"}
