"""The web node's parameters: the table, and their checked form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Tuple

from opendr_har_core.live.access import LiveSettings
from opendr_har_ros.common.parameters import Parameter, check_values
from opendr_har_ros.recognizer.parameters import AUTO, BEST_EFFORT, COMPRESSED, RAW, RELIABLE

WEB: Tuple[Parameter, ...] = tuple(
    replace(parameter, read_only=True)
    for parameter in (
        Parameter("recognizer", "recognizer", "Name of the recognizer node to show; its topics are NAME/..."),
        Parameter("camera", "", "Which of its cameras, where it has several."),
        Parameter("transport", RAW, "Images to show: image_raw or image_raw/compressed.", choices=(RAW, COMPRESSED)),
        Parameter(
            "image_qos",
            AUTO,
            "Reliability of the image subscription; 'auto' is reliable when every publisher is.",
            choices=(AUTO, RELIABLE, BEST_EFFORT),
        ),
        Parameter("host", "127.0.0.1", "Address to serve on; one that other machines can reach needs a token."),
        Parameter("port", 8642, "Port to serve on; 0 takes any that is free.", bounds=(0, 65535)),
        Parameter("token", "", "What viewers have to know; made up and printed where the address needs one."),
        Parameter("names", [""], "Further host names that viewers may use."),
        Parameter("max_viewers", 8, "Pages that may be open at once.", bounds=(1, 1000)),
        Parameter("picture_hz", 10.0, "The most pictures per second that a page gets.", bounds=(0.1, 60)),
        Parameter("picture_side", 640, "The longer side of these pictures in pixels.", bounds=(64, 4096)),
    )
)


@dataclass(frozen=True)
class WebSettings:
    """The web node's parameters, checked; `page` is how the page is served."""

    recognizer: str
    camera: str
    transport: str
    image_qos: str
    page: LiveSettings

    @classmethod
    def from_values(cls, values: Dict[str, Any]) -> WebSettings:
        """Check parameter values; raises ConfigError naming a wrong one."""
        check_values(WEB, values)
        page = LiveSettings(
            host=values["host"],
            token=values["token"],
            port=values["port"],
            names=tuple(name for name in values["names"] if name),
            max_viewers=values["max_viewers"],
            picture_hz=float(values["picture_hz"]),
            picture_side=values["picture_side"],
        )
        return cls(values["recognizer"], values["camera"], values["transport"], values["image_qos"], page)
