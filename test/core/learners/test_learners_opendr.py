"""The calls of OpenDR's unit tests of X3DLearner and CoX3DLearner, on three real clips and the real XS weights.

The data set has the layout of `KineticsDataset.download_micro`. Further below are the names of OpenDR.
"""

from __future__ import annotations

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from opendr_har_core import CoX3DLearner, Image, KineticsDataset, Video, X3DLearner
from opendr_har_core.errors import ConfigError, ModelError

KINDS = [X3DLearner, CoX3DLearner]
LABELS = ("archery", "arm wrestling", "high jump")
FRAME = torch.linspace(-2, 2.4, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)


@pytest.fixture(scope="module")
def temp_dir(shared, tmp_path_factory):
    """OpenDR's folder of downloads: weights, and a data set of one video of each of three classes in every split."""
    folder = tmp_path_factory.mktemp("opendr")
    (folder / "weights").mkdir()
    shutil.copyfile(shared / "weights" / "x3d_xs_k400_slowfast.pyth", folder / "weights" / "x3d_xs.pyth")
    dataset = folder / "datasets" / "kinetics3"
    (dataset / "splits").mkdir(parents=True)
    for split, subset in (("train", "train"), ("validate", "val"), ("test", "test")):
        entries = {}
        for label in LABELS:
            name = label.replace(" ", "_")
            (dataset / "data" / subset / name).mkdir(parents=True)
            video = shared / "videos" / "labelled" / f"{name}.mp4"
            shutil.copyfile(video, dataset / "data" / subset / name / f"{name}_000000_000010.mp4")
            entries[name] = {"annotations": {"label": label, "segment": [0, 10]}, "subset": subset}
        (dataset / "splits" / f"{split}.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture(scope="module")
def dataset(temp_dir):
    def of(split):
        path = temp_dir / "datasets" / "kinetics3"
        return KineticsDataset(path=path, frames_per_clip=4, split=split, spatial_pixels=160, temporal_downsampling=12)

    return of


@pytest.fixture(scope="module", params=KINDS, ids=["x3d", "cox3d"])
def learner(request, temp_dir):
    return request.param(device="cpu", temp_path=str(temp_dir), iters=1, batch_size=2, backbone="xs", num_workers=0)


@pytest.fixture
def weights(temp_dir):
    return temp_dir / "weights" / "x3d_xs.pyth"


def test_downloaded(learner, temp_dir, weights):
    learner.download(path=temp_dir / "weights", model_names={"xs"})
    assert weights.exists()


def test_save_and_load(learner, tmp_path):
    assert learner.model is not None
    learner.save(tmp_path)
    learner.model = None
    learner.batch_size = 42
    learner.load(tmp_path)
    assert learner.model is not None
    assert learner.batch_size == 2


@pytest.mark.slow
def test_fit(learner, dataset):
    learner.model = None
    learner.init_model()
    before = next(learner.model.parameters()).clone()
    learner.fit(dataset=dataset("train"), val_dataset=dataset("val"), steps=1, logging_path=None)
    assert not torch.equal(before, next(learner.model.parameters()))


@pytest.mark.slow
def test_eval(learner, dataset, weights):
    learner.load(weights)
    results = learner.eval(dataset("test"), steps=1)
    assert results["accuracy"] > 0.5
    assert results["loss"] < 20


def test_optimize(learner, weights):
    learner.ort_session = None
    learner.load(weights)
    learner.optimize()
    assert learner.ort_session is not None
    with pytest.raises(ConfigError, match="optimize"):
        learner.ort_session = "a session"
    learner.ort_session = None
    assert learner.ort_session is None


def sums_to_one(category):
    return torch.isclose(torch.sum(category.confidence), torch.tensor(1.0))


def test_infer_of_x3d(temp_dir, dataset, weights):
    learner = X3DLearner(device="cpu", backbone="xs").load(weights)
    batch = next(iter(torch.utils.data.DataLoader(dataset("test"), batch_size=2, num_workers=0)))[0]
    from_tensor = learner.infer(batch)
    assert all(sums_to_one(category) for category in from_tensor)
    (from_video,) = learner.infer(Video(batch[0]))
    assert from_tensor[0].data == from_video.data
    assert torch.allclose(from_tensor[0].confidence, from_video.confidence, atol=1e-6)
    for one, other in zip(from_tensor, learner.infer([Video(clip) for clip in batch])):
        assert one.data == other.data
        assert torch.allclose(one.confidence, other.confidence, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("lookahead", ["full", "none"])
def test_infer_of_cox3d(dataset, weights, lookahead):
    learner = CoX3DLearner(device="cpu", backbone="xs", lookahead=lookahead).load(weights)
    batch = next(iter(torch.utils.data.DataLoader(dataset("test"), batch_size=2, num_workers=0)))[0]
    batch = batch[:, :, 0]
    learner.model.clean_state()
    learner.model.forward_steps(batch.unsqueeze(2).repeat(1, 1, learner.model.receptive_field - 1, 1, 1))
    from_tensor = learner.infer(batch)
    assert all(sums_to_one(category) for category in from_tensor)
    for again in (learner.infer([Image(frame) for frame in batch]), learner.infer(batch.numpy())):
        assert [category.data for category in again] == [category.data for category in from_tensor]
        assert torch.allclose(from_tensor[0].confidence, again[0].confidence, atol=1e-3)  # a still picture


def small(kind=CoX3DLearner, **arguments):
    return kind(**{"backbone": "xs", "device": "cpu", "num_classes": 3, **arguments})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "image_size", "frames", "stride"), [("xs", 160, 4, 12), ("m", 224, 16, 5)])
def test_model_hparams_have_the_facts_about_a_size(kind, size, image_size, frames, stride):
    assert small(kind, backbone=size).model_hparams == {
        "image_size": image_size,
        "frames_per_clip": frames,
        "temporal_downsampling": stride,
    }
    assert small(temporal_window_size=9).model_hparams["frames_per_clip"] == 4


@pytest.mark.parametrize("kind", KINDS)
def test_init_model_makes_the_first_weights_again(kind):
    learner = small(kind)
    learner.labels = ["wave", "jump", "run"]
    first = learner.model
    learner.model = None
    assert learner.init_model() is learner.model
    again = learner.model.state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in first.state_dict().items())
    assert list(learner.labels) == ["wave", "jump", "run"]


def test_without_a_network_one_is_asked_for(tmp_path):
    learner = small(X3DLearner)
    learner.model = None
    for call in (lambda: learner.infer(torch.zeros(3, 4, 32, 32)), lambda: learner.save(tmp_path), learner.optimize):
        with pytest.raises(ConfigError, match=r"there is no torch network.*init_model"):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("lookahead", ["full", "none"])
def test_forward_steps_continue_the_stream_of_infer(lookahead):
    learner = small(lookahead=lookahead, temporal_window_size=2)
    silent = learner.spec.silent_frames
    clip = FRAME.unsqueeze(2) * torch.linspace(-1, 1, silent + 4).reshape(1, 1, -1, 1, 1)
    results = [learner.infer(frame) for frame in clip.unbind(2)]
    expected = torch.stack([torch.stack([row.confidence[:] for row in rows]) for rows in results if rows], dim=2)
    for clean in (learner.model.clean_state, learner.model.clean_model_state):
        clean()
        assert learner.model.forward_steps(clip[:, :, :silent]) is None or not silent
        logits = learner.model.forward_steps(clip[:, :, silent:-2])
        assert torch.allclose(logits.softmax(dim=1), expected[:, :, :2], atol=1e-6)
        assert torch.allclose(learner.model.forward_step(clip[:, :, -2]).softmax(dim=1), expected[:, :, 2], atol=1e-6)
        (one, _) = learner.infer(clip[:, :, -1])
        assert torch.allclose(one.confidence[:], expected[0, :, 3], atol=1e-6)


HYPER = {
    "lr": 0.5,
    "iters": 3,
    "batch_size": 7,
    "optimizer": "sgd",
    "lr_schedule": "cosine",
    "checkpoint_after_iter": 5,
    "weight_decay": 0.25,
    "momentum": 0.5,
    "drop_last": False,
    "pin_memory": True,
    "num_workers": 2,
    "seed": 7,
}


def test_loading_restores_the_hyper_parameters_that_were_saved(tmp_path):
    small(X3DLearner, **HYPER, checkpoint_load_iter=9, temp_path=str(tmp_path / "theirs")).save(tmp_path / "m")
    assert small(X3DLearner, num_classes=5, lr=0.1).load(tmp_path / "m", new_head=True).lr == 0.1
    loaded = small(X3DLearner, temp_path=str(tmp_path / "mine")).load(tmp_path / "m")
    assert {name: getattr(loaded, name) for name in HYPER} == HYPER
    assert (loaded.checkpoint_load_iter, loaded.temp_path, loaded.device) == (0, str(tmp_path / "mine"), "cpu")


@pytest.mark.parametrize("change", [{"lr": -1}, {"batch_size": "many"}, {"optimizer": ["adam"]}, ["lr"]])
def test_hyper_parameters_that_are_not_allowed_are_an_error_and_change_nothing(tmp_path, change):
    small(X3DLearner, lr=0.5).save(tmp_path / "m")
    path = tmp_path / "m" / "m.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "optimizer_info": change}))
    learner = small(X3DLearner, lr=0.25)
    with pytest.raises(ModelError, match=r"m\.json"):
        learner.load(path)
    assert (learner.lr, learner.batch_size) == (0.25, 64)
