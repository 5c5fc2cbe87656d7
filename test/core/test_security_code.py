"""The code executes nothing that it reads."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("opendr_har_core", "opendr_har_ros", "launch", "interfaces")
MODULES = {"pickle", "cPickle", "_pickle", "dill", "joblib", "marshal", "shelve", "cloudpickle", "torch.hub"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.jit.load"}
CALLS |= {f"subprocess.{name}" for name in ("getoutput", "getstatusoutput")}
CALLS |= {f"yaml.{name}" for name in ("load", "load_all", "unsafe_load", "unsafe_load_all", "full_load")}
METHODS = {"extractall", "extract", "unpack_archive", "register_custom_ops_library", "load_from_checkpoint"}
# Arguments that a call must have, and those that it must not have otherwise.
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.save": ("allow_pickle", False),
    "np.savez": ("allow_pickle", False),
    "onnx.load": ("load_external_data", False),
}
ONLY = {"shell": False, "allow_pickle": False}
ALLOWED = {
    # Checks every name and size before it extracts.
    "opendr_har_core/datasets/kinetics.py": ["calls file.extractall"],
    # Writes numbers only; savez takes no allow_pickle before NumPy 2.1.
    "opendr_har_core/teaching/lessons.py": ["calls np.savez"],
}


def offences(source, name="<code>"):
    """Forbidden imports and calls in a module's source."""
    found = []
    for node in ast.walk(ast.parse(source, name)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            modules = (
                [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            )
        found += [f"imports {module}" for module in modules if {module, module.split(".")[0]} & MODULES]
        if isinstance(node, ast.Call):
            found += [f"calls {ast.unparse(node.func)}"] * is_wrong(node)
    return found


def is_wrong(call):
    name = ast.unparse(call.func)
    given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    argument, value = NEEDED.get(name, (None, None))
    return (
        name in CALLS
        or name.rpartition(".")[2] in METHODS
        or (argument is not None and given.get(argument) is not value)
        or any(given[argument] is not value for argument, value in ONLY.items() if argument in given)
    )


def test_the_product_executes_nothing_that_it_reads():
    files = sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): offences(path.read_text(encoding="utf-8"), str(path)) for path in files}
    assert {name: wrong for name, wrong in found.items() if wrong} == ALLOWED


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        *[(line, True) for line in ("import pickle", "from joblib import load", "from torch import hub", "eval(text)")],
        *[(f"torch.load(path{more})", more != ", weights_only=True") for more in ("", ", weights_only=True")],
        ("yaml.load(text, Loader=yaml.SafeLoader)", True),
        ("yaml.safe_load(text)", False),
        ("np.load(path, allow_pickle=flag)", True),
        ("np.load(path)", False),
        ("np.save(path, array)", True),
        ("onnx.load(path)", True),
        ("subprocess.run('ls', shell=True)", True),
        ("subprocess.run(['ls'], check=True)", False),
        ("zipfile.ZipFile(path).extractall(folder)", True),
        ("network.eval()", False),
    ],
)
def test_code_that_executes_input_is_found(line, is_found):
    assert bool(offences(line)) == is_found
