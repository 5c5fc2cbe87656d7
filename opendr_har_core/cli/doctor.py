"""`opendr-har doctor`: what is here, whether it fits together, and what to do where it does not."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib import import_module
from typing import Any, Optional, Tuple

from opendr_har_core.doctor.report import Finding, Section, to_dict, to_text
from opendr_har_core.doctor.software import software
from opendr_har_core.errors import HarError
from opendr_har_core.recognizer import DEFAULT

# By name: the core knows nothing of ROS, and works without it.
ROS_PART = "opendr_har_ros.doctor"
ROS_TITLE = "ROS 2"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "doctor",
        help="look what is wrong",
        description="Print versions, the machine, a model's speed on it and, with ROS 2, the image topics; name what "
        "needs attention and what to do. Exit code 0 when all is well, 1 when something needs attention.",
        epilog="example: opendr-har doctor --model cox3d_s.onnx",
    )
    parser.add_argument("--model", default=DEFAULT, help="bundle, .onnx (default: the packaged demonstration model)")
    parser.add_argument("--providers", nargs="+", metavar="P", help="of ONNX Runtime, best first (default: cpu)")
    parser.add_argument("--threads", type=int, metavar="N", help="for one frame (default: fits the machine)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="to listen to topics (default: 2)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Look at everything, print it, and raise HarError where something needs attention."""
    sections = examine(options.model, options.providers, options.threads, options.seconds)
    sys.stdout.write(json.dumps(to_dict(sections), indent=2) + "\n" if options.json else to_text(sections))
    found = [finding.what for section in sections for finding in section.findings]
    if found:
        raise HarError(f"needs attention: {'; '.join(found)}")
    if not options.json:
        sys.stdout.write("All is well.\n")


def examine(
    name: str, providers: Optional[Tuple[str, ...]], threads: Optional[int], seconds: float
) -> Tuple[Section, ...]:
    """All sections; of a broken installation what can be said."""
    of_software = software()
    if of_software.findings:
        return of_software, ros(seconds, None)
    # They need what was just found to be there.
    from opendr_har_core.doctor.machine import machine
    from opendr_har_core.doctor.model import model

    of_model, needed_hz = model(name, providers, threads)
    return of_software, machine(), of_model, ros(seconds, needed_hz)


def ros(seconds: float, needed_hz: Optional[float]) -> Section:
    """What our ROS part says; a machine without ROS 2 is as well as any other, unless one is meant to be there."""
    fatal = _fatal_error()
    if fatal:
        do = "check that RMW_IMPLEMENTATION, where it is set, is installed, and that this Python is this ROS 2's own"
        return Section(ROS_TITLE, (), (Finding(f"importing rclpy ends the process: {fatal}", do),))
    try:
        part = import_module(ROS_PART)
    except ImportError as error:
        distribution = os.environ.get("ROS_DISTRO")
        facts = (("rclpy", f"can't be imported: {error}"),)
        if not distribution:
            return Section(ROS_TITLE, facts)
        what = f"ROS 2 {distribution} is sourced, but {sys.executable} can't import rclpy: {error}"
        do = "use the Python that this ROS 2 was built for, outside of virtual environments that hide its packages"
        return Section(ROS_TITLE, facts, (Finding(what, do),))
    section: Section = part.examine(seconds, needed_hz)
    return section


def _fatal_error() -> str:
    """What Python can't catch, tried out in another process: rcl ends the process when its middleware is missing."""
    done = subprocess.run([sys.executable, "-c", "import rclpy"], check=False, capture_output=True, text=True)
    if done.returncode in (0, 1):  # 1 is an ImportError, which can be caught
        return ""
    return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
