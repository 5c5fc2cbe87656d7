"""`colcon build` of the files that git tracks: everything is installed where ROS looks for it, and runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
if shutil.which("git") is None:
    pytest.skip("the project's files are those that git tracks, and git is not installed", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "opendr_har_ros"
LONG_SEC = 60.0


def colcon():
    """The colcon of this Python's environment, or the system's."""
    beside = Path(sys.executable).with_name("colcon")
    found = str(beside) if beside.exists() else shutil.which("colcon")
    return found or pytest.skip("colcon is not installed")


def run(command, cwd, env=None):
    env = {**(env or os.environ), "PYTHONDONTWRITEBYTECODE": ""}  # setuptools warns if it is set
    done = subprocess.run(command, check=False, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked_files():
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except subprocess.CalledProcessError:
        pytest.skip("not a git checkout")
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


# ROS 2's wheels have CMake targets with folders of the machine that built them.
HOOK = """
function(drop_missing_folders)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(folders)
      list(FILTER folders EXCLUDE REGEX "^/opt/python/")
      set_property(TARGET ${target} PROPERTY INTERFACE_INCLUDE_DIRECTORIES ${folders})
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL drop_missing_folders)
"""


def build_environment():
    """Where CMake finds ROS 2: in this Python's environment if its wheels are there, and where the shell's is."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([bin_folder, os.environ["PATH"]])}
    for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        environment[name] = os.pathsep.join(filter(None, [os.environ.get(name), sys.prefix]))
    return environment


HAS_AMENT_CMAKE = any(
    Path(folder, "share", "ament_cmake").is_dir()
    for folder in build_environment()["AMENT_PREFIX_PATH"].split(os.pathsep)
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with our package built in it."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in tracked_files():
        target = folder / "src" / PACKAGE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    bases = [f"--{kind}-base={folder / kind}" for kind in ("build", "install")]
    log = ["--log-base", str(folder / "log")]
    output = run([colcon(), *log, "build", *bases], folder)
    assert "stderr" not in output  # colcon reports every warning there
    return folder


@pytest.fixture(scope="module")
def prefix(workspace):
    return workspace / "install" / PACKAGE


@pytest.fixture(scope="module")
def sourced(workspace):
    """The environment after `. install/setup.bash`."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = f'. "{workspace}/install/setup.bash" && env -0'
    out = subprocess.run(["bash", "-c", script], env=plain, capture_output=True, check=True).stdout
    environment = dict(line.split("=", 1) for line in out.decode().split("\0") if "=" in line)
    # The executables run the first Python on the PATH, which is this one in an activated environment.
    return {**environment, "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])}


def test_colcon_sees_our_packages_and_not_the_substitute_for_vision_msgs(workspace):
    folders = ["src", f"src/{PACKAGE}/interfaces"]
    listed = run([colcon(), "--log-base", os.devnull, "list", "--base-paths", *folders], workspace)
    assert re.findall(r"^(\S+)\t(\S+)\t\((.*)\)$", listed, re.MULTILINE) == [
        ("opendr_har_msgs", f"src/{PACKAGE}/interfaces/opendr_har_msgs", "ros.ament_cmake"),
        (PACKAGE, f"src/{PACKAGE}", "ros.ament_python"),
    ]


@pytest.fixture(scope="module")
def interfaces(workspace):
    """Build opendr_har_msgs in the workspace, too."""
    if not HAS_AMENT_CMAKE:
        pytest.skip("ament_cmake is not installed")
    hook = workspace / "hook.cmake"
    hook.write_text(HOOK)
    folder = f"src/{PACKAGE}/interfaces"
    arguments = ["--cmake-args", f"-DCMAKE_PROJECT_INCLUDE={hook}", "-DBUILD_TESTING=OFF"]
    run([colcon(), "--log-base", "log", "build", "--base-paths", folder, *arguments], workspace, build_environment())


MESSAGES = """
import opendr_har_msgs, rclpy
from opendr_har_msgs.msg import ActivityEvent
rclpy.init()
node = rclpy.create_node("test_colcon")
received = []
node.create_subscription(ActivityEvent, "events", received.append, 10)
publisher = node.create_publisher(ActivityEvent, "events", 10)
while not received:
    publisher.publish(ActivityEvent(class_id="waving"))
    rclpy.spin_once(node, timeout_sec=0.1)
print(received[0].class_id, opendr_har_msgs.__file__)
"""


def test_messages_that_colcon_built_travel_over_dds(interfaces, sourced, workspace, domain):
    environment = {**sourced, "ROS_DOMAIN_ID": str(domain)}
    label, file = run([sys.executable, "-c", MESSAGES], workspace, environment).split()[-2:]
    assert label == "waving"
    assert file.startswith(str(workspace / "install" / "opendr_har_msgs"))


@pytest.mark.parametrize("name", ["recognizer", "people", "trainer", "video_publisher", "web", "demo"])
def test_executables_are_where_ros2_run_looks(prefix, name):
    path = prefix / "lib" / PACKAGE / name
    assert os.access(path, os.X_OK)


def test_the_command_is_where_ros2_run_looks_and_runs_in_the_active_environment(prefix, sourced, tmp_path):
    command = prefix / "lib" / PACKAGE / "opendr-har"
    assert command.read_text().startswith("#!/usr/bin/env python3\n")
    assert run([str(command), "--version"], tmp_path, sourced).startswith("opendr-har ")


def test_everything_else_is_in_the_packages_share(prefix):
    share = prefix / "share" / PACKAGE
    for folder in ("launch", "config"):
        expected = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
        assert expected <= {path.name for path in (share / folder).iterdir()}
        assert expected
    assert (share / "config" / "fastdds_large_images.xml").is_file()
    assert (share / "package.xml").read_text() == (ROOT / "package.xml").read_text()
    assert (prefix / "share" / "ament_index" / "resource_index" / "packages" / PACKAGE).is_file()


def test_ament_finds_the_package(workspace, sourced):
    code = f"from ament_index_python import get_package_share_directory as share; print(share({PACKAGE!r}))"
    assert run([sys.executable, "-c", code], workspace, sourced).strip() == str(
        workspace / "install" / PACKAGE / "share" / PACKAGE
    )


@pytest.fixture
def installed(prefix, sourced, domain, tmp_path):
    """installed("recognizer", argument, ...) -> the process and its log, run as `ros2 run` would."""
    started = []

    def start(executable, *arguments):
        log = tmp_path / f"{executable}.log"
        environment = {**sourced, "ROS_DOMAIN_ID": str(domain)}
        command = [str(prefix / "lib" / PACKAGE / executable), *arguments]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        started.append(process)
        return process, log

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def said(process, log, text):
    end = time.monotonic() + LONG_SEC
    while text not in log.read_text() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    return text in log.read_text()


def test_the_installed_recognizer_starts_and_ends_on_ctrl_c(installed):
    process, log = installed("recognizer")
    assert said(process, log, "x3d_xs with 9 classes on CPUExecutionProvider"), log.read_text()
    process.send_signal(signal.SIGINT)
    assert process.wait(LONG_SEC) == 0
    assert "Traceback" not in log.read_text()


def test_a_parameter_file_applies_in_any_namespace(installed, tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("/**:\n  ros__parameters:\n    model: /nowhere/mine.onnx\n")
    process, log = installed("recognizer", "--ros-args", "-r", "__ns:=/robot/head", "--params-file", str(config))
    assert said(process, log, "there is no model '/nowhere/mine.onnx'"), log.read_text()


def test_the_installed_code_is_used_and_not_the_sources(prefix, workspace, sourced, tmp_path):
    code = f"import {PACKAGE}, opendr_har_core; print({PACKAGE}.__file__); print(opendr_har_core.__file__)"
    for line in run([sys.executable, "-c", code], tmp_path, sourced).split():
        assert line.startswith(str(prefix)), line
