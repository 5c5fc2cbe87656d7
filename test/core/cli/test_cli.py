"""The command line: what it prints, and that every fault is one line and an exit code."""

from __future__ import annotations

import json

import pytest

from opendr_har_core import Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip

WAVING = next(action for action in ACTIONS if "wav" in action)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "waving.mp4"
    return write_video(path, render_clip(WAVING, 4.0, seed=2), 30.0)


def test_infer_prints_labels_over_time_and_of_the_whole(clip, capsys):
    assert main(["infer", str(clip), "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert lines[-1].strip().startswith(f"whole  {WAVING} ")
    assert all(line.count(",") == 1 for line in lines)


def test_infer_writes_json_lines(clip, capsys):
    assert main(["infer", str(clip), "--json", "--top", "1"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[-1]["videos"][0]["whole"]["top"][0]["label"] == WAVING
    assert [row["time_sec"] for row in rows[:-1]] == sorted(row["time_sec"] for row in rows[:-1])


def test_infer_labels_every_frame_at_once_and_marks_what_is_provisional(clip, capsys):
    rows = {}
    for arguments in ([], ["--sampling", "dense"], ["--sampling", "dense", "--warm-start", "repeat"]):
        assert main(["infer", str(clip), "--json", "--top", "1", *arguments]) == 0
        *rows[len(arguments)], _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows[2]) > 4 * len(rows[0])
    assert rows[4][0]["time_sec"] == 0
    certain = [row for row in rows[4] if not row["provisional"]]
    assert 0 < len(certain) < len(rows[4])
    assert not any(row["provisional"] for row in rows[2])
    assert [row["top"][0]["label"] for row in (certain[-1], rows[2][-1])] == [WAVING] * 2
    assert main(["infer", str(clip), "--warm-start", "repeat"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("(provisional)")
    assert not lines[-1].endswith("(provisional)")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["infer", "absent.mp4"], "there is no video file absent.mp4"),
        (["infer", "{clip}", "--model", "absent.onnx"], "no model 'absent.onnx'"),
        (["infer", "{clip}", "--model", "{clip}"], "can't be opened as an ONNX model"),
        (["infer", "{text}"], "can't be opened as video"),
    ],
)
def test_a_fault_is_one_line_and_code_1(arguments, message, clip, tmp_path, capsys):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 50)
    assert main([argument.format(clip=clip, text=text) for argument in arguments]) == 1
    written = capsys.readouterr()
    assert message in written.err
    assert len(written.err.splitlines()) == 1
    assert written.out == ""


def test_wrong_usage_is_code_2(capsys):
    for arguments in ([], ["dance"], ["infer"], ["download", "xxl"]):
        assert main(arguments) == 2


def test_export_makes_a_bundle_of_real_weights(shared, tmp_path, capsys):
    pytest.importorskip("torch")
    checkpoint, bundle = shared / "weights" / "x3d_xs_k400_slowfast.pyth", tmp_path / "cox3d.onnx"
    assert main(["export", str(checkpoint), str(bundle), "--network", "cox3d", "--size", "s", "--window", "4"]) == 0
    assert "cox3d_s (lookahead full, window 4), 400 classes" in capsys.readouterr().out
    assert Recognizer.open(bundle).spec.window == 4


def test_export_refuses_what_does_not_fit(shared, tmp_path, capsys):
    pytest.importorskip("torch")
    checkpoint, bundle = shared / "weights" / "x3d_xs_k400_slowfast.pyth", tmp_path / "out.onnx"
    assert main(["export", str(checkpoint), str(bundle), "--network", "x3d", "--window", "4"]) == 2
    assert main(["export", str(checkpoint), str(bundle), "--size", "l"]) == 1
    labels = tmp_path / "three.csv"
    labels.write_text("id,name\n0,a\n1,b\n2,c\n")
    assert main(["export", str(checkpoint), str(bundle), "--labels", str(labels)]) == 1
    assert not bundle.exists()
    errors = capsys.readouterr().err.splitlines()
    assert ["window" in errors[0], "missing" in errors[1], "400" in errors[2]] == [True, True, True], errors
