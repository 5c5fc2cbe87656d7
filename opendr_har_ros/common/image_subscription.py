"""An image subscription with a thread of its own, whose reliability follows the topic's publishers."""

from __future__ import annotations

import threading
import time
import traceback
from typing import Any, Callable, Optional, Sequence

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.callback_groups import CallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import QoSPolicyKind, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from opendr_har_core.errors import ConfigError
from opendr_har_ros.common.log import SparseLog, sanitize_utf8
from opendr_har_ros.common.qos import BEST_EFFORT, COMPRESSED, RELIABLE, image_qos, image_topic, wants_reliable

PAUSE_SEC = 0.01


class ImageSubscription:
    """Subscribes to images; with the choice "auto" `follow_publishers` adopts the publishers' reliability.

    Attributes:
        advice: how to fix publishers that are incompatible or too many, or "".
    """

    def __init__(self, node: Any, camera: str, transport: str, choice: str, callback: Callable[[Any], None]) -> None:
        """Subscribe to image_raw below `camera`, if it is set; `callback` runs in a thread of its own."""
        self._node = node
        self._type = CompressedImage if transport == COMPRESSED else Image
        self._topic = image_topic(node, "/".join(filter(None, (camera, "image_raw"))), transport)
        self._choice = choice
        self._callback = callback
        self._receiver: Optional[_Receiver] = None
        self._reliable = False
        self.advice = ""
        self.follow_publishers()

    @property
    def topic(self) -> str:
        """The topic's full name after remapping."""
        return self._receiver.topic if self._receiver else self._topic

    def __str__(self) -> str:
        """The topic, its type and the reliability."""
        return f"{self.topic} ({self._type.__name__}, {'reliable' if self._reliable else 'best effort'})"

    def close(self) -> None:
        """Unsubscribe; the callback does not run any more."""
        if self._receiver is not None:
            self._receiver.close()
            self._receiver = None

    def silence(self) -> str:
        """What to check when no image arrives."""
        if self._node.count_publishers(self.topic):
            return f"{self.topic} has a publisher, so check the camera and its network"
        name = f"sensor_msgs/msg/{self._type.__name__}"
        topics = [topic for topic, types in self._node.get_topic_names_and_types() if name in types]
        published = sorted(topic for topic in topics if self._others_publish(topic))
        advice = f"remap image_raw to one of {', '.join(published)}" if published else "start the camera"
        return f"{self.topic} has no publisher; {advice}"

    def _others_publish(self, topic: str) -> bool:
        own = (self._node.get_name(), self._node.get_namespace())
        return any((i.node_name, i.node_namespace) != own for i in self._node.get_publishers_info_by_topic(topic))

    def follow_publishers(self) -> None:
        """Adapt to the topic's publishers; call it once a second or so."""
        publishers = self._node.get_publishers_info_by_topic(self.topic) if self._receiver else []
        if self._receiver is not None and not publishers:
            return  # keep the current subscription until a publisher appears
        choice = _overridden_reliability(self._node, self._topic) or self._choice
        reliable = wants_reliable(choice, publishers)
        self.advice = (self._mismatch(publishers) if reliable else "") or self._multiple_publishers(publishers)
        if self._receiver is None or reliable != self._reliable:
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
        previous = self._receiver
        self._reliable = reliable
        self._receiver = _Receiver(self._node, self._type, self._topic, image_qos(reliable), self._callback)
        if previous is not None:
            previous.close()
            how = "reliably" if reliable else "with best effort"
            self._node.get_logger().info(f"resubscribed {how} to {self.topic} to match its publishers")


class _NotInTheExecutor(CallbackGroup):
    """Keeps its entities out of every executor's wait set."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class _Receiver:
    """A subscription and the thread that takes its messages.

    rclpy's executor would rebuild a wait set of all the node's entities three times for each image. This wait set has
    two entities, as in `rclpy.wait_for_message`.
    """

    def __init__(self, node: Any, kind: type, topic: str, qos: Any, callback: Callable[[Any], None]) -> None:
        self._node = node
        self._callback = callback
        self._log = SparseLog(lambda text: node.get_logger().error(text))
        group = _NotInTheExecutor()
        overrides = QoSOverridingOptions(policy_kinds=(QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH))
        self._subscription = node.create_subscription(
            kind, topic, callback, qos, callback_group=group, qos_overriding_options=overrides
        )
        self._wake = node.create_guard_condition(lambda: None, group)
        self.topic = str(self._subscription.topic_name)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="images", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, then destroy the subscription."""
        self._closed.set()
        self._wake.trigger()
        self._thread.join()
        self._node.destroy_guard_condition(self._wake)
        self._node.destroy_subscription(self._subscription)

    def _run(self) -> None:
        context = self._node.context
        with self._subscription.handle, self._wake.handle, context.handle:
            wait_set = rclpy_implementation.WaitSet(1, 1, 0, 0, 0, 0, context.handle)
            while context.ok() and not self._closed.is_set():
                self._receive(wait_set)

    def _receive(self, wait_set: Any) -> None:
        """Wait for an image or for `close`; another node's malformed message must not end the thread."""
        try:
            wait_set.clear_entities()
            wait_set.add_subscription(self._subscription.handle)
            wait_set.add_guard_condition(self._wake.handle)
            wait_set.wait(-1)
            taken = self._subscription.handle.take_message(self._subscription.msg_type, False)
            if taken is not None and not self._closed.is_set():
                self._callback(taken[0])
        except Exception as error:
            self._log(type(error).__name__, sanitize_utf8(f"continuing after an error:\n{traceback.format_exc()}"))
            time.sleep(PAUSE_SEC)


def _overridden_reliability(node: Any, topic: str) -> str:
    """The reliability that a parameter file sets in `qos_overrides`, or "".

    Read here because rclpy would apply the reliability of the first subscription to all later ones.
    """
    name = f"qos_overrides.{topic}.subscription.reliability"
    if not node.has_parameter(name):
        description = "Reliability of the subscription, overriding image_qos: reliable or best_effort."
        node.declare_parameter(name, "", ParameterDescriptor(description=description, read_only=True))
    value = str(node.get_parameter(name).value)
    if value not in ("", RELIABLE, BEST_EFFORT):
        raise ConfigError(f"parameter {name} is {value!r}, expected {RELIABLE!r} or {BEST_EFFORT!r}")
    return value
