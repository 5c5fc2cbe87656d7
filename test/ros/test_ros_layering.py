"""What nodes share imports from no node, and nodes import only from it and from the core."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "opendr_har_ros"
MODULE = re.compile(r"opendr_har_ros(\.\w+)+")
NODES = {"people", "recognizer", "trainer", "video_publisher", "web"}
# Programs that are no nodes of their own, and may use `common` only; `entry` imports the nodes by name.
PROGRAMS = {"doctor", "demo", "live_topic", "entry"}
# The trainer's subprocess loads nothing of ROS, also not by the modules that it imports.
WITHOUT_ROS = ("trainer/training_main.py", "trainer/training_process.py", "common/log.py")
WITHOUT_ROS += ("common/process.py", "common/statistics.py", "video_publisher/playback.py", "common/worker.py")
WITHOUT_ROS += ("people/matching.py",)


def imports(path):
    """Modules that a file imports, also inside functions and by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Constant) and MODULE.fullmatch(str(node.value)):
            yield node.value


def part_of(name):
    """The folder or module below opendr_har_ros, or None for another package."""
    return name.split(".")[1] if name.startswith("opendr_har_ros.") else None


def test_every_module_has_its_place():
    assert {path.stem for path in PACKAGE.iterdir() if path.name[0] not in "_." and path.suffix != ".typed"} == {
        *NODES,
        *PROGRAMS,
        "common",
        "data",
    }


def test_modules_import_from_their_own_folder_and_from_common():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].replace(".py", "")
        wrong += [
            f"{path.relative_to(ROOT)} imports {name}"
            for name in imports(path)
            if part_of(name) not in (None, "common", part)
        ]
    assert wrong == []


def test_modules_without_ros_import_nothing_of_it():
    wrong = []
    for name in WITHOUT_ROS:
        loaded = {name.split(".")[0] for name in imports(PACKAGE / name)}
        wrong += [f"{name} imports {module}" for module in loaded if module == "rclpy" or module.endswith("_msgs")]
    assert wrong == []
