"""package.xml lists exactly the packages that the code imports; all files have the same version."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OURS = {"opendr_har_core", "opendr_har_ros", *(path.stem for path in (ROOT / "test" / "ros").glob("*.py"))}
ROSDEP_KEYS = {"numpy": "python3-numpy", "cv2": "python3-opencv", "yaml": "python3-yaml", "pytest": "python3-pytest"}
ROSDEP_KEYS |= {"psutil": "python3-psutil", "aiohttp": "python3-aiohttp", "onnxruntime": "python3-onnxruntime-pip"}
# From pip, as package.xml says; the others only where they are installed.
NOT_FROM_ROSDEP = {"av", "bondpy", "cv_bridge"}
# Served where it is built.
NOT_FROM_ROSDEP |= {"opendr_har_msgs"}
# Only to export and train, which no robot does: setup.py's extras.
NOT_FROM_ROSDEP |= {"torch", "onnx", "google", "lightning", "torchmetrics", "matplotlib", "yaml", "rosbags"}
# Only to label thousands of recordings.
NOT_FROM_ROSDEP |= {"pyarrow", "fsspec", "ray"}
# What only makes things nicer: completion, bars.
NOT_FROM_ROSDEP |= {"argcomplete", "rich"}


def imported(folder):
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module)
    return {name.split(".")[0] for name in found} - set(sys.stdlib_module_names) - OURS


def keys(names):
    return {ROSDEP_KEYS.get(name, name) for name in names - NOT_FROM_ROSDEP}


@pytest.fixture(scope="module")
def manifest():
    return pytest.importorskip("catkin_pkg.package").parse_package(str(ROOT / "package.xml"))


def test_the_manifest_is_valid(manifest):
    manifest.validate()
    assert manifest.package_format == 3
    assert manifest.get_build_type() == "ament_python"
    assert manifest.licenses == ["Apache-2.0"]


def test_exec_depends_are_what_the_code_imports(manifest):
    needed = keys(imported(ROOT / "opendr_har_core") | imported(ROOT / "opendr_har_ros") | imported(ROOT / "launch"))
    assert {depend.name for depend in manifest.exec_depends} == needed


def test_the_tests_imports_are_declared(manifest):
    declared = {depend.name for depend in manifest.exec_depends + manifest.test_depends}
    assert keys(imported(ROOT / "test" / "ros")) - {"catkin_pkg", "action_msgs", "builtin_interfaces"} <= declared


def test_all_versions_are_the_same(manifest):
    (version,) = re.findall(r'^    version="(.*)",$', (ROOT / "setup.py").read_text(), re.MULTILINE)
    assert manifest.version == version
    interfaces = (ROOT / "interfaces" / "opendr_har_msgs" / "package.xml").read_text()
    assert f"<version>{version}</version>" in interfaces
    (library,) = re.findall(r'^__version__ = "(.*)"$', (ROOT / "opendr_har_core/__init__.py").read_text(), re.MULTILINE)
    assert library == version


def test_description_maintainer_and_licence_are_set(manifest):
    assert manifest.description
    assert all(maintainer.email for maintainer in manifest.maintainers)
    assert (ROOT / manifest.licenses[0].file if manifest.licenses[0].file else ROOT / "LICENSE").is_file()


def test_ros_tools_can_read_the_changelog():
    changelog = pytest.importorskip("catkin_pkg.changelog")
    read = changelog.get_changelog_from_path(str(ROOT / "CHANGELOG.rst"), "opendr_har_ros")
    assert read.rst
    generator = pytest.importorskip("catkin_pkg.package_version")
    assert generator.get_forthcoming_label(read.rst) == "Forthcoming"
