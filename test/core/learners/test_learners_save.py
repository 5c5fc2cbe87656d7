"""`save` and `load` of the learners, in OpenDR's format."""

from __future__ import annotations

import json
import shutil
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from head_cases import nearest_mean

from opendr_har_core import CoX3DLearner, X3DLearner
from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.bundles.rewrite import write_with_head
from opendr_har_core.errors import CheckpointError, ConfigError, ModelError
from opendr_har_core.networks.checkpoint_metadata import facts_entry
from opendr_har_core.networks.config import x3d_config

SCHEMES = ("slowfast.pyth", "pytorchvideo.pyth", "mmaction2.pth")
CLIP = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 4, 32, 32), np.uint8))
pytestmark = pytest.mark.usefixtures("tiny_xs")


def x3d(num_classes=3, **arguments):
    return X3DLearner(backbone="xs", device="cpu", num_classes=num_classes, **arguments)


def cox3d(num_classes=3, **arguments):
    return CoX3DLearner(backbone="xs", device="cpu", num_classes=num_classes, **arguments)


def same_weights(one, other):
    theirs = other.model.state_dict()
    return all(torch.equal(tensor, theirs[key]) for key, tensor in one.model.state_dict().items())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_has_weights_and_metadata_in_opendrs_format(tmp_path):
    folder = tmp_path / "deep" / "waving"
    learner = x3d(lr=0.5)
    assert learner.save(folder) is learner
    assert names(folder) == ["model_waving.pth", "waving.json"]
    content = json.loads((folder / "waving.json").read_text())
    assert content["model_paths"] == "model_waving.pth"
    assert (content["framework"], content["format"], content["has_data"]) == ("pytorch", "pth", False)
    assert content["optimized"] is False
    assert content["inference_params"] == {"backbone": "xs", "network_head": "classification", "threshold": 0.0}
    assert content["optimizer_info"]["lr"] == 0.5
    weights = torch.load(folder / "model_waving.pth", weights_only=True)
    assert set(weights) == set(learner.model.state_dict())


def test_the_model_survives_the_round_trip(tmp_path):
    saved = cox3d(num_classes=2, temporal_window_size=9, lookahead="none", seed=7)
    saved.labels = ["wave", "jump"]
    saved.save(tmp_path / "m")
    loaded = CoX3DLearner(device="cpu").load(tmp_path / "m")
    assert (loaded.spec, list(loaded.labels)) == (saved.spec, ["wave", "jump"])
    assert (loaded.num_classes, loaded.backbone, loaded.temporal_window_size) == (2, "xs", 9)
    assert same_weights(saved, loaded)
    clips = X3DLearner(device="cpu").load(tmp_path / "m")
    assert (clips.spec.window, list(clips.labels)) == (4, ["wave", "jump"])


@pytest.mark.parametrize("saved", [{"temporal_window_size": 9, "lookahead": "none"}, {"temporal_window_size": 6}])
@pytest.mark.parametrize("chosen", [{"temporal_window_size": 5}, {"lookahead": "full"}, {"lookahead": "none"}])
def test_the_constructors_window_and_lookahead_take_precedence_over_the_saved_ones(tmp_path, saved, chosen):
    learner = cox3d(**saved)
    learner.save(tmp_path / "m")
    loaded = cox3d(**chosen).load(tmp_path / "m")
    expected = {"lookahead": "full", **saved, **chosen}
    assert {name: getattr(loaded, name) for name in expected} == expected
    assert same_weights(learner, loaded)


@pytest.mark.parametrize("argument", [{"lookahead": "none"}, {"temporal_window_size": 9}])
def test_a_bundle_that_contradicts_the_constructor_is_an_error(tmp_path, argument):
    saved = cox3d()
    saved.optimize()
    saved.save(tmp_path / "m")
    bundle = tmp_path / "m" / "model_m.onnx"
    with pytest.raises(ModelError, match=f"the learner was given another .*{next(iter(argument))}"):
        cox3d(**argument).load(bundle)
    assert cox3d(lookahead="full", temporal_window_size=4).load(bundle).spec == saved.spec


def test_saving_again_makes_a_new_version_and_loading_takes_the_newest(tmp_path):
    folder = tmp_path / "m"
    for seed in range(11):
        x3d(seed=seed).save(folder)
        (folder / f".m_{seed + 1}.abcdefgh.part.json").touch()  # as a killed process leaves it
    assert [name for name in names(folder) if "m_1" in name and name[0] != "."] == [
        *("m_1.json", "m_10.json", "model_m_1.pth", "model_m_10.pth")
    ]
    assert same_weights(x3d().load(folder), x3d(seed=10))
    assert same_weights(x3d().load(folder / "m.json"), x3d(seed=0))
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)  # other names, other times
    assert same_weights(x3d().load(tmp_path / "copy"), x3d(seed=10))


def test_both_networks_share_a_folder_and_take_each_others_weights(tmp_path):
    x3d(seed=1).save(tmp_path / "m")
    assert same_weights(cox3d(temporal_window_size=6).load(tmp_path / "m"), x3d(seed=1))
    cox3d(seed=2).save(tmp_path / "m")
    assert same_weights(x3d().load(tmp_path / "m"), x3d(seed=1))
    assert same_weights(cox3d().load(tmp_path / "m"), cox3d(seed=2))


def test_an_optimised_learner_saves_and_loads_its_graph(tmp_path):
    saved = x3d(num_classes=2)
    saved.labels = ["wave", "jump"]
    saved.optimize()
    with torch.no_grad():
        saved.model.head.projection.bias.add_(torch.tensor([0.0, 9.0]))
    expected = saved.infer(CLIP)[0].scores
    saved.save(tmp_path / "m")
    assert x3d().load(tmp_path / "m" / "model_m.onnx").infer(CLIP)[0].data == 1
    assert names(tmp_path / "m") == ["m.json", "model_m.onnx", "model_m.pth"]
    assert json.loads((tmp_path / "m" / "m.json").read_text())["optimized"] is True
    loaded = x3d().load(tmp_path / "m")
    loaded.model.forward = None  # torch can't be asked
    assert np.array_equal(loaded.infer(CLIP)[0].scores, expected)
    assert list(OnnxBackend(tmp_path / "m" / "model_m.onnx").labels) == ["wave", "jump"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", [X3DLearner, CoX3DLearner])
def test_weight_files_of_all_schemes_load(shared, real_xs, kind, scheme):
    learner = kind(backbone="xs", device="cpu")
    assert learner.load(shared / "weights" / f"x3d_xs_k400_{scheme}") is learner
    reference = kind(backbone="xs", device="cpu").load(shared / "weights" / "x3d_xs_k400_slowfast.pyth")
    key = "s4.pathway0_res3.branch2.b.weight"
    assert torch.equal(learner.model.state_dict()[key], reference.model.state_dict()[key])
    assert len(learner.labels) == 400


def test_a_bundle_alone_infers_but_can_not_be_trained(tmp_path):
    saved = cox3d(temporal_window_size=2)
    saved.optimize()
    saved.save(tmp_path / "m")
    loaded = CoX3DLearner(device="cpu").load(tmp_path / "m" / "model_m.onnx")
    assert (loaded.backbone, loaded.num_classes, loaded.temporal_window_size) == ("xs", 3, 2)
    frame = CLIP[:, 0]
    results = [(saved.infer(frame), loaded.infer(frame)) for _ in range(saved.spec.warm_up + 2)]
    assert np.array_equal(results[-1][0][0].scores, results[-1][1][0].scores)
    for method in (loaded.fit, loaded.eval):
        with pytest.raises(ConfigError, match=r"load its weights"):
            method(None)
    loaded.save(tmp_path / "again")
    assert names(tmp_path / "again") == ["again.json", "model_again.onnx"]
    assert cox3d().load(tmp_path / "again").spec == saved.spec


def test_another_number_of_classes_is_an_error_unless_a_new_head_is_asked_for(tmp_path):
    saved = x3d(num_classes=5)
    saved.save(tmp_path / "m")
    weights = tmp_path / "m" / "model_m.pth"
    learner = x3d(num_classes=3)
    before = {key: tensor.clone() for key, tensor in learner.model.state_dict().items()}
    with pytest.raises(CheckpointError, match="another number of classes"):
        learner.load(weights)
    assert all(torch.equal(before[key], tensor) for key, tensor in learner.model.state_dict().items())
    for path in (weights, tmp_path / "m"):
        learner = x3d(num_classes=3).load(path, new_head=True)
        assert learner.num_classes == len(learner.labels) == 3
        assert torch.equal(learner.model.head.lin_5.weight, saved.model.head.lin_5.weight)


def checkpoint(path, learner):
    """As training writes it, without the parts that only training reads."""
    content = {"model_state": learner.model.state_dict(), **facts_entry(learner.spec, learner.labels)}
    torch.save(content, path)
    return path


def test_a_training_checkpoint_restores_its_network(tmp_path):
    trained = cox3d(num_classes=2, temporal_window_size=9, lookahead="none")
    trained.labels = ["wave", "jump"]
    path = checkpoint(tmp_path / "best.ckpt", trained)
    loaded = CoX3DLearner(device="cpu", lr=0.5).load(path)
    assert (loaded.spec, loaded.labels, loaded.lr) == (trained.spec, trained.labels, 0.5)
    assert same_weights(trained, loaded)
    anew = CoX3DLearner(device="cpu", num_classes=7).load(path, new_head=True)
    assert (anew.num_classes, len(anew.labels), anew.lookahead) == (7, 7, "none")


def test_opendrs_own_metadata_load(tmp_path):
    """As OpenDR 3 writes it: without spec, labels and number of classes."""
    saved = x3d(num_classes=3)
    torch.save(saved.model.state_dict(), tmp_path / "model_x3d_xs.pth")
    content = {
        "model_paths": "model_x3d_xs.pth",
        "framework": "pytorch",
        "format": "pth",
        "has_data": False,
        "inference_params": {"backbone": "xs", "network_head": "classification", "threshold": 0.0},
        "optimized": False,
        "optimizer_info": {"lr": 0.001},
    }
    (tmp_path / "x3d_xs.json").write_text(json.dumps(content))
    for path in (tmp_path, tmp_path / "x3d_xs.json"):
        assert same_weights(X3DLearner(device="cpu", num_classes=3).load(path), saved)


def test_a_folder_of_downloaded_weights_loads_its_size(tmp_path):
    torch.save({"model_state": x3d(seed=4).model.state_dict()}, tmp_path / "x3d_xs.pyth")
    assert same_weights(x3d().load(tmp_path), x3d(seed=4))
    with pytest.raises(ModelError, match=r"no x3d_m\.pyth, only \['x3d_xs\.pyth'\]"):
        X3DLearner(backbone="m", device="cpu", num_classes=3).load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_paths": None}, "not the metadata of a model"),
        ({"model_paths": "../../secret.pth"}, "not the name of a file in the same folder"),
        ({"labels": ["wave", "wave", "run"]}, "unique"),
        ({"labels": ["wave"]}, "1 class names for 3"),
        ({"spec": {"size": "xs"}}, "exactly the fields"),
        ({"version": "new"}, "not the metadata of a model"),
        ({"spec": {**x3d_config("xs").clip_spec(3).to_dict(), "mean": [0.5] * 3}}, "another .*'mean'"),
        ("", r"m\.json can't be read as JSON"),
        ("[" * 5000, r"m\.json can't be read as JSON"),
    ],
)
def test_broken_metadata_are_an_error_and_change_nothing(tmp_path, change, message):
    x3d(seed=1).save(tmp_path / "m")
    path = tmp_path / "m" / "m.json"
    path.write_text(change if isinstance(change, str) else json.dumps({**json.loads(path.read_text()), **change}))
    learner = x3d(seed=2)
    with pytest.raises(ModelError, match=message):
        learner.load(path)
    assert same_weights(learner, x3d(seed=2))


def test_missing_files_and_other_suffixes_are_errors(tmp_path):
    for name, message in (("gone.json", "gone.json"), ("gone.pth", "gone.pth"), ("gone.onnx", "gone.onnx")):
        with pytest.raises(ModelError, match=message):
            x3d().load(tmp_path / name)
    with pytest.raises(ConfigError, match=r"expected a folder or one of \*\.json"):
        x3d().load(tmp_path / "model.zip")
    with pytest.raises(ModelError, match="holds no saved model"):
        x3d().load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="can't be saved"):
        x3d().save(tmp_path / "file")


@pytest.mark.parametrize("path", [None, 5, ["m"], "a\0b"])
def test_wrong_paths_are_errors(path):
    learner = x3d()
    for call in (learner.load, learner.save, learner.download):
        with pytest.raises(ConfigError, match=r"expected a string or a pathlib\.Path"):
            call(path)


def test_a_bundle_of_the_other_network_is_an_error(tmp_path):
    saved = x3d()
    saved.optimize()
    saved.save(tmp_path / "m")
    with pytest.raises(ModelError, match="is a x3d_xs, a CoX3DLearner needs a cox3d"):
        cox3d().load(tmp_path / "m" / "model_m.onnx")


def test_partly_written_weights_are_removed(tmp_path):
    """The operating system stops writing at 16 kB, in the midst of the weights."""
    resource = pytest.importorskip("resource")
    x3d(seed=1).save(tmp_path / "m")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    heeded = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, limits[1]))
    try:
        with pytest.raises(ModelError, match="can't be saved"):
            x3d(seed=2).save(tmp_path / "m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heeded)
    assert names(tmp_path / "m") == ["m.json", "model_m.pth"]
    assert same_weights(x3d().load(tmp_path / "m"), x3d(seed=1))


@pytest.mark.parametrize("names", [None, 5, "s, m", []])
def test_wrong_sizes_to_download_are_errors(tmp_path, names):
    with pytest.raises(ConfigError, match=r"model_names are .*\('xs', 's', 'm', 'l'\)"):
        X3DLearner.download(tmp_path, names)


@pytest.mark.parametrize("made", [x3d, cox3d])
def test_a_taught_bundle_gives_its_own_classes_after_each_load(made, tmp_path):
    plain = made()
    plain.optimize()
    plain.save(tmp_path / "m")
    width = plain.model.head.conv_5.out_channels
    head = nearest_mean({"wave": np.zeros(width), "stop": np.full(width, 9.0)})
    taught = write_with_head(tmp_path / "m" / "model_m.onnx", head, tmp_path / "taught.onnx")
    loaded = type(plain)(device="cpu").load(taught)
    loaded.save(tmp_path / "again")
    for learner in (loaded, type(plain)(device="cpu").load(tmp_path / "again")):
        assert (learner.labels.names, learner.num_classes) == (("wave", "stop"), 2)
        found = []
        while not found:
            found = learner.infer(CLIP if made is x3d else CLIP[:, 0])
        assert (found[0].description, found[0].scores.shape) == ("wave", (2,))
