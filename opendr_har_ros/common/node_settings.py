"""Settings that the nodes which label images share."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any, Tuple

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import check, setting
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings
from opendr_har_ros.common.qos import AUTO, IMAGE_QOS, RAW, TRANSPORTS

NAME, INDEX = "name", "index"
CAMERA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class NodeSettings:
    """Settings of the node itself. Raises ConfigError."""

    cameras: Tuple[str, ...] = setting(
        ("",),
        "Names of cameras, such as ['front', 'rear']: images come from NAME/image_raw, labels go to ~/NAME/...; "
        "[''] is one camera without a name.",
    )
    transport: str = setting(
        RAW,
        "'raw' subscribes to image_raw, 'compressed' to image_raw/compressed (JPEG, PNG).",
        choices=TRANSPORTS,
    )
    image_qos: str = setting(
        AUTO,
        "Reliability of the image subscription; 'auto' is reliable if every publisher offers it.",
        choices=IMAGE_QOS,
    )
    class_id_format: str = setting(
        NAME, "Publish class ids as the class's 'name' or its 'index'.", choices=(NAME, INDEX)
    )
    always_on: bool = setting(
        False, "Run the model while its labels have no subscriber, so that a late subscriber gets labels at once."
    )
    lessons: str = setting(
        "", "Folder of the lessons by which ~/teach teaches the node; '' disables teaching. It is made when needed."
    )
    lesson_clips: bool = setting(
        True, "Keep a video of each lesson, from which training and other models can learn; else only its features."
    )
    keep_base: bool = setting(
        False, "Keep the model's own classes beside the taught ones; for the packaged models default and continual."
    )
    autostart: bool = setting(True, "Configure and activate the node when it starts.")

    def __post_init__(self) -> None:
        check(self)
        if self.cameras == ("",):
            return
        wrong = [name for name in self.cameras if not CAMERA_NAME.fullmatch(name)]
        if wrong or not self.cameras:
            raise ConfigError(
                f"parameter cameras has {wrong}, expected names of letters, digits and _ that begin with a letter, or "
                f"[''] for one camera without a name"
            )
        if len(set(self.cameras)) != len(self.cameras):
            raise ConfigError(f"parameter cameras is {list(self.cameras)}, expected each name once")


@dataclass(frozen=True)
class LabelNodeSettings:
    """All settings of a node that labels images, checked."""

    model: ModelSettings
    node: Any  # a NodeSettings, with those of the node
    stream: StreamSettings
    labels: LabelSettings

    @property
    def model_name(self) -> str:
        """The parameter `model`."""
        return self.model.model

    def with_model(self, name: str) -> Any:
        """The same settings with another model."""
        return replace(self, model=replace(self.model, model=name))


LIVE = frozenset({"model", "class_id_format", "always_on", *(field.name for field in fields(LabelSettings))})
READ_ONLY = frozenset({"autostart", "lessons"})
