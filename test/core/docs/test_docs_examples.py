"""Code of the pages runs as written, and the latencies in their tables are those of the networks.

For docs/datasets.md, docs/learners.md and docs/cli.md see test_dataset_examples, test_learner_examples and test_cli.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import pytest

from opendr_har_core.media.video import read_video, write_video
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.streaming.postprocess import LabelFilter
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.streaming.settings import LabelSettings
from opendr_har_core.synthetic.scene import render_clip

ROOT = Path(__file__).resolve().parents[3]


def blocks(page):
    """The Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def block_with(page, text):
    """The block of a page that contains a text."""
    (found,) = [block for block in blocks(page) if text in block]
    return found


def run(code, page, names=None):
    """The names that a block defines."""
    names = dict(names or {})
    exec(compile(code, page, "exec"), names)
    return names


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A working directory with clip.mp4, and the packaged model under the name in the pages."""
    monkeypatch.chdir(tmp_path)
    write_video("clip.mp4", render_clip("bending", 3.0, 30.0, (120, 160), 3), 30.0)
    shutil.copy(bundle_path("default"), "cox3d_s.onnx")


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_first_example_prints_each_label(clip, page, capsys):
    names = run(block_with(page, "read_video"), page)
    said = capsys.readouterr().out.splitlines()
    stream = names["recognizer"].stream()
    expected = [prediction for prediction in map(stream.push, read_video("clip.mp4")) if prediction]
    assert len(said) == len(expected) > 1
    assert [line for line, prediction in zip(said, expected) if prediction.label not in line] == []


def test_the_examples_of_streams(clip, capsys):
    recognizer = Recognizer.open("default")
    frames = list(read_video("clip.mp4"))
    names = {
        "recognizer": recognizer,
        "frame": frames[0],
        "other": frames[1],
        "front": recognizer.stream(),
        "rear": recognizer.stream(),
    }
    after = run(block_with("docs/streams.md", "push_many"), "docs/streams.md", names)
    assert after["prediction"] is None
    assert {str(after[name].status) for name in ("stream", "front", "rear")} == {f"warming 1/{recognizer.spec.warm_up}"}

    stream = recognizer.stream()
    names["prediction"] = next(found for found in map(stream.push, frames) if found)
    names["label_filter"] = LabelFilter(LabelSettings(no_activity_label="nothing"), recognizer.labels)
    names.update(run(block_with("docs/api.md", "LabelEvents"), "docs/api.md"))
    run(block_with("docs/streams.md", "LabelEvents()"), "docs/streams.md", names)
    assert capsys.readouterr().out == f"began {names['prediction'].label} 0.0\n"


def test_the_examples_of_the_migration_guide(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning")
    from opendr_har_core.networks.x3d import X3D

    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    torch.save({"model_state": X3D(x3d_config("s")).state_dict()}, "weights/x3d_s.pyth")
    (frame,) = render_clip("bending", 1 / 30, 30.0, (72, 96))
    cv2.imwrite("picture.png", frame.rgb)
    names = run(blocks("docs/migrate.md")[0], "docs/migrate.md")
    code = block_with("docs/migrate.md", "temporal_window_size")
    names = run(code, "docs/migrate.md", {**names, "pictures": ["picture.png"] * 2})
    assert names["learner"].spec.warm_up == int(re.findall(r"the first (\d+) frames", code)[0])
    assert capsys.readouterr().out == ""  # warming up


def first_label_rows(page):
    """{name: cells} of the table of first labels; "X3D-M, X3D-L" gives a row for each size."""
    lines = (ROOT / page).read_text().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("| model |") and "first label" in line)
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return found
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        model, is_full, _ = name.partition(", full")
        for size in model.split("-", 1)[-1].replace("X3D-", "").split(", "):
            found[f"{model.split('-')[0]}-{size}{' full' if is_full else ''}"] = cells
    return found


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
@pytest.mark.parametrize("family", ["X3D", "CoX3D"])
def test_latencies_in_the_tables_are_those_of_the_networks(family, size):
    config = x3d_config(size)
    spec = config.clip_spec(400) if family == "X3D" else config.continual_spec(400)
    period = spec.stride / spec.train_fps
    name = f"{family}-{size.upper()}" + (" full" if spec.delay else "")
    first_label = f"after {spec.warm_up + 1} frames, {spec.warm_up * period:.1f} s"
    window = f"{spec.window} frames" if spec.name == "x3d_xs" else str(spec.window)  # only the first row has a unit
    age = f"{spec.delay_sec:.1f} s" if spec.delay else "0"
    assert first_label_rows("docs/concepts.md")[name] == [f"{period:.2f} s", first_label, window, age]
