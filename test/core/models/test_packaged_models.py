"""Packaged models open by their names, without PyTorch."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from opendr_har_core import ModelSpec, Recognizer
from opendr_har_core.cli.main import main
from opendr_har_core.errors import ModelError
from opendr_har_core.streaming.recognizer import MODELS, bundle_path, packaged_models

NAMES = ("continual", "default", "kinetics400")


def test_each_file_in_the_folder_of_models_has_a_name():
    assert tuple(packaged_models()) == NAMES
    assert [bundle_path(name) for name in NAMES] == [MODELS / f"{name}.onnx" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_opens_a_model_without_pytorch(name):
    code = f"import sys, opendr_har_core; opendr_har_core.Recognizer.open({name!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"torch", "onnx"} & set(done.stdout.split())


@pytest.mark.parametrize("wrong", ["kinetics", "kinetics400.onnx", "Default", "", "../models/default"])
def test_an_unknown_name_is_an_error_that_lists_the_names(wrong):
    names = "continual, default, kinetics400"
    message = f"no model {wrong!r}; expected the path of an .onnx bundle, or a packaged model: {names}"
    with pytest.raises(ModelError, match=re.escape(message)):
        Recognizer.open(wrong)


def test_a_name_comes_before_a_file_that_is_called_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").write_text("no model")
    assert isinstance(Recognizer.open("default").spec, ModelSpec)
    with pytest.raises(ModelError, match="can't be opened"):
        Recognizer.open("./default")


@pytest.mark.parametrize("job", ["infer", "bag", "live", "doctor", "benchmark"])
def test_the_help_of_jobs_that_run_a_model_says_the_names(job, capsys):
    assert main([job, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"the name of a packaged model: {', '.join(NAMES)}" in said
