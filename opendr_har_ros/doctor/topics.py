"""The image topics of a running system: who sends how much of what, who listens, and what can't come together."""

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

from opendr_har_core.doctor.report import Fact, Finding
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE_VARIABLE, large_image_profile
from opendr_har_ros.common.statistics import Report, Statistics

KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
CLASSIFICATIONS = ("vision_msgs/msg/Classification", "vision_msgs/msg/Classification2D")
RECOGNIZER_STATUS = ": activity recognition"
# Takes what any publisher offers; deep enough that the doctor's own slowness does not look like loss.
ANY = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
# Fast DDS's shared memory segment, as it comes.
SEGMENT_BYTES = 512 << 10
FEW_LOST = 0.1
PROFILE_VARIABLES = (PROFILE_VARIABLE, OLD_PROFILE_VARIABLE)


class Listener:
    """Counts the images of every image topic, and keeps the latest diagnostics of recognizers."""

    def __init__(self, node: Any, seconds: float) -> None:
        """Listens to each topic for `seconds`, while the node spins."""
        self._node = node
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self.topics: Dict[str, str] = {}
        self.statistics: Dict[str, Statistics] = {}
        self.largest: Dict[str, int] = {}
        self.status: Dict[str, DiagnosticStatus] = {}
        self._heard: Set[str] = set()
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.look()

    @property
    def has_heard_enough(self) -> bool:
        """Whether every topic there is was listened to for long enough."""
        return time.monotonic() > self._until

    def look(self) -> None:
        """Subscribe to what has appeared since the last time."""
        for topic, kinds in self._node.get_topic_names_and_types():
            kind = next((kind for kind in kinds if kind in KINDS), None)
            if kind is None:
                continue
            if topic not in self.topics:
                self._note(topic, kind)
            if topic not in self._heard and cameras_of(self._node, topic):
                self._listen(topic, kind)

    def _note(self, topic: str, kind: str) -> None:
        self.topics[topic] = kind
        self.statistics[topic] = Statistics()
        self.largest[topic] = 0
        self._until = time.monotonic() + self._seconds

    def _listen(self, topic: str, kind: str) -> None:
        self._heard.add(topic)
        self._until = time.monotonic() + self._seconds
        # Serialised, since making Python objects of images would cost more than receiving them.
        self._node.create_subscription(KINDS[kind], topic, lambda data: self._on_image(topic, data), ANY, raw=True)

    def _on_image(self, topic: str, data: bytes) -> None:
        self.largest[topic] = max(self.largest[topic], len(data))
        # The header's stamp stands after the four bytes that say the byte order.
        seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
        self.statistics[topic].received(seconds * NANOSECONDS + nanoseconds, time.monotonic_ns())

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        self.status.update({status.name: status for status in array.status if RECOGNIZER_STATUS in status.name})


@dataclass(frozen=True)
class Topic:
    """One image topic.

    Attributes:
        publishers, subscriptions: endpoint infos, without the doctor's own.
        cameras: those of the publishers that are no recognizers, whose annotated images are drawn on demand.
        report: what was received.
        largest: bytes of the largest image.
    """

    name: str
    kind: str
    publishers: Sequence[Any]
    subscriptions: Sequence[Any]
    cameras: Sequence[Any]
    report: Report
    largest: int

    @property
    def is_best_effort(self) -> bool:
        """Whether any publisher offers no more than that."""
        return any(info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for info in self.publishers)


def topic_report(
    node: Any, listener: Listener, needed_hz: Optional[float], has_profile: bool
) -> Tuple[Tuple[Fact, ...], Tuple[Finding, ...]]:
    """What the listener has heard by now."""
    topics = [_topic(node, listener, name, kind) for name, kind in sorted(listener.topics.items())]
    recognizers = _recognizers(node)
    facts: List[Fact] = [(topic.name, _described(topic)) for topic in topics] or [("image topics", "none")]
    facts += [(name, status.message) for name, status in sorted(listener.status.items())]
    findings: List[Finding] = []
    for topic in topics:
        findings += mismatches(topic)
        findings += losses(topic, has_profile)
        findings += _unheard(topic, recognizers, topics)
        findings += _slow(topic, recognizers, needed_hz)
    findings += [
        Finding(f"{name}: {status.message}", "see the values of this status on /diagnostics, and the node's log")
        for name, status in sorted(listener.status.items())
        if status.level != DiagnosticStatus.OK
    ]
    return tuple(facts), tuple(findings)


def mismatches(topic: Topic) -> List[Finding]:
    """Publishers and subscriptions that will never exchange an image."""
    findings = []
    for subscription in topic.subscriptions:
        for publisher in topic.publishers:
            reason = _incompatible(publisher.qos_profile, subscription.qos_profile)
            if reason:
                who = f"{_name(subscription)} gets no image from {_name(publisher)} on {topic.name}"
                do = "for a recognizer set image_qos to auto or best_effort; else let the subscription ask for less"
                findings.append(Finding(f"{who}: {reason}", f"{do}, or the publisher offer more"))
    return findings


def losses(topic: Topic, has_profile: bool) -> List[Finding]:
    """Images that are too large for Fast DDS as it comes, unless they were seen to arrive."""
    if not topic.cameras:
        return []
    if topic.report.received == 0:
        do = f"check that the camera works; images over 512 KiB need a sender with more memory: {_profile_advice()}"
        return [Finding(f"{topic.name} has a publisher, but no image came", do)]
    if topic.report.loses_many:
        share = 100 * (topic.report.lost_share or 0)
        return [Finding(f"about {share:.0f} % of the images on {topic.name} are lost", _profile_advice())]
    is_fast_dds = "fastrtps" in rclpy.get_rmw_implementation_identifier()
    is_large = topic.largest > SEGMENT_BYTES
    all_arrive = topic.report.lost_share is not None and topic.report.lost_share < FEW_LOST
    if is_fast_dds and is_large and topic.is_best_effort and not (has_profile or all_arrive):
        what = f"{topic.name} has best-effort images of {topic.largest >> 10} KiB, over Fast DDS's 512 KiB"
        return [Finding(f"{what}: they may be lost without a word", _profile_advice())]
    return []


def _profile_advice() -> str:
    others = {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES}
    settings = " ".join(f"{name}={value}" for name, value in large_image_profile(others).items())
    return f"start the sender with {settings}, or let it publish reliably or compressed images"


def _topic(node: Any, listener: Listener, name: str, kind: str) -> Topic:
    others = [
        [info for info in infos if info.node_name != node.get_name()]
        for infos in (node.get_publishers_info_by_topic(name), node.get_subscriptions_info_by_topic(name))
    ]
    report = listener.statistics[name].report(time.monotonic_ns())
    return Topic(name, kind, others[0], others[1], cameras_of(node, name), report, listener.largest[name])


def _described(topic: Topic) -> str:
    senders = sorted({f"{_name(info)} ({_qos(info.qos_profile)})" for info in topic.publishers}) or ["nobody"]
    heard = f", {topic.report.rate_in:.1f} Hz, {topic.largest >> 10} KiB each" if topic.report.received else ""
    listeners = sorted({_name(info) for info in topic.subscriptions})
    to = f", to {', '.join(listeners)}" if listeners else ""
    return f"{topic.kind.split('/')[-1]} from {', '.join(senders)}{to}{heard}"


def _incompatible(offered: Any, wanted: Any) -> str:
    """Why nothing will come, or ""; the two policies that matter in practice, as Foxy can't check the others."""
    if wanted.reliability == ReliabilityPolicy.RELIABLE and offered.reliability == ReliabilityPolicy.BEST_EFFORT:
        return "it asks for reliable delivery, best effort is offered"
    if wanted.durability == DurabilityPolicy.TRANSIENT_LOCAL and offered.durability == DurabilityPolicy.VOLATILE:
        return "it asks for messages from before it came (transient local), volatile is offered"
    return ""


def cameras_of(node: Any, topic: str) -> List[Any]:
    """A topic's publishers, without recognizers: to listen to their pictures would set them to work."""
    recognizers = _recognizers(node)
    return [info for info in node.get_publishers_info_by_topic(topic) if _name(info) not in recognizers]


def _recognizers(node: Any) -> List[str]:
    """Full names of nodes that publish classifications."""
    names = set()
    for topic, kinds in node.get_topic_names_and_types():
        if any(kind in CLASSIFICATIONS for kind in kinds):
            names |= {_name(info) for info in node.get_publishers_info_by_topic(topic)}
    return sorted(names)


def _listening(topic: Topic, recognizers: Sequence[str]) -> List[str]:
    return sorted({_name(info) for info in topic.subscriptions} & set(recognizers))


def _unheard(topic: Topic, recognizers: Sequence[str], topics: Sequence[Topic]) -> List[Finding]:
    """Recognizers that wait for images that nobody sends: a name that was not remapped, mostly."""
    published = [other.name for other in topics if other.cameras and other.kind == topic.kind]
    there = f"published are: {', '.join(published)}" if published else "nobody publishes images now; start the camera"
    return [
        Finding(f"{name} waits for images on {topic.name}, which nobody publishes", f"remap image_raw; {there}")
        for name in (() if topic.publishers else _listening(topic, recognizers))
    ]


def _slow(topic: Topic, recognizers: Sequence[str], needed_hz: Optional[float]) -> List[Finding]:
    rate = topic.report.rate_in
    if needed_hz is None or not topic.report.received or rate >= 0.9 * needed_hz:
        return []
    return [
        Finding(
            f"{name} gets {rate:.1f} images a second on {topic.name}, the model wants {needed_hz:.1f}",
            "let the camera send more, or use a model with a longer stride (X3D-XS, CoX3D-XS: 2.5 Hz)",
        )
        for name in _listening(topic, recognizers)
    ]


def _name(info: Any) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _qos(profile: Any) -> str:
    reliability = "reliable" if profile.reliability == ReliabilityPolicy.RELIABLE else "best effort"
    return reliability + (", transient local" if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL else "")
