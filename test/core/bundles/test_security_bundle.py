"""Bundles that refer to other files, contain code or demand too much are refused before ONNX Runtime reads them."""

from __future__ import annotations

import json

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
import readers
from onnx import TensorProto, helper

from opendr_har_core import Frame, Recognizer
from opendr_har_core.backends import session as sessions
from opendr_har_core.bundles.file_check import check_onnx_file
from opendr_har_core.errors import ModelError
from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE


@pytest.fixture
def no_runtime(monkeypatch):
    """ONNX Runtime must not read the file."""

    def seen(*arguments, **options):
        raise AssertionError("ONNX Runtime was given the file")

    monkeypatch.setattr(sessions, "open_session", seen)


def sound(continual=False):
    return onnx.load_from_string(readers.bundles(None)[continual])


def opened(model, path):
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return Recognizer.open(path, threads=1)


def external(tensor, location):
    """Move a tensor's values to another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="36")


def test_weights_in_other_files_are_refused(tmp_path, no_runtime):
    (tmp_path / "neighbour.bin").write_bytes(bytes(36))
    for location in ("neighbour.bin", "../secret.bin", "/dev/zero"):
        for place in ("initializer", "constant", "sparse", "marked only"):
            model = sound()
            weight = next(item for item in model.graph.initializer if item.name == "head.weight")
            if place == "initializer":
                external(weight, location)
            elif place == "constant":
                node = helper.make_node("Constant", [], ["other"], value=weight)
                external(node.attribute[0].t, location)
                model.graph.node.insert(0, node)
            elif place == "sparse":
                external(model.graph.sparse_initializer.add().values, location)
            else:
                weight.data_location = TensorProto.EXTERNAL
            with pytest.raises(ModelError, match="in other files"):
                opened(model, tmp_path / "model.onnx")


def in_a_function(node):
    opsets = [helper.make_opsetid("evil.custom", 1)]
    return helper.make_function("com.microsoft", "F", ["x"], ["y"], [node], opsets)


BODY = helper.make_graph([], "body", [], [])


@pytest.mark.parametrize(
    ("operator", "details", "message"),
    [
        *[("Evil", {"domain": name}, f"domain b'{name}'") for name in ("evil.custom", "ai.onnx.contrib")],
        ("EPContext", {"domain": "com.microsoft", "ep_cache_context": "../evil.engine"}, "EPContext"),
        *[(name, {"body": BODY}, "branches or loops") for name in ("Loop", "If", "Scan")],
    ],
)
def test_operators_with_code_and_subgraphs_are_refused(tmp_path, no_runtime, operator, details, message):
    node = helper.make_node(operator, ["x"], ["y"], **details)
    for place in ("graph", "function"):
        model = sound()
        if place == "graph":
            model.graph.node.append(node)
        else:
            model.functions.append(in_a_function(node))
        with pytest.raises(ModelError, match=message):
            opened(model, tmp_path / "model.onnx")


# A field number beyond 32 bits, which a reader that keeps 32 bits takes for a graph.
HUGE = b"\xba\x80\x80\x80\x10\x00"


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"\x3a\xff\xff\xff\xff\x0f", b"\x0b" * 9, b"\xff" * 20, b"hello", HUGE]
)
def test_other_content_than_a_protocol_buffer_is_refused(tmp_path, no_runtime, data):
    with pytest.raises(ModelError, match="not an ONNX model, or damaged"):
        opened(data, tmp_path / "model.onnx")


@pytest.mark.slow
def test_a_file_of_millions_of_fields_is_refused(tmp_path, no_runtime):
    with pytest.raises(ModelError, match="in all"):
        opened(b"\x08\x01" * 10_000_000, tmp_path / "model.onnx")


def test_sound_bundles_pass(tmp_path):
    check_onnx_file(DEFAULT_BUNDLE)
    for continual in (False, True):
        stream = opened(sound(continual), tmp_path / "model.onnx").stream("every_frame")
        scores = [stream.push(Frame(np.full((9, 9, 3), 30 * index, np.uint8), index)) for index in range(4)]
        assert scores[-1].scores.sum() == pytest.approx(1.0)


def changed_spec(name, value):
    model = sound(True)
    for entry in model.metadata_props:
        if entry.key.endswith(".spec"):
            entry.value = json.dumps({**json.loads(entry.value), name: value})
    return model


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, 10**400) for name in ("image_size", "window", "stride", "warm_up", "num_classes")],
        *[("train_fps", value) for value in (0, 1e-300, 1e300, float("nan"), float("inf"))],
        *[("mean", [float("nan")] * 3), ("std", [float("inf")] * 3), ("mean", [0.1] * 100)],
        ("warm_up", 10**6),
    ],
)
def test_a_spec_that_demands_all_memory_or_endless_waiting_is_refused(tmp_path, name, value):
    with pytest.raises(ModelError):
        opened(changed_spec(name, value), tmp_path / "model.onnx")


@pytest.mark.parametrize(("text", "spoilt"), [(b"a test", b"a \xff\xfe\xfdt"), (b"frames", b"fr\xff\xfees")])
def test_metadata_and_names_must_be_text(tmp_path, text, spoilt):
    data = sound().SerializeToString().replace(text, spoilt)
    with pytest.raises(ModelError, match="names that are not text"):
        opened(data, tmp_path / "model.onnx")


@pytest.mark.parametrize("shape", [["x"], [-1], [0], [1 << 40]])
def test_a_state_of_unknown_or_huge_size_is_refused(tmp_path, shape):
    model = sound(True)
    for value in model.graph.input:
        if value.name.startswith("state."):
            value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, ["batch", *shape, 3]))
    with pytest.raises(ModelError):
        opened(model, tmp_path / "model.onnx").stream("every_frame").push(Frame(np.zeros((9, 9, 3), np.uint8), 0))


def test_a_huge_declared_tensor_is_refused_without_its_memory(tmp_path):
    for dims in ([1 << 40], [1 << 31, 1 << 31], [-1], [3, 3, 1 << 20]):
        model = sound()
        weight = next(item for item in model.graph.initializer if item.name == "head.weight")
        del weight.dims[:]
        weight.dims.extend(dims)
        with pytest.raises(ModelError):
            opened(model, tmp_path / "model.onnx")
