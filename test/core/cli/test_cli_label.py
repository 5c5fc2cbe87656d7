"""`opendr-har label` as a process: its results, and what remains when it is interrupted or killed."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")
psutil = pytest.importorskip("psutil")
sys.path.insert(0, str(Path(__file__).parents[1]))
from cli_cases import started
from label_cases import tables

from opendr_har_core.cli.main import main
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip


def test_usage_errors_write_nothing(tmp_path, capsys):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    to = ["--to", str(tmp_path / "labels"), "--json"]
    for arguments, code in (
        (["absent.mp4"], 1),
        ([str(tmp_path), "--workers", "-1"], 2),
        ([str(tmp_path), "--model", "no"], 1),
    ):
        assert main(["label", *arguments, *to]) == code
    assert not (tmp_path / "labels").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_ends_early_ends_its_workers_and_the_next_one_completes_the_tables(tmp_path, capsys, number):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for seed in range(6):
        write_video(folder / f"{seed}.mp4", render_clip("walking", 3.0, 10.0, (60, 80), seed), 10.0)
    command = [str(folder), "--to", str(tmp_path / "labels"), "--workers", "1"]
    process = started("label", tmp_path, *command)
    while not list((tmp_path / "labels").glob("model=*/source=*")):
        assert process.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(60) == (130 if number == signal.SIGINT else -number)
    assert psutil.wait_procs(workers, 60)[1] == []
    capsys.readouterr()
    assert main(["label", *command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["skipped"] >= 1
    assert result["labelled"] + result["skipped"] == 6
    found = [row["recording"] for row in tables(tmp_path / "labels")["recordings"]]
    assert found == [str(folder / f"{seed}.mp4") for seed in range(6)]
