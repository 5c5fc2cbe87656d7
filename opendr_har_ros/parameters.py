"""Node parameters as a table: declared with description and range, read into a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Sequence, Tuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from opendr_har_core.errors import ConfigError
from opendr_har_core.postprocess import FilterSettings
from opendr_har_core.sampling import MODES
from opendr_har_ros.messages import CLASS_ID_FORMATS

RAW, COMPRESSED = "raw", "compressed"
AUTO, RELIABLE, BEST_EFFORT = "auto", "reliable", "best_effort"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Attributes:
        name, default: as in a parameter file; the default's type is the parameter's.
        description: what it does, with its unit.
        choices: the allowed strings, where there are few.
        bounds: the lowest and highest allowed number.
        live: whether it takes effect at once on a running node; others need a new configuration.
        read_only: whether it can only be set when the node starts.
    """

    name: str
    default: Any
    description: str
    choices: Tuple[str, ...] = ()
    bounds: Optional[Tuple[float, float]] = None
    live: bool = False
    read_only: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(description=self.description, read_only=self.read_only)
        if self.choices:
            descriptor.additional_constraints = f"one of: {', '.join(self.choices)}"
        if self.bounds and isinstance(self.default, int):
            low, high = int(self.bounds[0]), int(self.bounds[1])
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        elif self.bounds:
            low, high = float(self.bounds[0]), float(self.bounds[1])
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
        return descriptor

    def check(self, value: Any) -> None:
        """Raise ConfigError unless `value` is one of the choices, if there are any."""
        if self.choices and value not in self.choices:
            raise ConfigError(f"parameter {self.name} is {value!r}, expected one of {list(self.choices)}")


RECOGNIZER: Tuple[Parameter, ...] = (
    Parameter("model", "default", "Model bundle (.onnx) to run; 'default' is the packaged demonstration model."),
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
        "'stamps' takes the frames nearest to the model's training rate by their stamps, 'every_frame' takes all.",
        choices=MODES,
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
    Parameter("autostart", True, "Whether the node configures and activates itself when it starts.", read_only=True),
)

# One playing takes them all once: a change later would be accepted and do nothing.
VIDEO_PUBLISHER: Tuple[Parameter, ...] = tuple(
    replace(parameter, read_only=True)
    for parameter in (
        Parameter("video", "", "Video file to play, folder of images (30 Hz), or the number of a webcam such as '0'."),
        Parameter("rate", 1.0, "Speed of playing: 2.0 is twice as fast as the source.", bounds=(0.01, 100)),
        Parameter(
            "fps", 0.0, "Frame rate of the published video in Hz; 0 keeps the source's frames.", bounds=(0, 1000)
        ),
        Parameter("loop", 1, "How often the file is played; 0 is for ever.", bounds=(0, 1_000_000)),
        Parameter("frame_id", "camera", "Coordinate frame in the headers."),
        Parameter(
            "stamps",
            "now",
            "Headers carry the time of publishing ('now') or the time in the source ('source', from 1 s on).",
            choices=("now", "source"),
        ),
        Parameter("reliable", False, "Whether images are offered reliably; cameras offer best effort."),
        Parameter("wait_for_subscribers", 0, "Number of subscribers to wait for before playing.", bounds=(0, 100)),
    )
)


@dataclass(frozen=True)
class RecognizerSettings:
    """The recognizer's parameters, checked."""

    model: str
    providers: Tuple[str, ...]
    threads: Optional[int]
    spin: bool
    sampling: str
    max_gap_sec: float
    transport: str
    image_qos: str
    class_id_format: str
    autostart: bool
    filter: FilterSettings

    @classmethod
    def from_values(cls, values: Dict[str, Any]) -> RecognizerSettings:
        """Check parameter values and sort them; raises ConfigError naming a wrong one."""
        check_choices(RECOGNIZER, values)
        return cls(
            model=values["model"] or "default",
            providers=tuple(values["providers"]),
            threads=values["threads"] or None,
            spin=values["spin"],
            sampling=values["sampling"],
            max_gap_sec=values["max_gap_sec"],
            transport=values["transport"],
            image_qos=values["image_qos"],
            class_id_format=values["class_id_format"],
            autostart=values["autostart"],
            filter=FilterSettings(
                top_k=values["top_k"],
                smoothing_sec=values["smoothing"],
                threshold=values["threshold"],
                no_activity_label=values["no_activity_label"],
                min_duration_sec=values["min_duration_sec"],
            ),
        )


@dataclass(frozen=True)
class VideoPublisherSettings:
    """The video publisher's parameters, checked."""

    video: str
    rate: float
    fps: Optional[float]
    loop: Optional[int]
    frame_id: str
    stamps: str
    reliable: bool
    wait_for_subscribers: int

    @classmethod
    def from_values(cls, values: Dict[str, Any]) -> VideoPublisherSettings:
        """Check parameter values; raises ConfigError naming a wrong one."""
        check_choices(VIDEO_PUBLISHER, values)
        if not values["video"]:
            raise ConfigError("parameter video is empty; give a file, a folder of images or the number of a webcam")
        return cls(**{**values, "fps": values["fps"] or None, "loop": values["loop"] or None})


def declare(node: Any, table: Sequence[Parameter]) -> None:
    """Declare all parameters; raises ConfigError for a value of a wrong type or out of range in a parameter file."""
    for parameter in table:
        try:
            node.declare_parameter(parameter.name, parameter.default, parameter.descriptor())
        except Exception as error:  # rclpy has a type of its own for each reason
            raise ConfigError(f"parameter {parameter.name}: {error} ({parameter.description})") from None


def read(node: Any, table: Sequence[Parameter]) -> Dict[str, Any]:
    """The present values of all parameters."""
    return {parameter.name: node.get_parameter(parameter.name).value for parameter in table}


def check_choices(table: Sequence[Parameter], values: Dict[str, Any]) -> None:
    """Raise ConfigError for the first value that is not among its parameter's choices."""
    for parameter in table:
        parameter.check(values[parameter.name])


def names_fixed_while_configured(table: Sequence[Parameter]) -> Tuple[str, ...]:
    """Parameters that only a new configuration takes up."""
    return tuple(parameter.name for parameter in table if not parameter.live)
