"""The ROS 2 section of `opendr-har doctor`: what is installed, and whether image topics connect."""

from __future__ import annotations

import os
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, List, Optional, Tuple

import rclpy
from rclpy.executors import SingleThreadedExecutor

from opendr_har_core.doctor.checks import Fact, Finding, Section
from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE_VARIABLE
from opendr_har_ros.doctor.topics import Listener, topic_report

TITLE = "ROS 2"
NODE = "opendr_har_doctor"
# Discovery takes about 0.2 s, at times 3 s: the time to wait at least, and while no other node is visible.
DISCOVERY_SEC, ALONE_SEC = 1.5, 4.0
CHECK_EVERY_SEC = 0.25
# Listen at most this many times `seconds`, even if new topics keep appearing.
MAX_EXTENSION = 3
VARIABLES = ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_DISCOVERY_SERVER")


def examine(seconds: float, needed_hz: Optional[float]) -> Section:
    """Listen to the image topics for `seconds`; `needed_hz` is the camera rate that the model needs."""
    facts, findings = _installed()
    try:
        topics, topic_findings = _topics(seconds, needed_hz)
    except Exception as error:  # each middleware fails with exceptions of its own
        do = "check RMW_IMPLEMENTATION and that its package is installed, then the middleware's own settings"
        return Section(TITLE, tuple(facts), (*findings, Finding(f"can't start a node: {error}", do)))
    return Section(TITLE, (*facts, *topics), (*findings, *topic_findings))


def _installed() -> Tuple[List[Fact], List[Finding]]:
    facts = [
        ("ROS_DISTRO", os.environ.get("ROS_DISTRO") or "not set (ROS 2 is not sourced)"),
        ("rclpy", _version("rclpy")),
        ("middleware", _middleware()),
        ("large images profile", profile() or "not set in this shell; the nodes of this package set their own"),
    ]
    facts += [(name, os.environ[name]) for name in VARIABLES if os.environ.get(name)]
    try:
        messages = import_module("opendr_har_ros.common.vision_messages")
    except Exception as error:  # ConfigError, or a linker error if it was built for another distribution
        facts.append(("vision_msgs", "missing"))
        return facts, [Finding(str(error), "sudo apt install ros-$ROS_DISTRO-vision-msgs")]
    fields = ", ".join(messages.ObjectHypothesis.get_fields_and_field_types())
    facts.append(("vision_msgs", f"{_version('vision_msgs')}: ObjectHypothesis of {fields}"))
    missing = import_module("opendr_har_ros.common.har_messages").MISSING
    facts.append(("opendr_har_msgs", missing or _version("opendr_har_msgs")))
    return facts, []


def profile() -> str:
    """The path of the Fast DDS profile in the environment, or ""."""
    return os.environ.get(PROFILE_VARIABLE) or os.environ.get(OLD_PROFILE_VARIABLE) or ""


def _middleware() -> str:
    try:
        return str(rclpy.get_rmw_implementation_identifier())
    except Exception as error:  # its library can't be loaded
        return f"can't be loaded: {error}"


def _version(package: str) -> str:
    """The version of a ROS package: from its wheel, or from its manifest if apt or colcon installed it."""
    for name in (f"ros-{package.replace('_', '-')}", package, f"opendr-har-{package.replace('_', '-')}"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    try:
        share = import_module("ament_index_python.packages").get_package_share_directory(package)
        text = (Path(share) / "package.xml").read_text(encoding="utf-8")
        return text.split("<version>")[1].split("</version>")[0].strip()
    except Exception:  # no index, package or manifest
        return "version unknown"


def _topics(seconds: float, needed_hz: Optional[float]) -> Tuple[Tuple[Fact, ...], Tuple[Finding, ...]]:
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    executor = SingleThreadedExecutor(context=context)
    node = rclpy.create_node(NODE, context=context)
    try:
        executor.add_node(node)
        _discover(node, executor)
        listener = Listener(node, seconds)
        end = time.monotonic() + MAX_EXTENSION * seconds
        while not listener.is_done and time.monotonic() < end:
            _spin(executor, CHECK_EVERY_SEC)
            listener.subscribe_to_new_topics()
        return topic_report(node, listener, needed_hz, bool(profile()))
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def _discover(node: Any, executor: Any) -> None:
    start = time.monotonic()
    while True:
        _spin(executor, CHECK_EVERY_SEC)
        is_alone = set(node.get_node_names()) <= {NODE}
        if time.monotonic() - start > (ALONE_SEC if is_alone else DISCOVERY_SEC):
            return


def _spin(executor: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
