"""The parameters of the node `people`."""

from __future__ import annotations

from dataclasses import dataclass

from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.settings import setting
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings
from opendr_har_ros.common.node_settings import LIVE, READ_ONLY, LabelNodeSettings, NodeSettings
from opendr_har_ros.common.parameters import Parameters

PACKAGED, TOPIC = "packaged", "topic"


@dataclass(frozen=True)
class PeopleNodeSettings(NodeSettings):
    """Settings of the node itself. Raises ConfigError."""

    detector: str = setting(
        PACKAGED,
        "'packaged' finds people with the packaged detector, 'topic' takes the boxes of another node from detections.",
        choices=(PACKAGED, TOPIC),
    )
    detections_wait_sec: float = setting(
        0.25, "Longest time that an image waits for its detections from the topic.", unit="s", least=0, most=2
    )
    person_class: str = setting(
        "", "Class id of people on the detections topic; '' takes 'person', '0' and detections without a class."
    )


@dataclass(frozen=True)
class AllSettings(LabelNodeSettings):
    """All settings of the node, checked."""

    people: PeopleSettings


PEOPLE = Parameters(
    (ModelSettings, PeopleNodeSettings, StreamSettings, LabelSettings, PeopleSettings), live=LIVE, read_only=READ_ONLY
)
