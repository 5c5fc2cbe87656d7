"""docs/datasets.md: its examples print what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")
import dataset_cases as cases

HERE = Path(__file__).parents[1]
PAGE = (HERE.parents[1] / "docs" / "datasets.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(TABLE,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
PRINTED = re.compile(r"^print\(.*\)  # (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The data of the examples."""
    tmp_path = tmp_path_factory.mktemp("examples")
    kinetics = tmp_path / "kinetics"
    for split in ("train", "validate"):
        entries = {}
        for number, label in enumerate(("archery", "zumba")):
            key = f"{split}{number}"
            cases.draw(kinetics / "data" / split / label / f"{key}_000000_000010.mp4", seed=number)
            entries[key] = {"annotations": {"label": label, "segment": [0, 10]}, "subset": split}
        (kinetics / "splits").mkdir(exist_ok=True)
        (kinetics / "splits" / f"{split}.json").write_text(json.dumps(entries))
    for name in ("train/bending/a.mp4", "train/walking/a.mp4", "val/walking/b.mp4"):
        cases.draw(tmp_path / "gestures" / name, Path(name).parent.name)
    cases.draw(tmp_path / "videos" / "long.avi", seconds=3.0)
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "annotations.csv").write_text("start,end,label\n0,2,walking\n2,,bending\n")
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"\b\w+Dataset\b", block)[-1])
def test_an_example_prints_what_it_says(data, block, capsys, monkeypatch):
    monkeypatch.chdir(data)
    if "RosbagDataset" in block:
        pytest.importorskip("rosbags")
        cases.write_bag(data / "recording")
    exec(compile(block, "docs/datasets.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    expected = PRINTED.findall(block)
    assert 0 < len(expected) <= len(said)
    for line, text in zip(said, expected):
        assert line == text.replace(" ...", "")
