"""The commands of docs/tutorial.md, run in order with a tiny network and fewer clips."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from opendr_har_core.cli.main import main
from opendr_har_core.networks import config as configs
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.networks.x3d import X3D

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "tutorial.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("opendr-har ")
]
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TINY = X3DConfig("xs", image_size=32, frames=4, stride=12, stage_depths=(1, 2), stage_widths=(8, 16), stem_width=8)
BASE_CLASSES = 5
LESS = {"--clips": "2"}
SMALL = ["--width", "96", "--height", "72", "--seconds", "2", "--fps", "15"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory; 'xs' is a tiny network."""
    monkeypatch.setitem(configs.X3D_CONFIGS, "xs", TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command):
    """Run a command of the page on small videos; instead of a download, write random weights."""
    if command == ["download", "xs"]:
        torch.manual_seed(0)
        Path("downloads").mkdir()
        torch.save({"model_state": X3D(TINY, BASE_CLASSES).state_dict()}, "downloads/x3d_xs.pyth")
        return
    less = [LESS.get(before, word) for before, word in zip(["", *command], command)]
    assert main(less + (SMALL if command[0] == "synth" else [])) == 0, command


@pytest.mark.slow
def test_every_step_of_the_page_works(place, capsys):
    printed = {}
    for command in COMMANDS:
        run(command)
        printed[command[0]] = printed.get(command[0], "") + capsys.readouterr().out
    assert list(printed) == ["synth", "download", "train", "eval", "infer"]

    classes = sorted(folder.name for folder in (place / "clips" / "train").iterdir())
    clips = sorted(path.relative_to(place / "clips" / "val") for path in (place / "clips" / "val").glob("*/*.mp4"))
    assert (len(classes), len(clips)) == (3, 6)
    epochs = int(COMMANDS[3][COMMANDS[3].index("--epochs") + 1])
    assert f"epoch {epochs}, step {epochs}: train_loss" in printed["train"]
    report = json.loads((place / "mine.json").read_text())
    assert "x3d_xs.pyth" in json.dumps(report)
    assert "6 clips: accuracy" in printed["eval"]
    assert (place / "confusion.png").stat().st_size > 5000
    assert len(list((place / "results").glob("**/*.annotated.mp4"))) == len(clips)
    assert len(list((place / "results").glob("**/*.timeline.png"))) == len(clips)

    exec(compile(PYTHON, "docs/tutorial.md", "exec"), {})
    first, *labels = capsys.readouterr().out.splitlines()
    assert first == str(tuple(classes))
    assert labels
    assert all(re.fullmatch(rf"\d\.\d s: ({'|'.join(classes)}) [01]\.\d\d", label) for label in labels)
    assert labels[0].startswith("1.2 s")  # as the page and the concepts say of this network
