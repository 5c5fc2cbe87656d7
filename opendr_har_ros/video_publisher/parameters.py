"""The video publisher's parameters: the table, and their checked form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.parameters import Parameter, check_values

RAW, COMPRESSED, BOTH = "raw", "compressed", "both"
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
        Parameter(
            "transport",
            RAW,
            "What is published: 'raw' is image_raw, 'compressed' is image_raw/compressed (JPEG), 'both' is both.",
            choices=(RAW, COMPRESSED, BOTH),
        ),
        Parameter(
            "jpeg_quality", 90, "Quality of compressed images: 100 loses the least and is the largest.", bounds=(1, 100)
        ),
        Parameter("reliable", False, "Whether images are offered reliably; cameras offer best effort."),
        Parameter("wait_for_subscribers", 0, "Number of subscribers to wait for before playing.", bounds=(0, 100)),
    )
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
    transport: str
    jpeg_quality: int
    reliable: bool
    wait_for_subscribers: int

    @classmethod
    def from_values(cls, values: Dict[str, Any]) -> VideoPublisherSettings:
        """Check parameter values; raises ConfigError naming a wrong one."""
        check_values(VIDEO_PUBLISHER, values)
        if not values["video"]:
            raise ConfigError("parameter video is empty; give a file, a folder of images or the number of a webcam")
        return cls(**{**values, "fps": values["fps"] or None, "loop": values["loop"] or None})
