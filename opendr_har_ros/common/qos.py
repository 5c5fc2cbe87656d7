"""Quality of service: images that arrive, labels that late joiners get."""

from __future__ import annotations

from typing import Any, Sequence

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from opendr_har_ros.recognizer.parameters import AUTO, RELIABLE

# For what is said once, such as the class names: late joiners get the last message.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
LABELS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)
# Reliable publishers suit every viewer; one that is slow misses pictures.
PICTURES = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)


def image_qos(reliable: bool) -> QoSProfile:
    """Only the newest image counts; best effort matches every camera, reliable survives small socket buffers."""
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability)


def wants_reliable(choice: str, publishers: Sequence[Any]) -> bool:
    """Whether to subscribe reliably, given the parameter and the endpoint infos of the topic's publishers."""
    if choice != AUTO:
        return choice == RELIABLE
    offered = [info.qos_profile.reliability for info in publishers]
    return bool(offered) and all(policy == ReliabilityPolicy.RELIABLE for policy in offered)
