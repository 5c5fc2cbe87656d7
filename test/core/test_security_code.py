"""The code executes nothing that it reads."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("opendr_har_core", "opendr_har_ros", "launch", "interfaces")
EXECUTING_MODULES = {"pickle", "cPickle", "_pickle", "dill", "joblib", "marshal", "shelve", "cloudpickle", "torch.hub"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
YAML_LOADERS = {"load", "load_all", "unsafe_load", "unsafe_load_all", "full_load", "full_load_all"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput"}
EXTRACTION = {"extractall", "extract", "unpack_archive", "register_custom_ops_library"}


# Checks every name and size before it extracts.
ALLOWED = {"opendr_har_core/datasets/kinetics.py": ["calls file.extractall"]}


def offences(source: str, name: str = "<code>"):
    """Forbidden imports and calls in a module's source."""
    found = []
    for node in ast.walk(ast.parse(source, name)):
        for module in modules_of(node):
            if module in EXECUTING_MODULES or module.split(".")[0] in EXECUTING_MODULES:
                found.append(f"imports {module}")
        if isinstance(node, ast.Call):
            found += wrong_with(node)
    return found


def modules_of(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def wrong_with(call):
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in BUILTINS or name.startswith("builtins."):
        yield f"calls {name}"
    if name in SHELLS or last in EXTRACTION:
        yield f"calls {name}"
    if name.startswith("yaml.") and last in YAML_LOADERS:
        yield f"calls {name}, not yaml.safe_load"
    if name == "torch.load" and not is_constant(given.get("weights_only"), True):
        yield "calls torch.load without weights_only=True"
    if last in ("load", "load_from_checkpoint") and "jit" in name:
        yield f"calls {name}"
    if last == "load_from_checkpoint":
        yield f"calls {name}, which unpickles"
    if name in ("np.load", "numpy.load") and not is_constant(given.get("allow_pickle", ast.Constant(False)), False):
        yield f"calls {name} with allow_pickle"
    if name in ("np.save", "np.savez", "numpy.save") and not is_constant(given.get("allow_pickle"), False):
        yield f"calls {name} without allow_pickle=False"
    if name == "onnx.load" and not is_constant(given.get("load_external_data"), False):
        yield "calls onnx.load without load_external_data=False"
    if not is_constant(given.get("shell", ast.Constant(False)), False):
        yield f"calls {name} with a shell"


def is_constant(node, value):
    return isinstance(node, ast.Constant) and node.value is value


def test_the_product_executes_nothing_that_it_reads():
    files = sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))
    assert len(files) > 100
    found = {}
    for path in files:
        wrong = offences(path.read_text(encoding="utf-8"), str(path))
        if wrong:
            found[str(path.relative_to(ROOT))] = wrong
    assert found == ALLOWED


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import yaml\nyaml.unsafe_load(text)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "np.save(path, array)",
        "onnx.load(path)",
        "eval(text)",
        "exec(text)",
        "import os\nos.system('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "zipfile.ZipFile(path).extractall(folder)",
        "Module.load_from_checkpoint(path)",
        "torch.jit.load(path)",
        "options.register_custom_ops_library(path)",
        "from torch import hub",
    ],
)
def test_code_that_executes_input_is_found(line):
    assert offences(line)


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path, weights_only=True)",
        "yaml.safe_load(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "network.eval()",
        "re.compile(text)",
        "subprocess.run(['ls'], check=True)",
    ],
)
def test_harmless_code_is_not_reported(line):
    assert offences(line) == []
