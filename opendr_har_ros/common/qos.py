"""Topics and quality-of-service profiles of images and labels."""

from __future__ import annotations

from typing import Any, Sequence

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RAW, COMPRESSED = "raw", "compressed"
SUFFIX = "/compressed"
TRANSPORTS = (RAW, COMPRESSED)
AUTO, RELIABLE, BEST_EFFORT = "auto", "reliable", "best_effort"
IMAGE_QOS = (AUTO, RELIABLE, BEST_EFFORT)

# For messages that are published once, such as the class names: late subscribers get the last one.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
LABELS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE)


def image_topic(node: Any, name: str, transport: str) -> str:
    """The full name of an image topic after remapping; with `transport` "compressed", as image_transport names it.

    That is the name of the raw topic, after remapping, and /compressed, unless it ends in /compressed already.
    """
    topic = str(node.resolve_topic_name(name))
    return topic if transport != COMPRESSED or topic.endswith(SUFFIX) else topic + SUFFIX


def image_qos(reliable: bool) -> QoSProfile:
    """Keep only the newest image; best effort matches every camera, reliable avoids losses in small socket buffers."""
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability)


def wants_reliable(choice: str, publishers: Sequence[Any]) -> bool:
    """Whether to subscribe reliably, given the parameter `image_qos` and the topic's publisher endpoint infos."""
    if choice != AUTO:
        return choice == RELIABLE
    offered = [info.qos_profile.reliability for info in publishers]
    return bool(offered) and all(policy == ReliabilityPolicy.RELIABLE for policy in offered)
