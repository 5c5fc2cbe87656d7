"""The examples of OpenDR's documentation, with another import line, and that of docs/learners.md.

Calls and arguments are those of the documentation; the data set is a small one in the documented layout, and the
weights come from a server on this machine.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import cv2
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from download_server import Server

import opendr_har_core
from opendr_har_core.media.video import write_video
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage import download
from opendr_har_core.synthetic.scene import render_clip

PAGE = Path(__file__).resolve().parents[3] / "docs" / "learners.md"
GESTURES = ("walking", "waving one hand", "jumping")
LABELS = {"walking": "archery", "waving one hand": "zumba"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with datasets/kinetics400 in it: two videos in each split."""
    root = tmp_path / "datasets" / "kinetics400"
    for split, file in (("train", "train"), ("val", "validate"), ("test", "test")):
        entries = {}
        for number, (motion, label) in enumerate(LABELS.items()):
            name = f"{split}_{number}"
            folder = root / "data" / file / label
            folder.mkdir(parents=True)
            frames = render_clip(motion, 0.5, size=(72, 96), seed=number)
            write_video(folder / f"{name}_000000_000010.mp4", frames, 30.0)
            entries[name] = {"annotations": {"label": label, "segment": [0, 10]}, "subset": file}
        (root / "splits").mkdir(exist_ok=True)
        (root / "splits" / f"{file}.json").write_text(json.dumps(entries))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def official(monkeypatch):
    """A server that has random weights for every size, in place of the official one."""
    buffer = io.BytesIO()
    torch.save({"model_state": X3D(x3d_config("s")).state_dict()}, buffer)
    server = Server()
    server.content = buffer.getvalue()
    monkeypatch.setattr(download, "WEIGHTS_URL", server.url)
    yield
    server.close()


LEARNERS = [("X3DLearner", "xs"), pytest.param("CoX3DLearner", "s", marks=pytest.mark.slow)]


@pytest.mark.parametrize(("kind", "backbone"), LEARNERS)
def test_fit(place, kind, backbone):
    from opendr_har_core import KineticsDataset

    learner = getattr(opendr_har_core, kind)(backbone=backbone, device="cpu", iters=1)  # one epoch instead of ten
    train_ds = KineticsDataset(path="./datasets/kinetics400", frames_per_clip=4, split="train")
    val_ds = KineticsDataset(path="./datasets/kinetics400", frames_per_clip=4, split="val")
    learner.fit(dataset=train_ds, val_dataset=val_ds, logging_path="./logs")
    learner.save("./saved_models/trained_model")
    saved = place / "saved_models" / "trained_model"
    assert sorted(path.name for path in saved.iterdir()) == ["model_trained_model.pth", "trained_model.json"]
    assert (place / "logs").is_dir()


@pytest.mark.parametrize(("kind", "backbone"), LEARNERS)
def test_evaluate(place, kind, backbone):
    from opendr_har_core import KineticsDataset

    learner = getattr(opendr_har_core, kind)(backbone=backbone, device="cpu")
    test_ds = KineticsDataset(path="./datasets/kinetics400", frames_per_clip=4, split="test")
    results = learner.eval(test_ds)
    assert 0 <= results["accuracy"] <= 1
    assert results["loss"] > 0


def test_download_and_initialise_x3d(place, official):
    from opendr_har_core import X3DLearner

    weights_path = Path("./weights/")
    X3DLearner.download(path=weights_path, model_names={"xs"})
    assert (weights_path / "x3d_xs.pyth").exists()
    learner = X3DLearner(backbone="xs", device="cpu").load(weights_path)
    assert learner.labels[5] == "archery"


def test_download_initialise_and_step_cox3d_with_an_extended_window(place, official):
    """The documented loop has two slips: it takes one frame for the video, and calls the batch by another name."""
    from opendr_har_core import CoX3DLearner, KineticsDataset

    weights_path = Path("./weights/")
    CoX3DLearner.download(path=weights_path, model_names={"s"})
    assert (weights_path / "x3d_s.pyth").exists()
    learner = CoX3DLearner(backbone="s", temporal_window_size=64).load(weights_path)
    dl = torch.utils.data.DataLoader(
        KineticsDataset(path="./datasets/kinetics400", frames_per_clip=4, split="train"), batch_size=2, num_workers=0
    )
    video_batch = next(iter(dl))[0]
    for i in range(video_batch.shape[2]):
        image_batch = video_batch[:, :, i]
        result = learner.infer(image_batch)
        assert result == []  # 4 frames of a window of 64
    assert not learner.warm
    assert learner.temporal_window_size == 64


@pytest.fixture
def gestures(tmp_path, monkeypatch):
    """A working directory with the videos and weights that the page's example names; the paths of its pictures."""
    for seed, motion in enumerate(GESTURES):
        (tmp_path / "gestures" / motion).mkdir(parents=True)
        write_video(tmp_path / "gestures" / motion / "a.mp4", render_clip(motion, 2.0, 30.0, (72, 96), seed), 30.0)
    torch.save({"model_state": X3D(x3d_config("xs")).state_dict()}, tmp_path / "x3d_xs.pyth")
    pictures = []
    for number, frame in enumerate(render_clip("walking", 4.0, 12.0, (72, 96))):
        pictures.append(tmp_path / f"{number:02}.png")
        cv2.imwrite(str(pictures[-1]), frame.rgb[..., ::-1])
    monkeypatch.chdir(tmp_path)
    return pictures


@pytest.mark.slow
def test_the_example_of_our_own_page(gestures, capsys):
    (block, *_) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {"pictures": gestures}
    exec(compile(block, str(PAGE), "exec"), names)
    learner, stepper = names["learner"], names["stepper"]
    assert sorted(path.name for path in Path("models/gestures").iterdir()) == ["gestures.json", "model_gestures.pth"]
    assert list(stepper.labels) == list(learner.labels) == sorted(GESTURES)
    weights = stepper.model.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in learner.model.state_dict().items())
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(gestures) - stepper.spec.warm_up > 0
    for line in said:
        description, _, confidence = line.rpartition(" ")
        assert description in GESTURES
        assert 1 / 3 <= float(confidence) <= 1
