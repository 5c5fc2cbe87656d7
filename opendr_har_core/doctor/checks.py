"""The checks and the report of `opendr-har doctor`: installed software, the machine, a model on it, and ROS 2."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Dict, List, Optional, Sequence, Tuple

from opendr_har_core import __version__
from opendr_har_core.benchmarking.machine import PACKAGES, Machine, available_bytes, installed, total_bytes
from opendr_har_core.errors import HarError
from opendr_har_core.spec import NANOSECONDS

# Import name, and the distributions that provide it; packages from apt have no pip metadata.
REQUIRED = (
    ("numpy", PACKAGES["numpy"]),
    ("onnxruntime", PACKAGES["onnxruntime"]),
    ("av", ("av",)),
    ("cv2", ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")),
)
# Heavy packages that some subcommands need; they are looked up without being imported.
OPTIONAL = (("torch", "train, eval, export"), ("rosbags", "bag"))
GIB = 1 << 30
# The largest model and its runtime need less; below this, the system starts to swap or to kill processes.
LITTLE_MEMORY = 512 << 20
MEASURE_SEC = 2.0
# The rest of the processor is for the camera driver, DDS and other nodes.
USABLE_SHARE = 0.8
# By name: the core works without ROS.
ROS_CHECKS = "opendr_har_ros.doctor"

Fact = Tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """A problem, and what to do about it."""

    what: str
    do: str


@dataclass(frozen=True)
class Section:
    """One part of the report: facts as (name, value), and findings."""

    title: str
    facts: Tuple[Fact, ...]
    findings: Tuple[Finding, ...] = ()


def run_checks(model: str, providers: Optional[Sequence[str]], threads: int, listen_sec: float) -> Tuple[Section, ...]:
    """All sections; a broken installation gives only those that it allows."""
    software = check_software()
    if software.findings:
        return software, check_ros(listen_sec, None)
    of_model, needed_hz = check_model(model, providers, threads)
    return software, check_machine(), of_model, check_ros(listen_sec, needed_hz)


def check_software() -> Section:
    """Versions and execution providers; a required package that can't be imported is a finding."""
    facts: List[Fact] = [("opendr_har_ros", __version__), ("Python", f"{platform.python_version()}, {sys.executable}")]
    findings: List[Finding] = []
    for module, packages in REQUIRED:
        name = "opencv" if module == "cv2" else module
        try:
            facts.append((name, str(_import(module).__version__)))
        except Exception as error:  # a broken installation can fail in any way
            facts.append((name, installed(*packages) or "missing"))
            what = f"can't import {module}: {type(error).__name__}: {error}"
            findings.append(Finding(what, f"pip install {packages[0]}"))
        else:
            if module == "onnxruntime":
                facts.append(("providers found", ", ".join(_import(module).get_available_providers())))
    facts += [(name, installed(name) or f"not installed (for {use})") for name, use in OPTIONAL]
    return Section("Software", tuple(facts), tuple(findings))


def check_machine() -> Section:
    """Processor, cores, threads and memory."""
    from opendr_har_core.backends.session import session_settings

    machine, total, free = Machine(), total_bytes(), available_bytes()
    facts: List[Fact] = [
        ("processor", machine.processor),
        ("cores", f"{machine.cores}, usable by this process: {machine.usable_cores}"),
        ("threads by default", str(session_settings().threads)),
    ]
    if machine.load is not None:
        facts.append(("load", f"{machine.load:.1f} over the last minute"))
    if total is None or free is None:
        return Section("Machine", tuple(facts))
    facts.append(("memory", f"{total / GIB:.1f} GiB, available: {free / GIB:.1f} GiB"))
    low = Finding(f"only {free >> 20} MiB of memory are available", "stop other programs, or use a smaller model")
    return Section("Machine", tuple(facts), (low,) if free < LITTLE_MEMORY else ())


def check_model(
    name: str, providers: Optional[Sequence[str]] = None, threads: int = 0
) -> Tuple[Section, Optional[float]]:
    """Facts about a model, the time of its step here, and the frame rate in Hz that it needs (None if it can't run)."""
    from opendr_har_core.benchmarking.timing import evaluation, time_calls
    from opendr_har_core.streaming.recognizer import Recognizer, bundle_path

    try:
        recognizer = Recognizer.open(name, providers, threads)
        step_sec = time_calls(evaluation(recognizer), MEASURE_SEC).median_sec
    except HarError as error:
        do = "choose a bundle that runs here (--model, --providers), or make one with 'opendr-har export'"
        return Section("Model", (("model", name),), (Finding(str(error), do),)), None
    spec, stream = recognizer.spec, recognizer.stream()
    needed_hz = NANOSECONDS / spec.period_ns
    first = f"the first with sampled frame {stream.status.silent_frames + 1}, after {stream.silent_sec:.1f} s"
    facts = (
        ("model", f"{spec.name}, {name}, {bundle_path(name).stat().st_size / 1e6:.1f} MB"),
        ("input", f"{spec.image_size}x{spec.image_size} pixels, window of {spec.window} frames"),
        ("classes", f"{len(recognizer.labels)}: {', '.join(recognizer.labels.names[:3])}, ..."),
        ("weights", recognizer.source),
        ("runs on", recognizer.provider),
        ("needs", f"a camera of {needed_hz:.2f} Hz or more"),
        ("labels", f"{needed_hz:.2f} per second, {first}"),
        ("label delay", f"{spec.delay_sec:.1f} s"),
        ("step here", f"{1000 * step_sec:.1f} ms, enough for {1 / step_sec:.0f} labels per second"),
    )
    if step_sec * needed_hz <= USABLE_SHARE:
        return Section("Model", facts), needed_hz
    what = (
        f"a step takes {1000 * step_sec:.0f} ms and the model needs {needed_hz:.1f} steps per second: frames will be "
        "dropped"
    )
    do = "use a smaller model, more threads or another provider; 'opendr-har tune' makes CoX3D faster on x86"
    return Section("Model", facts, (Finding(what, do),)), needed_hz


def check_ros(listen_sec: float, needed_hz: Optional[float]) -> Section:
    """The section of the ROS package; no ROS 2 is fine, unless one is sourced."""
    title = "ROS 2"
    fatal = _fatal_import_error("rclpy")
    if fatal:
        do = "check that the RMW_IMPLEMENTATION is installed and that this Python belongs to this ROS 2"
        return Section(title, (), (Finding(f"importing rclpy ends the process: {fatal}", do),))
    try:
        part = import_module(ROS_CHECKS)
    except ImportError as error:
        distribution = os.environ.get("ROS_DISTRO")
        facts = (("rclpy", f"can't be imported: {error}"),)
        if not distribution:
            return Section(title, facts)
        what = f"ROS 2 {distribution} is sourced, but {sys.executable} can't import rclpy: {error}"
        do = "use the Python of this ROS 2, outside of virtual environments that hide its packages"
        return Section(title, facts, (Finding(what, do),))
    section: Section = part.examine(listen_sec, needed_hz)
    return section


def _import(module: str) -> Any:
    if module == "onnxruntime":  # our own module imports it with its telemetry off
        return import_module("opendr_har_core.backends.session").ort
    return import_module(module)


def _fatal_import_error(module: str) -> str:
    """Why importing a module ends the process, found in a subprocess: rcl aborts if its middleware is missing."""
    done = subprocess.run([sys.executable, "-c", f"import {module}"], check=False, capture_output=True, text=True)
    if done.returncode in (0, 1):  # 1 is an ImportError, which can be caught
        return ""
    return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]


def to_dict(sections: Tuple[Section, ...]) -> Dict[str, Any]:
    """The report as JSON-ready values; `ok` is whether there are no findings."""
    return {
        "ok": not any(section.findings for section in sections),
        "sections": [{"title": section.title, "facts": dict(section.facts)} for section in sections],
        "findings": [
            {"section": section.title, "what": finding.what, "do": finding.do}
            for section in sections
            for finding in section.findings
        ],
    }


def to_text(sections: Tuple[Section, ...]) -> str:
    """The report as text: each section's facts, followed by its findings."""
    lines = []
    for section in sections:
        width = max((len(name) for name, _ in section.facts), default=0)
        lines += [section.title, *(f"  {name:<{width}}  {value}" for name, value in section.facts)]
        for finding in section.findings:
            lines += [f"  ! {finding.what}", f"    -> {finding.do}"]
        lines.append("")
    return "\n".join(lines)
