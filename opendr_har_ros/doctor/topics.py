"""Image topics of a running system: publishers, subscriptions, rates, losses and QoS mismatches."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from opendr_har_core.doctor.checks import Fact, Finding
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE_VARIABLE, large_image_profile
from opendr_har_ros.common.statistics import Report, Statistics

TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
LABEL_INFO = "vision_msgs/msg/LabelInfo"
RECOGNIZER_STATUS = ": activity recognition"
# Matches every publisher; deep enough that a slow doctor does not look like loss.
ANY = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
# Fast DDS's default shared-memory segment.
SEGMENT_BYTES = 512 << 10
FEW_LOST = 0.1
PROFILE_VARIABLES = (PROFILE_VARIABLE, OLD_PROFILE_VARIABLE)


class Listener:
    """Counts the images of every image topic, and keeps the latest diagnostics of recognizers."""

    def __init__(self, node: Any, seconds: float) -> None:
        """Listen to each topic for `seconds` while the node spins."""
        self._node = node
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self.topics: Dict[str, str] = {}
        self.statistics: Dict[str, Statistics] = {}
        self.largest: Dict[str, int] = {}
        self.status: Dict[str, DiagnosticStatus] = {}
        self._subscribed: Set[str] = set()
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.subscribe_to_new_topics()

    @property
    def is_done(self) -> bool:
        """Whether `seconds` have passed since the last topic appeared."""
        return time.monotonic() > self._until

    def subscribe_to_new_topics(self) -> None:
        """Subscribe to image topics that have appeared since the last call."""
        for topic, types in self._node.get_topic_names_and_types():
            type_name = next((name for name in types if name in TYPES), None)
            if type_name is None:
                continue
            if topic not in self.topics:
                self._add(topic, type_name)
            if topic not in self._subscribed and cameras_of(self._node, topic):
                self._subscribe(topic, type_name)

    def _add(self, topic: str, type_name: str) -> None:
        self.topics[topic] = type_name
        self.statistics[topic] = Statistics()
        self.largest[topic] = 0
        self._until = time.monotonic() + self._seconds

    def _subscribe(self, topic: str, type_name: str) -> None:
        self._subscribed.add(topic)
        self._until = time.monotonic() + self._seconds
        # Raw, since deserialising images in Python costs more than receiving them.
        self._node.create_subscription(TYPES[type_name], topic, lambda data: self._on_image(topic, data), ANY, raw=True)

    def _on_image(self, topic: str, data: bytes) -> None:
        self.largest[topic] = max(self.largest[topic], len(data))
        # CDR: four bytes that give the byte order, then the header's stamp.
        seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
        self.statistics[topic].received(seconds * NANOSECONDS + nanoseconds, time.monotonic_ns())

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        self.status.update({status.name: status for status in array.status if RECOGNIZER_STATUS in status.name})


@dataclass(frozen=True)
class Topic:
    """One image topic.

    Attributes:
        publishers, subscriptions: endpoint infos, without the doctor's own.
        cameras: publishers other than recognizers, which publish annotated images only while they have subscribers.
        report: statistics of the received images.
        largest: size of the largest image in bytes.
    """

    name: str
    type_name: str
    publishers: Sequence[Any]
    subscriptions: Sequence[Any]
    cameras: Sequence[Any]
    report: Report
    largest: int

    @property
    def is_best_effort(self) -> bool:
        """Whether any publisher offers only best effort."""
        return any(info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for info in self.publishers)


def topic_report(
    node: Any, listener: Listener, needed_hz: Optional[float], has_profile: bool
) -> Tuple[Tuple[Fact, ...], Tuple[Finding, ...]]:
    """Facts and findings from what the listener has received."""
    topics = [_topic(node, listener, name, type_name) for name, type_name in sorted(listener.topics.items())]
    recognizers = _recognizers(node)
    facts: List[Fact] = [(topic.name, _described(topic)) for topic in topics] or [("image topics", "none")]
    facts += [(name, status.message) for name, status in sorted(listener.status.items())]
    findings: List[Finding] = []
    for topic in topics:
        findings += mismatches(topic)
        findings += losses(topic, has_profile)
        findings += _without_publisher(topic, recognizers, topics)
        findings += _slow(topic, recognizers, needed_hz)
    findings += [
        Finding(f"{name}: {status.message}", "see the values of this status on /diagnostics, and the node's log")
        for name, status in sorted(listener.status.items())
        if status.level != DiagnosticStatus.OK
    ]
    return tuple(facts), tuple(findings)


def mismatches(topic: Topic) -> List[Finding]:
    """Publishers and subscriptions with incompatible QoS."""
    findings = []
    for subscription in topic.subscriptions:
        for publisher in topic.publishers:
            reason = _incompatible(publisher.qos_profile, subscription.qos_profile)
            if reason:
                pair = f"{_name(subscription)} gets no image from {_name(publisher)} on {topic.name}"
                do = "for a recognizer, set image_qos to auto or best_effort; otherwise relax the subscription's QoS"
                findings.append(Finding(f"{pair}: {reason}", f"{do} or strengthen the publisher's"))
    return findings


def losses(topic: Topic, has_profile: bool) -> List[Finding]:
    """Images that are lost, or too large for Fast DDS's default shared memory."""
    if not topic.cameras:
        return []
    if topic.report.received == 0:
        do = f"check that the camera works; publishers of images over 512 KiB need more memory: {_profile_advice()}"
        return [Finding(f"{topic.name} has a publisher, but no image arrived", do)]
    if topic.report.loses_many:
        share = 100 * (topic.report.lost_share or 0)
        return [Finding(f"about {share:.0f} % of the images on {topic.name} are lost", _profile_advice())]
    is_fast_dds = "fastrtps" in rclpy.get_rmw_implementation_identifier()
    is_large = topic.largest > SEGMENT_BYTES
    all_arrive = topic.report.lost_share is not None and topic.report.lost_share < FEW_LOST
    if is_fast_dds and is_large and topic.is_best_effort and not (has_profile or all_arrive):
        what = f"{topic.name} has best-effort images of {topic.largest >> 10} KiB, over Fast DDS's 512 KiB"
        return [Finding(f"{what}: they may be lost silently", _profile_advice())]
    return []


def _profile_advice() -> str:
    others = {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES}
    settings = " ".join(f"{name}={value}" for name, value in large_image_profile(others).items())
    return f"start the publisher with {settings}, or publish reliably or compressed images"


def _topic(node: Any, listener: Listener, name: str, type_name: str) -> Topic:
    publishers, subscriptions = [
        [info for info in infos if info.node_name != node.get_name()]
        for infos in (node.get_publishers_info_by_topic(name), node.get_subscriptions_info_by_topic(name))
    ]
    report = listener.statistics[name].report(time.monotonic_ns())
    return Topic(name, type_name, publishers, subscriptions, cameras_of(node, name), report, listener.largest[name])


def _described(topic: Topic) -> str:
    publishers = sorted({f"{_name(info)} ({_qos(info.qos_profile)})" for info in topic.publishers}) or ["no publisher"]
    received = f", {topic.report.rate_in:.1f} Hz, {topic.largest >> 10} KiB each" if topic.report.received else ""
    subscribers = sorted({_name(info) for info in topic.subscriptions})
    to = f", to {', '.join(subscribers)}" if subscribers else ""
    return f"{topic.type_name.split('/')[-1]} from {', '.join(publishers)}{to}{received}"


def _incompatible(offered: Any, requested: Any) -> str:
    """Why the two profiles are incompatible, or "". Checks reliability and durability."""
    if requested.reliability == ReliabilityPolicy.RELIABLE and offered.reliability == ReliabilityPolicy.BEST_EFFORT:
        return "it requests reliable delivery, but best effort is offered"
    if requested.durability == DurabilityPolicy.TRANSIENT_LOCAL and offered.durability == DurabilityPolicy.VOLATILE:
        return "it requests transient local durability, but volatile is offered"
    return ""


def cameras_of(node: Any, topic: str) -> List[Any]:
    """The topic's publishers without recognizers, which would start to draw annotated images for a subscriber."""
    recognizers = _recognizers(node)
    return [info for info in node.get_publishers_info_by_topic(topic) if _name(info) not in recognizers]


def _recognizers(node: Any) -> List[str]:
    """Full names of the nodes that label images: `recognizer` and `people` describe their classes."""
    names = set()
    for topic, types in node.get_topic_names_and_types():
        if LABEL_INFO in types:
            names |= {_name(info) for info in node.get_publishers_info_by_topic(topic)}
    return sorted(names)


def _subscribed(topic: Topic, recognizers: Sequence[str]) -> List[str]:
    return sorted({_name(info) for info in topic.subscriptions} & set(recognizers))


def _without_publisher(topic: Topic, recognizers: Sequence[str], topics: Sequence[Topic]) -> List[Finding]:
    """Recognizers that subscribe to a topic without publishers, in most cases because of a missing remap."""
    published = [other.name for other in topics if other.cameras and other.type_name == topic.type_name]
    advice = f"published are: {', '.join(published)}" if published else "no image is published; start the camera"
    return [
        Finding(f"{name} waits for images on {topic.name}, which has no publisher", f"remap image_raw; {advice}")
        for name in (() if topic.publishers else _subscribed(topic, recognizers))
    ]


def _slow(topic: Topic, recognizers: Sequence[str], needed_hz: Optional[float]) -> List[Finding]:
    rate = topic.report.rate_in
    if needed_hz is None or not topic.report.received or rate >= 0.9 * needed_hz:
        return []
    return [
        Finding(
            f"{name} gets {rate:.1f} images a second on {topic.name}, but the model needs {needed_hz:.1f}",
            "raise the camera's rate, or use a model with a longer stride (X3D-XS, CoX3D-XS: 2.5 Hz)",
        )
        for name in _subscribed(topic, recognizers)
    ]


def _name(info: Any) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _qos(profile: Any) -> str:
    reliability = "reliable" if profile.reliability == ReliabilityPolicy.RELIABLE else "best effort"
    return reliability + (", transient local" if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL else "")
