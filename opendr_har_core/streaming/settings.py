"""Settings of the recognizer: which model runs where, how frames are sampled, how labels are filtered.

The node's parameters, the flags of `opendr-har infer`, `bag` and `live`, and the Python API share them. This module
imports nothing heavy, so that the command line can show its help at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from opendr_har_core.settings import check, setting
from opendr_har_core.spec import LARGEST

STAMPS, EVERY_FRAME, DENSE = "stamps", "every_frame", "dense"
NO_WARM_START, REPEAT = "none", "repeat"
LONGEST_SEC = 3600


@dataclass(frozen=True)
class ModelSettings:
    """Which model to open, and what to run it on; the arguments of `Recognizer.open`. Raises ConfigError."""

    model: str = setting(
        "default", "Path of an .onnx bundle, or the name of a packaged model: continual, default, kinetics400."
    )
    providers: Tuple[str, ...] = setting(
        ("cpu",), "ONNX Runtime execution providers in order of preference, such as 'tensorrt', 'cuda', 'cpu'."
    )
    threads: int = setting(
        0, "Threads per inference step; 0 uses one fewer than there are cores, at most four.", least=0, most=256
    )
    spin: bool = setting(
        False, "Keep the threads spinning between frames: lower latency, at the cost of one busy core per thread."
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class StreamSettings:
    """How the frames of a camera are sampled; the arguments of `Recognizer.stream`. Raises ConfigError."""

    sampling: str = setting(
        STAMPS,
        "Frames that the model takes: 'stamps' takes those nearest to its training rate, by their time stamps; "
        "'every_frame' takes all; 'dense' labels every frame, each from frames at the training rate, at several times "
        "the cost.",
        choices=(STAMPS, EVERY_FRAME, DENSE),
    )
    warm_start: str = setting(
        NO_WARM_START,
        "'repeat' labels from the first frame on, as if it had repeated indefinitely; these labels are provisional.",
        choices=(NO_WARM_START, REPEAT),
    )
    # Without lookahead, the label after one frame of real clips is right in 54 to 64 % of the cases, after three in
    # 75 to 82 %, and after a full window in 81 to 93 % (docs/benchmarks.md, reaction time).
    min_frames: int = setting(
        3,
        "Sampled frames before the first label of a model without lookahead; labels are provisional until its window "
        "is full.",
        least=1,
        most=LARGEST["window"],
    )
    max_gap_sec: float = setting(
        2.0, "A longer gap between time stamps resets the stream.", unit="s", least=0.01, most=LONGEST_SEC
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class LabelSettings:
    """How predictions are filtered before they are shown as labels. Raises ConfigError."""

    top_k: int = setting(5, "Number of hypotheses per prediction.", least=1, most=1000)
    threshold: float = setting(
        0.0, "Report no_activity_label when the best score is below this threshold.", least=0, most=1
    )
    hysteresis: float = setting(
        0.0, "Keep the current label until its score falls this far below the threshold.", least=0, most=1
    )
    no_activity_label: str = setting(
        "no activity", "Label reported when the best score is below the threshold, or when nothing known is seen."
    )
    smoothing: float = setting(
        0.0,
        "Time constant of the exponential moving average over the scores; 0 disables it.",
        unit="s",
        least=0,
        most=LONGEST_SEC,
    )
    min_duration_sec: float = setting(
        0.0, "Time that a new label must last before it replaces the current one.", unit="s", least=0, most=LONGEST_SEC
    )
    reject_unknown: bool = setting(
        True, "Report no_activity_label when a calibrated model sees none of its classes, whatever the scores are."
    )

    def __post_init__(self) -> None:
        check(self)
