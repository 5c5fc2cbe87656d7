"""What `opendr-har doctor` says of ROS 2: what is installed, and how the image topics go together."""

from __future__ import annotations

import os
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, List, Optional, Tuple

import rclpy
from rclpy.executors import SingleThreadedExecutor

from opendr_har_core.doctor.report import Fact, Finding, Section
from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE_VARIABLE
from opendr_har_ros.common.vision_messages import MessageFactory
from opendr_har_ros.doctor.topics import Listener, topic_report

TITLE = "ROS 2"
NODE = "opendr_har_doctor"
# Discovery takes 0.2 s, at times 3: so long is waited at least, and so long while nobody else is to be seen.
DISCOVERY_SEC, LONELY_SEC = 1.5, 4.0
LOOK_EVERY_SEC = 0.25
# Topics that come and go all the time are not waited for for ever.
LONGEST = 3
VARIABLES = ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_DISCOVERY_SERVER")


def examine(seconds: float, needed_hz: Optional[float]) -> Section:
    """Facts and findings; listens to the topics for `seconds`. `needed_hz` is the camera rate that the model wants."""
    facts, findings = _installed()
    try:
        topics, of_topics = _topics(seconds, needed_hz)
    except Exception as error:  # a middleware that can't start fails in its own ways
        do = "check RMW_IMPLEMENTATION and that its package is installed; then the middleware's own settings"
        return Section(TITLE, tuple(facts), (*findings, Finding(f"no node can be started: {error}", do)))
    return Section(TITLE, (*facts, *topics), (*findings, *of_topics))


def _installed() -> Tuple[List[Fact], List[Finding]]:
    distribution = os.environ.get("ROS_DISTRO") or "not set (no ROS 2 is sourced)"
    facts = [
        ("ROS_DISTRO", distribution),
        ("rclpy", _version("rclpy")),
        ("middleware", _middleware()),
        ("large images profile", profile() or "not set in this shell; our own nodes use theirs"),
    ]
    facts += [(name, os.environ[name]) for name in VARIABLES if os.environ.get(name)]
    try:
        factory = MessageFactory()
    except Exception as error:  # ConfigError, or whatever a library of another distribution fails with
        facts.append(("vision_msgs", "missing"))
        return facts, [Finding(str(error), "sudo apt install ros-$ROS_DISTRO-vision-msgs")]
    fields = ", ".join(factory.hypothesis_type.get_fields_and_field_types())
    name = factory.classification_type.__name__
    facts.append(("vision_msgs", f"{_version('vision_msgs')}: {name}, ObjectHypothesis of {fields}"))
    return facts, []


def profile() -> str:
    """The Fast DDS profile that is set in the environment, or nothing."""
    return os.environ.get(PROFILE_VARIABLE) or os.environ.get(OLD_PROFILE_VARIABLE) or ""


def _middleware() -> str:
    try:
        return str(rclpy.get_rmw_implementation_identifier())
    except Exception as error:  # its library can't be loaded
        return f"can't be loaded: {error}"


def _version(package: str) -> str:
    """Of a ROS package: from its manifest, as installed by apt or colcon, or from its wheel."""
    for name in (f"ros-{package.replace('_', '-')}", package, f"opendr-har-{package.replace('_', '-')}"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    try:
        share = import_module("ament_index_python.packages").get_package_share_directory(package)
        text = (Path(share) / "package.xml").read_text(encoding="utf-8")
        return text.split("<version>")[1].split("</version>")[0].strip()
    except Exception:  # no index, no package, no manifest: then nobody knows
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
        end = time.monotonic() + LONGEST * seconds
        while not listener.has_heard_enough and time.monotonic() < end:
            _spin(executor, LOOK_EVERY_SEC)
            listener.look()
        return topic_report(node, listener, needed_hz, bool(profile()))
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown() if hasattr(context, "try_shutdown") else rclpy.shutdown(context=context)


def _discover(node: Any, executor: Any) -> None:
    start = time.monotonic()
    while True:
        _spin(executor, LOOK_EVERY_SEC)
        is_alone = set(node.get_node_names()) <= {NODE}
        if time.monotonic() - start > (LONELY_SEC if is_alone else DISCOVERY_SEC):
            return


def _spin(executor: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
