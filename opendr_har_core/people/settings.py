"""Settings of people: how they are detected, and for how many there are labels."""

from __future__ import annotations

from dataclasses import dataclass

from opendr_har_core.settings import check, setting


@dataclass(frozen=True)
class PeopleSettings:
    """How people are found and followed. Raises ConfigError."""

    detector_hz: float = setting(
        5.0, "Images per second in which people are detected; between them, boxes are predicted.", unit="Hz", above=0
    )
    detector_size: int = setting(
        416,
        "Longer side to which images are scaled for the detector, a multiple of 32: more for small people, at a cost "
        "that grows with its square.",
        unit="px",
        least=128,
        most=1280,
    )
    max_people: int = setting(8, "People with labels at the same time, the nearest (tallest) ones.", least=1, most=100)
    keep_sec: float = setting(
        2.0, "Time for which a person who is out of sight keeps track id and history.", unit="s", least=0.2, most=60
    )

    def __post_init__(self) -> None:
        check(self)
