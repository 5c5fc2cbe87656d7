"""ONNX Runtime, kept from reporting home.

Since 1.29 its Linux builds write an identifier and a database under the home folder when they are imported, and send
what models run to their maker. A robot's library must not do that behind its owner's back; the variable has to be set
before the import. Who wants the telemetry sets ORT_DISABLE_TELEMETRY=0.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

if os.environ["ORT_DISABLE_TELEMETRY"] == "1" and hasattr(ort, "disable_telemetry_events"):
    ort.disable_telemetry_events()  # for a program that had imported it before us

__all__ = ["ort"]
