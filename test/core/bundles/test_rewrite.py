"""A bundle is written with another head, and no other byte of it changes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from head_cases import nearest_mean

from opendr_har_core import Recognizer
from opendr_har_core.bundles.rewrite import write_with_head
from opendr_har_core.errors import ModelError
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE, MODELS

WIDTH = 432


def head(*labels, seed=0):
    means = np.random.default_rng(seed).random((len(labels), WIDTH))
    return nearest_mean(dict(zip(labels, means)))


def properties(path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    found = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    return found, model.SerializeToString()


def test_only_the_property_of_the_head_changes(tmp_path):
    path = write_with_head(DEFAULT_BUNDLE, head("wave"), tmp_path / "a.onnx")
    (before, graph), (after, same_graph) = properties(DEFAULT_BUNDLE), properties(path)
    assert after.pop("opendr_har.head") == head("wave").to_text() != before.pop("opendr_har.head")
    assert (after, same_graph) == (before, graph)


def test_a_head_is_replaced_and_removed_in_place(tmp_path):
    path = tmp_path / "mine.onnx"
    write_with_head(DEFAULT_BUNDLE, head("wave", "stop"), path)
    assert Recognizer.open(path).labels.names == ("wave", "stop")
    write_with_head(path, head("bow", seed=1), path)
    assert Recognizer.open(path).labels.names == ("bow",)
    assert path.read_bytes() == write_with_head(DEFAULT_BUNDLE, head("bow", seed=1), tmp_path / "b.onnx").read_bytes()
    write_with_head(path, None, path)
    assert Recognizer.open(path).head is None
    write_with_head(path, Recognizer.open(DEFAULT_BUNDLE).head, path)
    assert path.read_bytes() == DEFAULT_BUNDLE.read_bytes()


def test_what_does_not_fit_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"precious")
    wrong = nearest_mean({"wave": np.zeros(3)})
    for source, given in ((DEFAULT_BUNDLE, wrong), (path, head("wave")), (tmp_path / "none.onnx", head("wave"))):
        with pytest.raises(ModelError):
            write_with_head(source, given, path)
        assert path.read_bytes() == b"precious"
    with pytest.raises(ModelError, match="can't write the bundle"):
        write_with_head(DEFAULT_BUNDLE, head("wave"), tmp_path / "no" / "folder.onnx")


def test_a_broken_head_can_be_replaced(tmp_path):
    path = write_with_head(DEFAULT_BUNDLE, head("wave"), tmp_path / "mine.onnx")
    path.write_bytes(path.read_bytes().replace(b'{"labels": ["wave"]', b'{"labels": ["wave"}'))
    with pytest.raises(ModelError, match="unusable metadata"):
        Recognizer.open(path)
    assert Recognizer.open(write_with_head(path, head("bow"), path)).labels.names == ("bow",)


def test_tuned_and_quantized_bundles_keep_and_take_heads(tmp_path, tiny_bundle):
    pytest.importorskip("onnx")
    from opendr_har_core.backends.tuning import tune_bundle
    from opendr_har_core.bundles.quantization import quantize_bundle

    taught = write_with_head(tiny_bundle("cox3d", "none"), head("wave", "stop"), tmp_path / "taught.onnx")
    smaller = quantize_bundle(taught, tmp_path / "smaller.onnx").path
    assert Recognizer.open(smaller).labels.names == ("wave", "stop")
    assert Recognizer.open(write_with_head(smaller, head("bow"), smaller)).labels.names == ("bow",)
    try:
        tuned = tune_bundle(taught, tmp_path / "tuned.onnx").path
    except ModelError as error:
        pytest.skip(str(error))
    assert Recognizer.open(tuned).labels.names == ("wave", "stop")
    assert Recognizer.open(write_with_head(tuned, head("bow"), tuned)).labels.names == ("bow",)


@pytest.mark.parametrize("name", ["default", "continual", "kinetics400"])
def test_a_robot_writes_and_opens_it_without_torch_and_onnx(name, tmp_path):
    text = tmp_path / "head.json"
    text.write_text(head("wave", "stop").to_text())
    code = f"""
import sys
from pathlib import Path
from opendr_har_core import Recognizer
from opendr_har_core.bundles.head import Head
from opendr_har_core.bundles.rewrite import write_with_head
base = Recognizer.open({name!r})
head = Head.from_text(Path({str(text)!r}).read_text(), {WIDTH}, base.spec)
print(*Recognizer.open(write_with_head({str(MODELS / name)!r} + ".onnx", head, {str(tmp_path / "a.onnx")!r})).labels)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    labels, modules = done.stdout.splitlines()
    assert labels == "wave stop"
    assert not {"torch", "onnx"} & set(modules.split())
