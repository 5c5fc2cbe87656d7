"""The recognizer's parameters: the table, and their checked form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import LARGEST
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_ros.common.executors import EXECUTORS, SINGLE
from opendr_har_ros.common.parameters import Parameter, check_values
from opendr_har_ros.common.vision_messages import CLASS_ID_FORMATS

CAMERA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
RAW, COMPRESSED = "raw", "compressed"
AUTO, RELIABLE, BEST_EFFORT = "auto", "reliable", "best_effort"

RECOGNIZER: Tuple[Parameter, ...] = (
    Parameter(
        "model",
        "default",
        "Bundle (.onnx), or a packaged model: 'continual', 'default', 'kinetics400'. Setting it exchanges the model.",
        live=True,
    ),
    Parameter(
        "cameras",
        [""],
        "Names of cameras, such as ['front', 'rear']: images come from NAME/image_raw, labels go to ~/NAME/...; "
        "[''] is one camera without a name.",
    ),
    Parameter(
        "batch_wait_sec",
        0.03,
        "Time, in seconds, that an image waits for those of the other cameras, to share one step.",
        bounds=(0, 1),
        live=True,
    ),
    Parameter(
        "providers", ["cpu"], "ONNX Runtime execution providers, best first, such as ['tensorrt', 'cuda', 'cpu']."
    ),
    Parameter(
        "threads", 0, "Threads used for one frame; 0 leaves one core to others and takes four at most.", bounds=(0, 256)
    ),
    Parameter(
        "spin", False, "Whether threads stay awake between frames: a little less latency for a core's power each."
    ),
    Parameter("top_k", 5, "Number of hypotheses in each classification.", bounds=(1, 1000), live=True),
    Parameter("threshold", 0.0, "Best scores under this are reported as no_activity_label.", bounds=(0, 1), live=True),
    Parameter(
        "hysteresis",
        0.0,
        "A label that is shown stays until its score falls so far under the threshold.",
        bounds=(0, 1),
        live=True,
    ),
    Parameter("no_activity_label", "no activity", "Label that is published under the threshold.", live=True),
    Parameter(
        "smoothing",
        0.0,
        "Time constant, in seconds, of an exponential mean over the scores; 0 is off.",
        bounds=(0, 3600),
        live=True,
    ),
    Parameter(
        "min_duration_sec",
        0.0,
        "Time, in seconds, that a new label must last before it replaces the old one.",
        bounds=(0, 3600),
        live=True,
    ),
    Parameter(
        "sampling",
        "stamps",
        "'stamps' takes the frames nearest to the model's training rate by their stamps, 'every_frame' takes all, "
        "'dense' labels every frame, each from frames at the training rate, at several times the cost.",
        choices=("stamps", "every_frame", "dense"),
    ),
    Parameter(
        "warm_start",
        "none",
        "'repeat' labels from the first frame on, as if it had stood still before; such labels are provisional.",
        choices=("none", "repeat"),
    ),
    Parameter(
        "min_frames",
        StreamSettings.min_frames,
        "A model without lookahead labels from this many sampled frames on, provisionally until its window is full.",
        bounds=(1, LARGEST["window"]),
    ),
    Parameter(
        "max_gap_sec", 2.0, "A longer gap between stamps, in seconds, starts a new history.", bounds=(0.01, 3600)
    ),
    Parameter(
        "transport",
        RAW,
        "'raw' subscribes to image_raw, 'compressed' to image_raw/compressed (JPEG, PNG).",
        choices=(RAW, COMPRESSED),
    ),
    Parameter(
        "image_qos",
        AUTO,
        "Reliability of the image subscription; 'auto' is reliable when every publisher offers it.",
        choices=(AUTO, RELIABLE, BEST_EFFORT),
    ),
    Parameter(
        "class_id_format",
        "name",
        "Whether class ids are published as the class's 'name' or as its 'index'.",
        choices=CLASS_ID_FORMATS,
        live=True,
    ),
    Parameter(
        "always_on",
        False,
        "Whether the model also runs while nobody subscribes to its labels, so that a late subscriber need not wait.",
        live=True,
    ),
    Parameter(
        "executor",
        SINGLE,
        "rclpy's executor: 'single' is its usual one, 'events' takes less of the processor and is still experimental.",
        choices=EXECUTORS,
        read_only=True,
    ),
    Parameter("autostart", True, "Whether the node configures and activates itself when it starts.", read_only=True),
)


@dataclass(frozen=True)
class RecognizerSettings:
    """The recognizer's parameters, checked."""

    model: str
    cameras: Tuple[str, ...]
    batch_wait_sec: float
    providers: Tuple[str, ...]
    threads: Optional[int]
    spin: bool
    sampling: str
    warm_start: str
    min_frames: int
    max_gap_sec: float
    transport: str
    image_qos: str
    class_id_format: str
    always_on: bool
    executor: str
    autostart: bool
    filter: LabelSettings

    @classmethod
    def from_values(cls, values: Dict[str, Any]) -> RecognizerSettings:
        """Check parameter values and sort them; raises ConfigError naming a wrong one."""
        check_values(RECOGNIZER, values)
        return cls(
            model=values["model"] or "default",
            cameras=camera_names(values["cameras"]),
            batch_wait_sec=float(values["batch_wait_sec"]),
            providers=tuple(values["providers"]),
            threads=values["threads"] or None,
            spin=values["spin"],
            sampling=values["sampling"],
            warm_start=values["warm_start"],
            min_frames=values["min_frames"],
            max_gap_sec=float(values["max_gap_sec"]),
            transport=values["transport"],
            image_qos=values["image_qos"],
            class_id_format=values["class_id_format"],
            always_on=values["always_on"],
            executor=values["executor"],
            autostart=values["autostart"],
            filter=LabelSettings(
                top_k=values["top_k"],
                smoothing=values["smoothing"],
                threshold=values["threshold"],
                hysteresis=values["hysteresis"],
                no_activity_label=values["no_activity_label"],
                min_duration_sec=values["min_duration_sec"],
            ),
        )


def camera_names(names: Sequence[str]) -> Tuple[str, ...]:
    """The names, each once and fit for a topic; none at all is one camera without a name. Raises ConfigError."""
    given = tuple(names) or ("",)
    if given == ("",):
        return given
    wrong = [name for name in given if not CAMERA_NAME.fullmatch(name)]
    if wrong:
        raise ConfigError(
            f"parameter cameras has {wrong}, expected names of letters, digits and _ that begin with a letter, or "
            f"[''] for one camera without a name"
        )
    if len(set(given)) != len(given):
        raise ConfigError(f"parameter cameras is {list(given)}, expected each name once")
    return given
