"""Imports run downward only, and running a bundle loads neither PyTorch nor ROS."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from graphlib import TopologicalSorter

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "opendr_har_core"

# From the top down; a module may import from its own folder and from those below.
LAYERS = (
    "cli",
    "doctor",
    "benchmarking",
    "learners",
    "training",
    "datasets",
    "live",
    "recordings",
    "teaching",
    "people",
    "streaming",
    "backends",
    "bundles",
    "networks",
    "synthetic",
    "media",
    "prediction labels frame spec settings",
    "storage",
    "errors",
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts.split()}
# Modules that name ROS packages in order to find them.
NAMES_ROS = {"doctor/checks.py", "cli/live.py"}
HEAVY = {"torch", "onnx", "lightning", "rclpy"}
MAY_BE_HEAVY = {
    "backends/torch.py",
    "backends/tuning.py",
    "bundles/export.py",
    "bundles/graphs",
    "bundles/quantization.py",
    "datasets",
    "learners",
    "networks",
    "training",
}


@lru_cache(maxsize=1)
def modules():
    paths = [path for path in sorted(CORE.rglob("*.py")) if path.name != "__init__.py"]
    return [(path.relative_to(CORE), ast.parse(path.read_text())) for path in paths]


def part_of(relative):
    return relative.parts[0].replace(".py", "")


def imported(tree, top_level_only=False):
    """Names of imported modules, also those named in a string."""
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}.{node.names[0].name}" if node.module == "opendr_har_core" else node.module or ""
        elif isinstance(node, ast.Constant) and re.fullmatch(r"opendr_har_(core|ros)(\.\w+)+", str(node.value)):
            yield node.value


def test_every_module_of_the_core_has_a_layer():
    assert {part_of(relative) for relative, _ in modules()} == set(RANK)


def test_imports_run_downward_only():
    upward = [
        f"{relative} imports {name}"
        for relative, tree in modules()
        for name in imported(tree)
        if name.startswith("opendr_har_core.") and RANK.get(name.split(".")[1], 99) < RANK[part_of(relative)]
    ]
    assert upward == []


def test_modules_of_a_folder_do_not_import_each_other_in_a_circle():
    imports = {
        ".".join(("opendr_har_core", *relative.with_suffix("").parts)): set(imported(tree))
        for relative, tree in modules()
    }
    TopologicalSorter({name: names & set(imports) for name, names in imports.items()}).prepare()


def test_the_core_knows_nothing_of_ros():
    ros = ("rclpy", "opendr_har_ros", "sensor_msgs", "vision_msgs", "std_msgs")
    found = [
        f"{path}: {name}"
        for path, tree in modules()
        for name in imported(tree)
        if name.startswith(ros) and str(path) not in NAMES_ROS
    ]
    assert found == []


def test_only_networks_export_and_training_import_torch_or_onnx_at_their_top():
    found = [
        f"{path}: {name}"
        for path, tree in modules()
        if not any(str(path).startswith(part) for part in MAY_BE_HEAVY)
        for name in imported(tree, top_level_only=True)
        if name.split(".")[0] in HEAVY
    ]
    assert found == []


def test_product_code_has_no_asserts_prints_or_bare_excepts():
    found = []
    for package in ("opendr_har_core", "opendr_har_ros", "launch"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                is_print = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
                is_bare = isinstance(node, ast.ExceptHandler) and node.type is None
                if isinstance(node, ast.Assert) or is_print or is_bare:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


OPEN_AND_STEP = """
import json, re, sys
import opendr_har_core
from opendr_har_core import Recognizer
from opendr_har_core.synthetic.scene import render_clip
recognizer = Recognizer.open(sys.argv[1])
stream = recognizer.stream()
labels = [p.label for p in map(stream.push, render_clip("walking", 2.0)) if p]
print(json.dumps({
    "labels": labels,
    "heavy": sorted({"torch", "onnx", "rclpy", "lightning"} & set(sys.modules)),
    "peak_rss_mb": int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024,
}))
"""


def report_of(code, *arguments, folder=ROOT, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    env.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=env, cwd=folder, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_running_a_bundle_imports_no_torch_and_writes_no_files(tmp_path, record_property):
    """ONNX Runtime's telemetry would write a database and an identifier to the home folder."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    report = report_of(OPEN_AND_STEP, "default", folder=work, HOME=str(home), XDG_CACHE_HOME=str(home), CI="")
    record_property("peak_rss_mb", report["peak_rss_mb"])
    assert report["labels"][-1] == "walking"
    assert report["heavy"] == []
    assert [str(path) for folder in (home, work) for path in folder.rglob("*") if path.is_file()] == []


STEP = """
import json, re, sys
import numpy as np
from opendr_har_core import Frame, Recognizer
recognizer = Recognizer.open(sys.argv[1], threads=2)
stream = recognizer.stream()
image = np.full((recognizer.spec.image_size,) * 2 + (3,), 99, np.uint8)
for index in range(50):
    stream.push(Frame(image, index * recognizer.spec.period_ns))
print(json.dumps({
    "heavy": sorted({"torch", "onnx", "rclpy", "lightning"} & set(sys.modules)),
    "peak_rss_mb": int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024 / 1e6,
}))
"""


@pytest.mark.parametrize(("lookahead", "most_mb"), [("full", 150), ("none", 130)])
def test_a_real_stream_model_runs_without_torch_and_in_little_memory(lookahead, most_mb, real_bundle, record_property):
    report = report_of(STEP, str(real_bundle("cox3d", "s", lookahead=lookahead)))
    record_property("peak_rss_mb", report["peak_rss_mb"])
    assert report["heavy"] == []
    assert report["peak_rss_mb"] <= most_mb


def test_the_nodes_import_no_torch():
    pytest.importorskip("rclpy")
    code = """
import json, sys
import opendr_har_ros.recognizer.node, opendr_har_ros.video_publisher.node, opendr_har_ros.trainer.node
import opendr_har_ros.people.node
import opendr_har_ros.common.running, opendr_har_ros.entry
print(json.dumps(sorted({"torch", "onnx", "lightning"} & set(sys.modules))))
"""
    assert report_of(code) == []


def test_importing_the_package_loads_nothing_heavier_than_python_itself():
    code = "import json, sys, opendr_har_core; print(json.dumps(sorted(sys.modules)))"
    assert {"numpy", "cv2", "onnxruntime", "av"} & set(report_of(code)) == set()
