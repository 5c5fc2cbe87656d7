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

from opendr_har_core.media.video import probe, write_video
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


@pytest.mark.slow
def test_infer_of_several_keeps_finished_results(tmp_path, long_clip):
    short, folder = write_video(tmp_path / "short.mp4", render_clip("walking", 2.0, seed=1), 30.0), tmp_path / "out"
    process = started("infer", short, long_clip, "--output", folder, "--write", "video", "csv", "json")
    code, _, errors = interrupted(process, (folder / "short.labels.json").exists)
    assert (code, errors.endswith(INTERRUPTED)) == (130, True)
    assert len(files_in(folder)) == 3
    assert probe(folder / "short.annotated.mp4").frames == 60


@pytest.mark.slow
def test_synth_leaves_whole_clips(tmp_path):
    process = started("synth", tmp_path, "--clips", "200", "--seconds", "2", "--width", "160", "--height", "120")
    code, _, errors = interrupted(process, lambda: len(files_in(tmp_path)) > 3 and hidden(tmp_path))
    assert (code, errors.endswith(INTERRUPTED)) == (130, True)  # a slow machine prints progress before
    assert {probe(tmp_path / clip).frames for clip in files_in(tmp_path)} == {60}


@pytest.mark.slow
def test_bag_and_export_leave_a_whole_file_or_none(shared, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("rosbags")
    from bag_cases import FRAMES, write_bag

    source = write_bag(tmp_path / "walk", frames=FRAMES[:60] * 40)
    code, *_ = interrupted(started("bag", source), lambda: list(tmp_path.glob(".walk_labels.*/walk_labels")))
    assert code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]
    folder, weights = tmp_path / "bundles", shared / "weights" / "x3d_xs_k400_slowfast.pyth"
    folder.mkdir()
    code, _, errors = interrupted(started("export", weights, "--output", folder / "cox3d.onnx"), lambda: hidden(folder))
    assert "Traceback" not in errors
    assert (code, files_in(folder)) in [(130, []), (0, ["cox3d.onnx"])]


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
