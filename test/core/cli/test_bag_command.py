"""`opendr-har bag`: names, refusals, and nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rosbags")
sys.path.insert(0, str(Path(__file__).parents[1]))
from bag_cases import FRAMES, ROOT, contents, expected, write_bag
from rosbags.rosbag2 import StoragePlugin

from opendr_har_core import Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.errors import ConfigError, DataError, VideoError
from opendr_har_core.recordings.bag_labels import LabelBagSettings, label_bag, labels_path


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.open("default")


def test_a_bag_of_one_file_is_named_after_it(tmp_path, recognizer):
    folder = write_bag(tmp_path / "walk", StoragePlugin.MCAP)
    (file,) = folder.glob("*.mcap")
    assert labels_path(file) == folder / f"{file.stem}_labels"
    done = label_bag(recognizer, file, labels_path(file), LabelBagSettings())
    assert done.labels == len(expected()[0])
    assert [path.suffix for path in done.path.glob("walk_labels*")] == [".mcap"]


def test_nothing_is_overwritten(tmp_path, recognizer, capsys):
    source = write_bag(tmp_path / "walk")
    (tmp_path / "walk_labels").mkdir()
    assert main(["bag", str(source)]) == 1
    assert "walk_labels is there already and is not overwritten" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="not overwritten"):
        label_bag(recognizer, source, tmp_path / "walk_labels", LabelBagSettings())
    assert list((tmp_path / "walk_labels").iterdir()) == []


def test_a_bag_with_several_image_topics_wants_one_to_be_named(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk", topics=("/front", "/rear"))
    with pytest.raises(VideoError, match=r"2 topics of images, \['/front', '/rear'\]; say which"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings())
    with pytest.raises(VideoError, match="no topic '/side'"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings(topic="/side"))
    assert label_bag(recognizer, source, tmp_path / "out", LabelBagSettings(topic="/rear")).labels > 5


def test_a_failure_half_way_leaves_nothing_behind(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk")

    def fail(done, _):
        if done == 30:
            raise OSError("no space left")

    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="out can't be written: OSError: no space left"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings(), fail)
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(DataError, match="can't be written"):
        label_bag(recognizer, source, tmp_path / "none" / "out", LabelBagSettings())


def test_a_damaged_bag_is_named_and_leaves_nothing_behind(tmp_path, recognizer):
    source = write_bag(tmp_path / "walk", StoragePlugin.MCAP)
    (file,) = source.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(VideoError, match="walk can't be read"):
        label_bag(recognizer, source, tmp_path / "out", LabelBagSettings())
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_an_interrupted_run_leaves_nothing_half_written(tmp_path):
    """A real Ctrl-C, in a process of its own."""
    source = write_bag(tmp_path / "walk", frames=FRAMES[:60] * 40)
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from opendr_har_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "bag", str(source)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    while not list(tmp_path.glob(".walk_labels.*/walk_labels")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_the_command_says_what_it_did_and_loads_no_torch(tmp_path):
    source = write_bag(tmp_path / "walk")
    code = "import json, sys; from opendr_har_core.cli.main import main; code = main(sys.argv[1:])\n"
    code += "print(json.dumps([code, sorted({'torch', 'rclpy', 'onnx'} & set(sys.modules))]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "bag", str(source), "--top-k", "1", "--output", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    said, report = done.stdout.splitlines()
    predictions, events = expected()
    assert said == f"{tmp_path / 'out'}: {len(predictions)} labels and {len(events)} events of {len(FRAMES)} images"
    assert json.loads(report) == [0, []]
    assert done.stderr == ""  # progress is for terminals only
    found, _ = contents(tmp_path / "out")
    assert {len(message.results) for _, message in found["/recognizer/classification"]} == {1}
