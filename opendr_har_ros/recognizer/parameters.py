"""The recognizer's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from opendr_har_core.settings import setting
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings
from opendr_har_ros.common.node_settings import LIVE, READ_ONLY, NodeSettings
from opendr_har_ros.common.parameters import Parameters


@dataclass(frozen=True)
class RecognizerNodeSettings(NodeSettings):
    """Settings of the node itself. Raises ConfigError."""

    batch_wait_sec: float = setting(
        0.03, "Time that an image waits for those of the other cameras, to share one step.", unit="s", least=0, most=1
    )


RECOGNIZER = Parameters(
    (ModelSettings, RecognizerNodeSettings, StreamSettings, LabelSettings),
    live=LIVE | {"batch_wait_sec"},
    read_only=READ_ONLY,
)
