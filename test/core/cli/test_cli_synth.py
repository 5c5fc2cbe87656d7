"""`opendr-har synth`."""

from __future__ import annotations

import csv
import json

import pytest

from opendr_har_core.cli.main import main
from opendr_har_core.media.video import probe, read_video
from opendr_har_core.synthetic.actions import ACTIONS

SMALL = ["--seconds", "0.5", "--width", "64", "--height", "48", "--fps", "10"]


def clips_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.mp4"))}


def test_it_writes_a_folder_for_each_action_with_a_clip_for_each_seed(tmp_path, capsys):
    folder = tmp_path / "set"
    assert main(["synth", str(folder), "--clips", "2", "--seed", "7", *SMALL]) == 0
    count = len(ACTIONS)
    assert capsys.readouterr().out == f"{folder}: {2 * count} clips of {count} actions, {10 * count} frames\n"
    assert set(clips_in(folder)) == {f"{action}/{seed}.mp4" for action in ACTIONS for seed in (7, 8)}
    clip = folder / ACTIONS[0] / "7.mp4"
    assert (probe(clip).width, probe(clip).height, probe(clip).fps) == (64, 48, 10)
    assert len(list(read_video(clip))) == 5


def test_the_same_options_give_the_same_clips(tmp_path):
    for name, seed in (("one", "3"), ("two", "3"), ("three", "4")):
        chosen = ["--actions", ACTIONS[1], "--clips", "1", "--seed", seed]
        assert main(["synth", str(tmp_path / name), *chosen, *SMALL]) == 0
    one, two, three = (list(clips_in(tmp_path / name).values()) for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_it_lists_the_actions(capsys):
    assert main(["synth", "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == list(ACTIONS)
    assert main(["synth", "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["actions"] == list(ACTIONS)


def test_nothing_is_overwritten_without_overwrite(tmp_path, capsys):
    command = ["synth", str(tmp_path), "--actions", ACTIONS[0], "--clips", "2", *SMALL]
    assert main(command) == 0
    before = clips_in(tmp_path)
    (tmp_path / ACTIONS[0] / "0.mp4").write_text("mine")
    assert main(command) == 2
    assert "exists (2 in all)" in capsys.readouterr().err
    assert (tmp_path / ACTIONS[0] / "0.mp4").read_text() == "mine"
    assert main([*command, "--overwrite"]) == 0
    assert clips_in(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{folder}", "--actions", "flying"], 2, "unknown actions ['flying'], expected some of"),
        (["{folder}", "--seconds", "0.01"], 2, "are less than a frame"),
        (["{folder}", "--width", "63"], 2, "expected even numbers"),
        (["{folder}", "--clips", "0"], 2, "clips is 0, expected"),
        (["{file}/deeper"], 1, "Not a directory"),
    ],
)
def test_mistakes_are_reported_before_anything_is_rendered(arguments, code, message, tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    given = ["synth", *(argument.format(folder=tmp_path / "set", file=file) for argument in arguments)]
    assert main(given) == code
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


def test_people_have_a_scene_and_a_table_of_their_boxes(tmp_path, capsys):
    people = ["bending", "jumping"]
    command = ["synth", str(tmp_path), "--people", *people, "--clips", "2", *SMALL]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{tmp_path}: 2 scenes of 2 people, 10 frames\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.csv", "0.mp4", "1.csv", "1.mp4"]
    assert len(list(read_video(tmp_path / "0.mp4"))) == 5
    rows = list(csv.DictReader((tmp_path / "0.csv").open()))
    assert {(row["frame"], row["id"], row["action"]) for row in rows} == {
        (str(frame), str(id), action) for frame in range(5) for id, action in enumerate(people)
    }
    for row in rows:
        assert 0 <= float(row["left"]) < float(row["right"]) <= 64
        assert 0 <= float(row["top"]) < float(row["bottom"]) <= 48
        assert float(row["time_sec"]) == int(row["frame"]) / 10
        assert 0 <= float(row["visible"]) <= 1
    assert main(command) == 2
    assert main(["synth", str(tmp_path), "--people", "flying", *SMALL]) == 2
