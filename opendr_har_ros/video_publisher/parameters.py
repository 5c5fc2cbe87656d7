"""The video publisher's parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting
from opendr_har_ros.common.parameters import Parameters
from opendr_har_ros.common.qos import COMPRESSED, RAW

BOTH = "both"


@dataclass(frozen=True)
class VideoPublisherSettings:
    """What is played, and how. Raises ConfigError."""

    video: str = setting(
        "",
        "Video file, folder of images (30 Hz), number of a webcam such as '0', or address such as rtsp://HOST/PATH or "
        "http://HOST/PATH. Required.",
    )
    rate: float = setting(1.0, "Playback speed: 2.0 is twice as fast as the source.", least=0.01, most=100)
    fps: float = setting(
        0.0, "Frame rate of the published video; 0 keeps the source's frames.", unit="Hz", least=0, most=1000
    )
    loop: int = setting(1, "Number of times that the file is played; 0 repeats it indefinitely.", least=0, most=10**6)
    frame_id: str = setting("camera", "Coordinate frame in the headers.")
    stamps: str = setting(
        "now",
        "Stamp images with the time of publication ('now') or their time in the source ('source', starting at 1 s).",
        choices=("now", "source"),
    )
    transport: str = setting(
        RAW,
        "Topics to publish: 'raw' is image_raw, 'compressed' is image_raw/compressed (JPEG), 'both' is both.",
        choices=(RAW, COMPRESSED, BOTH),
    )
    jpeg_quality: int = setting(90, "Quality of compressed images: 100 loses least and is largest.", least=1, most=100)
    reliable: bool = setting(False, "Publish reliably; cameras publish with best effort.")
    wait_for_subscribers: int = setting(
        0, "Number of subscribers to wait for before playback starts.", least=0, most=100
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.video:
            raise ConfigError("parameter video is empty; give a file, a folder of images or the number of a webcam")


# A change would have no effect: the node plays the video once and ends.
VIDEO_PUBLISHER = Parameters(
    (VideoPublisherSettings,), read_only=frozenset(field.name for field in fields(VideoPublisherSettings))
)
