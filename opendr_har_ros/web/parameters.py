"""The web node's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from opendr_har_core.live.access import LiveSettings
from opendr_har_core.settings import check, setting
from opendr_har_ros.common.parameters import Parameters
from opendr_har_ros.common.qos import AUTO, IMAGE_QOS, RAW, TRANSPORTS


@dataclass(frozen=True)
class WebSettings:
    """Which node the page shows. Raises ConfigError."""

    recognizer: str = setting("recognizer", "Name of the node to show, a recognizer or people; its topics are NAME/...")
    camera: str = setting("", "Camera to show, if the recognizer has several.")
    transport: str = setting(RAW, "Images to show: image_raw or image_raw/compressed.", choices=TRANSPORTS)
    image_qos: str = setting(
        AUTO,
        "Reliability of the image subscription; 'auto' is reliable if every publisher offers it.",
        choices=IMAGE_QOS,
    )

    def __post_init__(self) -> None:
        check(self)


WEB = Parameters((WebSettings, LiveSettings))
WEB = Parameters(WEB.declarations, read_only=frozenset(item.name for item in WEB.settings))
