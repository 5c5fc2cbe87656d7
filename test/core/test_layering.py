"""Imports run downward only, and what runs a bundle on a robot loads neither PyTorch nor ROS."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "opendr_har_core"

# From the bottom up; a module may import from its own layer and those before.
LAYERS = (
    {"errors"},
    {"allocator", "atomic", "files", "spec", "labels", "frame", "types", "image_size", "pictures"},
    {"prediction", "download", "synth", "energy"},
    {
        "sampling",
        "preprocess",
        "clip",
        "postprocess",
        "events",
        "annotate",
        "bundle",
        "video",
        "containers",
        "orientation",
        "encodings",
    },
    {"networks"},
    {"graphs"},
    {"backends"},
    {"export", "memory", "tuning", "model_folder"},
    {"stream"},
    {"recognizer", "labelling"},
    {"offline", "benchmarking", "quantization", "bags"},
    {"video_labels"},
    {"datasets", "doctor"},
    {"training"},
    {"learners"},
    {"live"},
    {"cli"},
)
# Names for type checkers only, of objects that know each other: a stream and the recognizer that made it.
KNOWN_EACH_OTHER = {("stream", "recognizer")}
HEAVY = {"torch", "onnx", "lightning", "rclpy"}
MAY_BE_HEAVY = {
    "datasets",
    "learners",
    "model_folder.py",
    "networks",
    "export",
    "training",
    "graphs",
    "tuning",
    "quantization",
    "backends/torch.py",
    "benchmarking/torch_runners.py",
}


def modules():
    for path in sorted(CORE.rglob("*.py")):
        relative = path.relative_to(CORE)
        yield relative, ast.parse(path.read_text())


def part_of(relative):
    return relative.parts[0].replace(".py", "")


def imported(tree, top_level_only=False):
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def layer(part):
    return next(index for index, layer in enumerate(LAYERS) if part in layer)


def test_every_module_of_the_core_has_a_layer():
    parts = {part_of(relative) for relative, _ in modules()} - {"__init__"}
    assert parts == set().union(*LAYERS)


def test_imports_run_downward_only():
    upward = []
    for relative, tree in modules():
        part = part_of(relative)
        if part == "__init__":
            continue
        for name in imported(tree):
            target = name.split(".")[1] if name.startswith("opendr_har_core.") else None
            if target and (part, target) not in KNOWN_EACH_OTHER and layer(target) > layer(part):
                upward.append(f"{relative} imports {name}")
    assert upward == []


def test_the_core_knows_nothing_of_ros():
    ros = ("rclpy", "opendr_har_ros", "sensor_msgs", "vision_msgs", "std_msgs")
    found = [f"{path}: {name}" for path, tree in modules() for name in imported(tree) if name.startswith(ros)]
    assert found == []


def test_only_networks_export_and_training_import_torch_or_onnx_at_their_top():
    found = [
        f"{path}: {name}"
        for path, tree in modules()
        if part_of(path) not in MAY_BE_HEAVY and str(path) not in MAY_BE_HEAVY
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
from opendr_har_core.synth.scene import render_clip
recognizer = Recognizer.open(sys.argv[1])
stream = recognizer.stream()
labels = [p.label for p in map(stream.push, render_clip("walking", 2.0)) if p]
print(json.dumps({
    "labels": labels,
    "heavy": sorted({"torch", "onnx", "rclpy", "lightning"} & set(sys.modules)),
    "peak_rss_mb": int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024,
}))
"""


def report_of(code, *arguments, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=env, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_opening_and_running_a_bundle_imports_no_torch(record_property):
    report = report_of(OPEN_AND_STEP, "default")
    record_property("peak_rss_mb", report["peak_rss_mb"])
    assert report["labels"][-1] == "walking"
    assert report["heavy"] == []


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
import opendr_har_ros.recognizer_node, opendr_har_ros.video_publisher_node, opendr_har_ros.trainer_node
import opendr_har_ros.run, opendr_har_ros.entry
print(json.dumps(sorted({"torch", "onnx", "lightning"} & set(sys.modules))))
"""
    assert report_of(code) == []


def test_nothing_is_written_at_home_or_in_the_working_directory(tmp_path):
    """ONNX Runtime's telemetry would leave a database and an identifier there."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    for name in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY", "CI"):
        env.pop(name, None)
    subprocess.run([sys.executable, "-c", OPEN_AND_STEP, "default"], cwd=work, env=env, check=True, capture_output=True)
    assert [str(path) for folder in (home, work) for path in folder.rglob("*") if path.is_file()] == []


def test_importing_the_package_loads_nothing_heavier_than_python_itself():
    code = "import json, sys, opendr_har_core; print(json.dumps(sorted(sys.modules)))"
    assert {"numpy", "cv2", "onnxruntime", "av"} & set(report_of(code)) == set()
