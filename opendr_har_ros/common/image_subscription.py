"""The image subscription, which follows what the topic's publishers offer."""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.names import topic_name
from opendr_har_ros.common.qos import image_qos, wants_reliable
from opendr_har_ros.common.timers import steady_timer
from opendr_har_ros.recognizer.parameters import BEST_EFFORT, COMPRESSED, RELIABLE

LOOK_EVERY_SEC = 1.0


class ImageInput:
    """Subscribes to images and, with the choice 'auto', subscribes anew when the publishers' reliability changes.

    Attributes:
        advice: what to do about publishers that can't be heard, or are too many, or "".
    """

    def __init__(self, node: Any, camera: str, transport: str, choice: str, callback: Callable[[Any], None]) -> None:
        """Images go to `callback`; the topic is image_raw, under the camera's name where it has one.

        With the transport "compressed" it is image_raw/compressed.
        """
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
        self._timer = steady_timer(node, LOOK_EVERY_SEC, self._follow_publishers)

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
            return  # nobody there: keep what we have until somebody is
        choice = _overridden_reliability(self._node, self._topic) or self._choice
        reliable = wants_reliable(choice, publishers)
        self.advice = (self._mismatch(publishers) if reliable else "") or self._crowd(publishers)
        if self._subscription is None or reliable != self._reliable:
            self._subscribe(reliable)

    def _mismatch(self, publishers: Sequence[Any]) -> str:
        """What to do about publishers that a reliable subscription can't hear, or ""."""
        if all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in publishers):
            return ""
        return f"{self.topic} has a best-effort publisher, and image_qos asks for reliable images; set it to auto"

    def _crowd(self, publishers: Sequence[Any]) -> str:
        """What to do about a second camera on the topic, or "".

        By their names: one that was killed and started again stays in the graph for a while, under the same.
        """
        names = sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in publishers})
        if len(names) < 2:
            return ""
        return f"{self.topic} has several publishers ({', '.join(names)}), taken for one camera: remap all but one"

    def _subscribe(self, reliable: bool) -> None:
        previous = self._subscription
        self._reliable = reliable
        self._subscription = self._node.create_subscription(
            self._type, self._topic, self._callback, image_qos(reliable), **_overriding_options()
        )
        if previous is not None:
            self._node.destroy_subscription(previous)
            how = "reliably" if reliable else "with best effort"
            self._node.get_logger().info(f"subscribed {how} to {self.topic}, as its publishers offer")


def _overridden_reliability(node: Any, topic: str) -> str:
    """What a parameter file says of the reliability in `qos_overrides`, or "".

    rclpy would take the reliability of the first subscription for what the user wants of all later ones.
    """
    name = f"qos_overrides.{topic_name(node, topic)}.subscription.reliability"
    if not node.has_parameter(name):
        description = "Reliability of the subscription, instead of image_qos: reliable or best_effort."
        node.declare_parameter(name, "", ParameterDescriptor(description=description, read_only=True))
    value = str(node.get_parameter(name).value)
    if value not in ("", RELIABLE, BEST_EFFORT):
        raise ConfigError(f"parameter {name} is {value!r}, expected {RELIABLE!r} or {BEST_EFFORT!r}")
    return value


def _overriding_options() -> dict:
    """Lets a parameter file override the rest of the quality of service, where rclpy can do that."""
    try:
        from rclpy.qos import QoSPolicyKind
        from rclpy.qos_overriding_options import QoSOverridingOptions
    except ImportError:  # Foxy
        return {}
    kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)
    return {"qos_overriding_options": QoSOverridingOptions(policy_kinds=kinds)}
