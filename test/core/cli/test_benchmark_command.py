"""`opendr-har benchmark`: the whole command, with short measurements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opendr_har_core.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_the_command_measures_the_packaged_model(tmp_path, capsys):
    path = tmp_path / "report.json"
    assert main(["benchmark", "--model", "default", "--seconds", "0.05", "--threads", "1", "--report", str(path)]) == 0
    report = json.loads(path.read_text())
    (row,) = report["rows"]
    figures = row["figures"]
    assert [row["model"][name] for name in ("name", "input_shape", "runtime")] == ["x3d_xs", [4, 160, 160, 3], "onnx"]
    assert figures["weights_bytes"] == (ROOT / "opendr_har_core/models/default.onnx").stat().st_size
    assert figures["timing"]["p10_sec"] <= figures["timing"]["median_sec"] <= figures["timing"]["p90_sec"]
    assert figures["timing"]["cpu_sec"] > 0
    assert list(figures["throughput"])[:2] == ["1", "2"]
    assert figures["joules"] is None or figures["joules"] > 0
    written = capsys.readouterr().out
    assert [f"Table {number}:" in written for number in (1, 2, 3, 4)] == [True] * 4


@pytest.mark.slow
def test_a_published_model_runs_on_both_runtimes(tmp_path, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    path = tmp_path / "report.json"
    flags = ["--seconds", "0.01", "--largest-batch", "1", "--report", str(path)]
    assert main(["benchmark", "--models", "x3d_xs", *flags]) == 0
    rows = json.loads(path.read_text())["rows"]
    assert [(row["model"]["runtime"], row["failure"]) for row in rows] == [("torch", ""), ("onnx", "")]
    assert len({(row["model"]["parameters"], row["model"]["multiply_adds"]) for row in rows}) == 1
    assert rows[0]["model"]["multiply_adds"] == pytest.approx(0.605e9, rel=0.02)


@pytest.mark.slow
def test_two_bundles_are_timed_alternately(tmp_path, capsys):
    path = tmp_path / "report.json"
    arguments = ["--model", "default", "--against", "default", "--seconds", "0.1", "--threads", "1"]
    assert main(["benchmark", *arguments, "--report", str(path)]) == 0
    comparison = json.loads(path.read_text())["comparison"]
    assert comparison["rounds"] >= 5
    assert comparison["ratio_p10"] <= comparison["ratio"] <= comparison["ratio_p90"]
    assert "times as fast as default" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--model", "absent.onnx"], 1, "no model 'absent.onnx'"),
        (["--against", "default"], 2, "--against needs --model"),
        (["--model", "default", "--report", "absent/report.json"], 2, "absent/report.json can't be written"),
    ],
)
def test_errors_are_one_line(arguments, code, message, capsys):
    assert main(["benchmark", *arguments]) == code
    written = capsys.readouterr()
    assert message in written.err
    assert len(written.err.splitlines()) == 1
    assert written.out == ""


@pytest.mark.slow
def test_a_bundle_is_measured_without_torch_and_onnx(tmp_path):
    for package in ("torch", "onnx"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"raise ImportError('no {package} on this robot')\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    short = ["benchmark", "--seconds", "0.02", "--largest-batch", "1"]

    def run(*arguments):
        command = [sys.executable, "-m", "opendr_har_core.cli.main", *short, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    bundle = run("--model", "default", "--report", str(tmp_path / "report.json"))
    assert (bundle.returncode, bundle.stderr) == (0, "")
    (row,) = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert row["figures"] is not None
    assert row["model"]["multiply_adds"] is None
    published = run("--models", "cox3d_s")
    assert published.returncode == 2
    assert "cox3d_s needs torch" in published.stderr
    assert len(published.stderr.splitlines()) == 1
