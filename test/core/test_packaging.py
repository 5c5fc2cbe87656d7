"""The sdist and the wheel are complete and run in an empty environment."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import opendr_har_core
from opendr_har_core.streaming.recognizer import packaged_models
from opendr_har_core.synthetic.actions import ACTIONS

ROOT = Path(__file__).resolve().parents[2]
NAME = "opendr_har_ros"
PACKAGES = ("opendr_har_core", "opendr_har_ros")
MODELS = packaged_models()
MIB = 1 << 20
MODEL_LIMIT_BYTES, WHEEL_LIMIT_BYTES = 8_000_000, 22_000_000
# Part of every environment; not counted.
INSTALLERS = ("pip", "setuptools", "wheel")
# Not needed to run a bundle.
HEAVY = {"torch", "onnx", "lightning", "rclpy"}


def run(*command, cwd=None):
    done = subprocess.run([str(part) for part in command], check=False, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked_files():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the project's files are those that git tracks, and this is no git checkout")
    listed = run("git", "ls-files", "-z", cwd=ROOT)
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def size(folder):
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.fixture(scope="module")
def files():
    return tracked_files()


@pytest.fixture(scope="module")
def needed(files):
    """Files of the packages, which both archives must have."""
    return {name for name in files if name.split("/")[0] in PACKAGES}


@pytest.fixture(scope="module")
def pip(tmp_path_factory):
    """The pip of an environment with nothing else in it."""
    folder = tmp_path_factory.mktemp("empty")
    try:
        run(sys.executable, "-m", "venv", folder)
    except AssertionError as error:
        pytest.skip(f"this Python can't make environments: {error}")
    return [folder / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def dist(files, pip, tmp_path_factory):
    """The sdist of the files that git tracks, and the wheel built from the sdist alone."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    for name in files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    code = "from setuptools.build_meta import build_sdist; build_sdist('..')"
    run(*pip, "install", "setuptools>=61", "wheel")
    run(pip[0], "-c", code, cwd=source)
    (sdist,) = folder.glob("*.tar.gz")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, sdist)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(dist, pip):
    """`bin` folder of an environment with the wheel and its dependencies."""
    constraints = ROOT / ".ci" / "constraints.txt"
    run(*pip, "install", "--constraint", constraints, dist[1])
    return pip[0].parent


@pytest.mark.slow
def test_the_sdist_has_all_that_a_build_and_ros_need(dist, needed, files):
    with tarfile.open(dist[0]) as archive:
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    shared = {name for name in files if name.split("/")[0] in ("launch", "config", "resource", "scripts")}
    top = {
        "CHANGELOG.rst",
        "LICENSE",
        "MANIFEST.in",
        "NOTICE",
        "README.md",
        "package.xml",
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
    }
    expected = needed | shared | top
    made = {name for name in names if name == "PKG-INFO" or name.startswith(f"{NAME}.egg-info/")}
    assert names - made == expected


@pytest.mark.slow
def test_the_wheel_has_all_of_the_packages_and_nothing_else(dist, needed, files):
    with zipfile.ZipFile(dist[1]) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert {name for name in names if name.split("/")[0] in PACKAGES} == needed
    assert {name.split("/")[0].split("-")[0] for name in names} == {*PACKAGES}
    data = {name.split(".data/data/", 1)[1] for name in names if ".data/data/" in name}
    share = f"share/{NAME}"
    expected = {f"{share}/{name}" for name in files if name.split("/")[0] in ("launch", "config")}
    expected |= {f"{share}/package.xml", f"{share}/config/fastdds_large_images.xml"}
    expected |= {f"lib/{NAME}/{Path(name).name}" for name in files if name.startswith("scripts/")}
    assert data == expected | {f"share/ament_index/resource_index/packages/{NAME}"}


@pytest.mark.slow
def test_the_metadata_says_what_is_needed_and_since_when(dist):
    with zipfile.ZipFile(dist[1]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Version"] == opendr_har_core.__version__
    assert (metadata.get("License-Expression") or metadata["License"]) == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.8"
    needs = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {re.split(r"[<>=]", line)[0] for line in needs} == {"numpy", "onnxruntime", "opencv-python-headless", "av"}
    assert all(">=" in line and "<" in line for line in needs), needs


@pytest.mark.slow
def test_the_lock_is_within_the_bounds(dist):
    requirements = pytest.importorskip("packaging.requirements")
    lines = (ROOT / ".ci" / "constraints.txt").read_text()
    locked = re.findall(r"^([\w.-]+)==(\S+)", lines, re.MULTILINE)  # a package once for each Python
    with zipfile.ZipFile(dist[1]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    needs = [requirements.Requirement(line) for line in metadata.get_all("Requires-Dist")]
    found = [(need, version) for need in needs for name, version in locked if name == need.name]
    assert [f"{need} is {version}" for need, version in found if not need.specifier.contains(version)] == []
    assert {"numpy", "onnxruntime", "torch"} <= {need.name for need, _ in found}


def test_the_page_of_licences_is_of_the_lock():
    lines = (ROOT / ".ci" / "constraints.txt").read_text()
    found = re.findall(r'^([\w.-]+)==(\S+) ; python_version == "3.11"', lines, re.MULTILINE)
    locked = {name.lower(): version for name, version in found}
    page = (ROOT / "docs" / "licences.md").read_text()
    rows = re.findall(r"^\| ([\w.-]+) \| (\d[^ |]*) \|", page, re.MULTILINE)
    assert {re.sub(r"[-_.]+", "-", name).lower(): version.split("+")[0] for name, version in rows} == locked


@pytest.mark.slow
def test_the_wheel_has_the_packaged_models_and_what_is_said_of_their_authors_and_is_small(dist, record_property):
    with zipfile.ZipFile(dist[1]) as archive:
        sizes = {name: archive.getinfo(f"opendr_har_core/models/{name}.onnx").file_size for name in MODELS}
        licences = {
            name.split("/")[-1]: archive.read(name).decode() for name in archive.namelist() if "dist-info" in name
        }
    for kind, path in zip(("sdist", "wheel"), dist):
        record_property(f"{kind}_mib", round(path.stat().st_size / MIB, 2))
        assert path.stat().st_size <= WHEEL_LIMIT_BYTES
    for name, size_bytes in sizes.items():
        record_property(f"{name}_model_mib", round(size_bytes / MIB, 2))
        assert size_bytes <= MODEL_LIMIT_BYTES
        assert f"models/{name}.onnx" in licences["NOTICE"]
    assert "people/person_detector.onnx" in licences["NOTICE"]
    assert "Apache License" in licences["LICENSE"]


@pytest.mark.slow
def test_the_wheel_labels_a_clip_in_an_environment_with_nothing_else(installed, tmp_path, record_property):
    command = installed / "opendr-har"
    run(command, "synth", "clips", "--clips", "1", "--seconds", "3", "--actions", ACTIONS[0], cwd=tmp_path)
    (clip,) = (tmp_path / "clips").rglob("*.mp4")
    for model in MODELS:
        out = run(command, "infer", clip, "--model", model, "--json", "--quiet", cwd=tmp_path)
        known = opendr_har_core.Recognizer.open(model).labels.names
        assert any(json.dumps(label) in out.splitlines()[-1] for label in known), out
    installers = sum(size(folder) for name in INSTALLERS for folder in installed.parent.glob(f"lib/*/*/{name}"))
    record_property("inference_only_installation_mib", round((size(installed.parent / "lib") - installers) / MIB))


@pytest.mark.slow
def test_importing_the_library_there_loads_no_torch_and_no_ros(installed, tmp_path):
    code = "import opendr_har_core, sys; opendr_har_core.Recognizer.open('default'); print(*sys.modules)"
    loaded = {name.split(".")[0] for name in run(installed / "python", "-c", code, cwd=tmp_path).split()}
    assert "opendr_har_core" in loaded
    assert not loaded & HEAVY
    listed = json.loads(run(installed / "python", "-m", "pip", "list", "--format", "json"))
    assert not {package["name"] for package in listed} & HEAVY
