"""Weight files match the network, or are refused with a list of differences."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from opendr_har_core.errors import CheckpointError
from opendr_har_core.networks.checkpoints import load_weights, to_slowfast_keys
from opendr_har_core.networks.config import X3DConfig, x3d_config
from opendr_har_core.networks.x3d import X3D

TINY = X3DConfig("tiny", image_size=32, frames=2, stride=1, stage_depths=(1, 1), stage_widths=(8, 8), stem_width=8)


@pytest.fixture
def network():
    return X3D(TINY, num_classes=3)


def saved(path, weights):
    torch.save({"model_state": weights}, path)
    return path


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
@pytest.mark.parametrize("scheme", ["pytorchvideo", "mmaction2"])
def test_every_key_of_the_other_schemes_is_translated(shared, size, scheme):
    keys = json.loads((shared / "x3d_key_maps" / f"keymap_x3d_{size}.json").read_text())
    column = keys["columns"].index(scheme)
    named = {row[column]: row[0] for row in keys["rows"] if row[column] is not None}
    translated = to_slowfast_keys(dict.fromkeys(named, torch.zeros(1)))
    assert dict(zip(named, translated)) == named


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
def test_our_networks_have_the_published_keys_and_shapes(shared, size):
    rows = json.loads((shared / "x3d_key_maps" / f"keymap_x3d_{size}.json").read_text())["rows"]
    ours = {key: list(tensor.shape) for key, tensor in X3D(x3d_config(size)).state_dict().items()}
    assert ours == {row[0]: row[1] for row in rows}


def test_the_sizes_have_the_published_numbers_of_parameters():
    counts = {size: sum(p.numel() for p in X3D(x3d_config(size)).parameters()) for size in ("xs", "s", "m", "l")}
    assert counts == {"xs": 3_794_322, "s": 3_794_322, "m": 3_794_322, "l": 6_153_432}


def test_missing_extra_and_misshapen_tensors_are_all_listed(network, tmp_path):
    weights = network.state_dict()
    del weights["head.conv_5.weight"]
    weights["head.surprise"] = torch.zeros(1)
    weights["s1.pathway0_stem.bn.weight"] = torch.zeros(5)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError) as failure:
        load_weights(network, saved(tmp_path / "bad.pth", weights))
    for part in ("1 missing: head.conv_5.weight", "1 extra: head.surprise", "bn.weight (5,) (expected (8,))"):
        assert part in str(failure.value)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_another_number_of_classes_is_an_error_unless_a_new_head_is_asked_for(tmp_path):
    path = saved(tmp_path / "five.pth", X3D(TINY, num_classes=5).state_dict())
    network = X3D(TINY, num_classes=3)
    head = network.head.projection.weight.clone()
    with pytest.raises(CheckpointError, match="another number of classes"):
        load_weights(network, path)
    load_weights(network, path, new_head=True)
    assert torch.equal(network.head.projection.weight, head)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken", bytes(1000), b"\x80\x04K\x01."])
def test_another_kind_of_file_is_refused_without_torchs_advice(network, tmp_path, content):
    (tmp_path / "odd.pth").write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"odd\.pth can't be read as a file of weights: .*; expected what"
    ) as failure:
        load_weights(network, tmp_path / "odd.pth")
    assert "weights_only" not in str(failure.value)


def test_a_module_in_a_file_is_named_without_torchs_advice(network, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(
        CheckpointError, match=r"holds the Python object torch\.nn\.\S+, .*; save network\.state_dict"
    ) as failure:
        load_weights(network, tmp_path / "module.pth")
    assert "weights_only" not in str(failure.value)
