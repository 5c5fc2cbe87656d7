"""A checkpoint describes its network: choices default to it, and contradictions are refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[1]))
from training_cases import LABELS, TINY, tiny

from opendr_har_core.errors import CheckpointError, ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.checkpoint_metadata import NetworkFacts, facts_entry
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.choice import NetworkChoice
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D

DEFAULT = NetworkChoice("cox3d", "s", None, "none")
CLIP = x3d_config("xs").clip_spec(2)
STREAM = x3d_config("m", "full").continual_spec(2, 7)


def facts(spec):
    return NetworkFacts("best.ckpt", spec, LABELS)


@pytest.mark.parametrize(
    ("given", "spec", "expected"),
    [
        ({}, None, ("cox3d", "s", 13, "none")),
        ({"architecture": "x3d"}, None, ("x3d", "s", None, None)),
        ({"size": "xs", "window": 9, "lookahead": "full"}, None, ("cox3d", "xs", 9, "full")),
        ({}, CLIP, ("x3d", "xs", None, None)),
        ({}, STREAM, ("cox3d", "m", 7, "full")),
        ({"size": "m"}, STREAM, ("cox3d", "m", 7, "full")),
        ({"lookahead": "none", "window": 1}, STREAM, ("cox3d", "m", 1, "none")),
        ({"architecture": "x3d"}, STREAM, ("x3d", "m", None, None)),
        ({"architecture": "cox3d"}, CLIP, ("cox3d", "xs", 4, "none")),
    ],
)
def test_open_choices_follow_the_file_then_the_defaults(given, spec, expected):
    blueprint = NetworkChoice(**given).settled(facts(spec) if spec else None, DEFAULT)
    assert tuple(blueprint.to_dict().values()) == expected
    network = blueprint.build(3)
    assert type(network) is (X3D if expected[0] == "x3d" else CoX3D)
    assert (network.spec.size, network.spec.num_classes) == (expected[1], 3)
    if expected[0] == "cox3d":
        assert (network.spec.window, network.spec.lookahead) == expected[2:]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": "s"}, "size is s, but best.ckpt was trained with size xs; leave size out"),
        ({"window": 3}, "window is 3, but only cox3d has a window"),
        ({"lookahead": "none"}, "lookahead is none, but only cox3d has a lookahead"),
    ],
)
def test_choices_that_contradict_the_file_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        NetworkChoice(**given).settled(facts(CLIP), DEFAULT)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["falls", "rises"], "the 2 labels differ from the 2 that best.ckpt was trained with, from id 0 on"),
        (["rises", "falls", "stays"], "the 3 labels differ from the 2 .*, from id 2 on; leave labels out"),
    ],
)
def test_other_classes_than_those_of_the_file_are_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        facts(CLIP).check(labels=LabelMap(names))
    facts(CLIP).check(size="xs", labels=LabelMap(LABELS))


def saved(path, network, labels, entry=None):
    content = {"model_state": network.state_dict(), **(entry or facts_entry(network.spec, labels))}
    torch.save(content, path)
    return path


def test_a_description_is_read_from_a_file_that_has_one(tmp_path):
    network = CoX3D(x3d_config("xs", "none"), 2, window=6)
    told = NetworkFacts.read(saved(tmp_path / "best.ckpt", network, ["a", "b"]))
    assert (told.spec, list(told.labels)) == (network.spec, ["a", "b"])
    torch.save({"model_state": tiny().state_dict(), "format": 1}, tmp_path / "old.ckpt")
    assert NetworkFacts.read(tmp_path / "old.ckpt") is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"network": {"spec": {"size": "xs"}, "labels": ["a", "b"]}}, "malformed description of its network"),
        ({"network": 5}, "malformed description"),
        ({"network": torch.zeros(2)}, "malformed description"),
        ({"network": {"spec": {**CLIP.to_dict(), "window": torch.zeros(2)}, "labels": LABELS.names}}, "malformed"),
        (facts_entry(CLIP, ["a", "a"]), "malformed description"),
        (facts_entry(CLIP, ["a"]), "names 1 classes for a network of 2"),
        (facts_entry(TINY.clip_spec(2), ["a", "b"]), "belongs to a network that this version does not have"),
        (facts_entry(replace(CLIP, image_size=64), ["a", "b"]), "belongs to a network that this version does not have"),
    ],
)
def test_an_impossible_description_is_refused(tmp_path, entry, message):
    with pytest.raises(CheckpointError, match=message):
        NetworkFacts.read(saved(tmp_path / "odd.ckpt", tiny(), LABELS, entry))


def test_a_new_classifier_takes_over_classes_of_the_same_name(tmp_path):
    path = saved(tmp_path / "best.ckpt", tiny(seed=5, num_classes=3), ["run", "jump", "sit"])
    trained, network = tiny(seed=5, num_classes=3).head.projection, tiny(seed=6, num_classes=4)
    fresh = network.head.projection.weight.clone()
    load_weights(network, path, new_head=True, labels=LabelMap(["jump", "lie", "run", "wave"]))
    found = network.head.projection
    assert torch.equal(found.weight[[0, 2]], trained.weight[[1, 0]])
    assert torch.equal(found.bias[[0, 2]], trained.bias[[1, 0]])
    assert torch.equal(found.weight[[1, 3]], fresh[[1, 3]])
    assert torch.equal(network.head.lin_5.weight, tiny(seed=5).head.lin_5.weight)
