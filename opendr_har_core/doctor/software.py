"""Which versions of what are installed, and what ONNX Runtime can run on."""

from __future__ import annotations

import platform
import sys
from importlib import import_module, metadata
from typing import List, Optional, Sequence, Tuple

from opendr_har_core import __version__
from opendr_har_core.doctor.report import Fact, Finding, Section

# What a robot needs: the module, and the distributions that bring it. Apt's packages have no metadata of pip's.
NEEDED = (
    ("numpy", ("numpy",)),
    ("onnxruntime", ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")),
    ("av", ("av",)),
    ("cv2", ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")),
)
# What some commands need; they are heavy, so they are not imported to look.
EXTRA = (
    ("torch", ("torch",), "for train, eval, export"),
    ("rosbags", ("rosbags",), "for bag"),
)
NAMES = {"cv2": "opencv"}


def software() -> Section:
    """Versions; what is missing and needed is a finding."""
    facts: List[Fact] = [("opendr_har_ros", __version__), ("Python", f"{platform.python_version()}, {sys.executable}")]
    findings: List[Finding] = []
    for module, packages in NEEDED:
        version, error = _imported(module)
        facts.append((NAMES.get(module, module), version or _installed(packages) or "missing"))
        if error:
            findings.append(Finding(f"{module} can't be imported: {error}", f"pip install {packages[0]}"))
    facts += [(name, _installed(packages) or f"not installed ({use})") for name, packages, use in EXTRA]
    return Section("Software", (*facts, *_providers()), tuple(findings))


def _imported(module: str) -> Tuple[str, str]:
    """A module's version, and why it can't be imported."""
    try:
        if module == "onnxruntime":
            # It must not report home.
            return str(import_module("opendr_har_core.backends.runtime").ort.__version__), ""
        return str(import_module(module).__version__), ""
    except Exception as error:  # a broken installation may fail in any way
        return "", f"{type(error).__name__}: {error}"


def _installed(packages: Sequence[str]) -> Optional[str]:
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


def _providers() -> Tuple[Fact, ...]:
    try:
        ort = import_module("opendr_har_core.backends.runtime").ort
        return (("providers found", ", ".join(ort.get_available_providers())),)
    except Exception:  # software() has already said why
        return ()
