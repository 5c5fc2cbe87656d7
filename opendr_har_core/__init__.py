"""Human activity recognition with X3D and CoX3D, without ROS and, for inference, without PyTorch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from opendr_har_core.errors import HarError
    from opendr_har_core.frame import Frame, LazyFrame
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.prediction import Hypothesis, Prediction
    from opendr_har_core.recognizer import Recognizer
    from opendr_har_core.spec import ModelSpec
    from opendr_har_core.stream import Stream, StreamStatus

__version__ = "0.1.0"

# Loaded when first used, so that importing the package costs nothing.
_HOMES = {
    "Frame": "frame",
    "HarError": "errors",
    "Hypothesis": "prediction",
    "LabelMap": "labels",
    "LazyFrame": "frame",
    "ModelSpec": "spec",
    "Prediction": "prediction",
    "Recognizer": "recognizer",
    "Stream": "stream",
    "StreamStatus": "stream",
}

__all__ = [
    "Frame",
    "HarError",
    "Hypothesis",
    "LabelMap",
    "LazyFrame",
    "ModelSpec",
    "Prediction",
    "Recognizer",
    "Stream",
    "StreamStatus",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> List[str]:
    return __all__
