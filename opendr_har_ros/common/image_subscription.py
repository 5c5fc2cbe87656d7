"""An image subscription whose reliability follows the topic's publishers."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.qos import QoSPolicyKind, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.lifecycle import steady_timer
from opendr_har_ros.common.qos import BEST_EFFORT, COMPRESSED, RELIABLE, image_qos, wants_reliable

CHECK_EVERY_SEC = 1.0


class ImageSubscription:
    """Subscribes to images; with the choice "auto" it resubscribes when the publishers' reliability changes.

    Attributes:
        advice: how to fix publishers that are incompatible or too many, or "".
    """

    def __init__(self, node: Any, camera: str, transport: str, choice: str, callback: Callable[[Any], None]) -> None:
        """Subscribe to image_raw, or image_raw/compressed for `transport` "compressed", below `camera` if it is set."""
        self._node = node
        self._type = CompressedImage if transport == COMPRESSED else Image
        parts = (camera, "image_raw", "compressed" if transport == COMPRESSED else "")
        self._topic = "/".join(part for part in parts if part)
        self._choice = choice
        self._callback = callback
        self._subscription: Optional[Any] = None
        self._reliable = False
        self.advice = ""
        self._follow_publishers()
        self._timer = steady_timer(node, CHECK_EVERY_SEC, self._follow_publishers)

    @property
    def topic(self) -> str:
        """The topic's full name after remapping."""
        return str(self._subscription.topic_name) if self._subscription else self._topic

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._timer)
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _follow_publishers(self) -> None:
        publishers = self._node.get_publishers_info_by_topic(self.topic) if self._subscription else []
        if self._subscription is not None and not publishers:
            return  # keep the current subscription until a publisher appears
        choice = _overridden_reliability(self._node, self._topic) or self._choice
        reliable = wants_reliable(choice, publishers)
        self.advice = (self._mismatch(publishers) if reliable else "") or self._multiple_publishers(publishers)
        if self._subscription is None or reliable != self._reliable:
            self._subscribe(reliable)

    def _mismatch(self, publishers: Sequence[Any]) -> str:
        if all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in publishers):
            return ""
        return f"{self.topic} has a best-effort publisher, but image_qos requires reliable images; set it to auto"

    def _multiple_publishers(self, publishers: Sequence[Any]) -> str:
        """Compare publishers by name: one that was killed and restarted stays in the graph for a while."""
        names = sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in publishers})
        if len(names) < 2:
            return ""
        return f"{self.topic} has several publishers ({', '.join(names)}), treated as one camera: remap all but one"

    def _subscribe(self, reliable: bool) -> None:
        previous = self._subscription
        self._reliable = reliable
        overrides = QoSOverridingOptions(policy_kinds=(QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH))
        self._subscription = self._node.create_subscription(
            self._type, self._topic, self._callback, image_qos(reliable), qos_overriding_options=overrides
        )
        if previous is not None:
            self._node.destroy_subscription(previous)
            how = "reliably" if reliable else "with best effort"
            self._node.get_logger().info(f"resubscribed {how} to {self.topic} to match its publishers")


def _overridden_reliability(node: Any, topic: str) -> str:
    """The reliability that a parameter file sets in `qos_overrides`, or "".

    Read here because rclpy would apply the reliability of the first subscription to all later ones.
    """
    name = f"qos_overrides.{node.resolve_topic_name(topic)}.subscription.reliability"
    if not node.has_parameter(name):
        description = "Reliability of the subscription, overriding image_qos: reliable or best_effort."
        node.declare_parameter(name, "", ParameterDescriptor(description=description, read_only=True))
    value = str(node.get_parameter(name).value)
    if value not in ("", RELIABLE, BEST_EFFORT):
        raise ConfigError(f"parameter {name} is {value!r}, expected {RELIABLE!r} or {BEST_EFFORT!r}")
    return value
