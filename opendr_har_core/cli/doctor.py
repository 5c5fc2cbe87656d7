"""`opendr-har doctor`: what is here, whether it fits together, and what to do where it does not."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Optional, Tuple

from opendr_har_core.cli.options import add_job, add_model, add_runtime, providers
from opendr_har_core.cli.output import FAILED, Result

if TYPE_CHECKING:
    from opendr_har_core.doctor.report import Section

# By name: the core knows nothing of ROS, and works without it.
ROS_PART = "opendr_har_ros.doctor"
ROS_TITLE = "ROS 2"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "doctor",
        help="look what is wrong",
        description="Print versions, the machine, a model's speed on it and, with ROS 2, the image topics; name what "
        "needs attention and what to do. Exit code 0 when all is well, 1 when something needs attention.",
        examples=("", "--model cox3d_s.onnx", "--json"),
        run=run,
    )
    add_model(parser)
    add_runtime(parser)
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="to listen to topics (default: 2)")


def run(options: argparse.Namespace) -> Result:
    """Look at everything and say it; what needs attention makes it fail."""
    from opendr_har_core.doctor.report import to_dict, to_text

    sections = examine(options.model, providers(options), options.threads, options.seconds)
    found = [finding.what for section in sections for finding in section.findings]
    text, values = to_text(sections), to_dict(sections)
    if found:
        return Result(text, values, FAILED, f"needs attention: {'; '.join(found)}")
    return Result(text + "All is well.\n", values)


def examine(
    name: str, providers: Optional[Tuple[str, ...]], threads: Optional[int], seconds: float
) -> Tuple[Section, ...]:
    """All sections; of a broken installation what can be said."""
    from opendr_har_core.doctor.software import software

    of_software = software()
    if of_software.findings:
        return of_software, ros(seconds, None)
    # They need what was just found to be there.
    from opendr_har_core.doctor.hardware import machine
    from opendr_har_core.doctor.model import model

    of_model, needed_hz = model(name, providers, threads)
    return of_software, machine(), of_model, ros(seconds, needed_hz)


def ros(seconds: float, needed_hz: Optional[float]) -> Section:
    """What our ROS part says; a machine without ROS 2 is as well as any other, unless one is meant to be there."""
    from opendr_har_core.doctor.report import Finding, Section

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
