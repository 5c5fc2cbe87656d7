"""One camera of the recognizer node: its subscription, publishers and statistics."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional, Sequence

from diagnostic_msgs.msg import DiagnosticStatus

from opendr_har_core.errors import ImageError
from opendr_har_core.media.annotate import annotate
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_ros.common.image_subscription import ImageSubscription
from opendr_har_ros.common.images import stamp_of
from opendr_har_ros.common.log import SparseLog
from opendr_har_ros.common.statistics import Statistics
from opendr_har_ros.recognizer.diagnostics import IDLE, INACTIVE, RUNNING, diagnostic_status
from opendr_har_ros.recognizer.outputs import CameraOutput
from opendr_har_ros.recognizer.parameters import NodeSettings
from opendr_har_ros.recognizer.pipeline import Outcome


class Camera:
    """Subscription, publishers and statistics of one camera; its stream state is in the pipeline."""

    def __init__(self, node: Any, name: str) -> None:
        self.name = name
        self.statistics = Statistics()
        self.output = CameraOutput(node, name)
        self._node = node
        self._subscription: Optional[ImageSubscription] = None
        self._shown: Optional[Prediction] = None
        self._phase = INACTIVE
        self.warn = SparseLog(self._log_warning)

    def subscribe(self, settings: NodeSettings, callback: Callable[[Camera, Any], None]) -> None:
        """Subscribe, with new statistics."""
        self.statistics = Statistics()
        self._shown = None
        self._phase = RUNNING
        self._subscription = ImageSubscription(
            self._node, self.name, settings.transport, settings.image_qos, lambda message: callback(self, message)
        )

    def unsubscribe(self) -> None:
        """Unsubscribe."""
        self._phase = INACTIVE
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def received(self, message: Any, always_on: bool) -> Optional[int]:
        """Count an image; returns its stamp in nanoseconds, or None if no label is wanted.

        An image without a stamp gets the current time.
        """
        stamp_ns = stamp_of(message.header) or self._now_ns()
        self.statistics.received(stamp_ns, time.monotonic_ns())
        wanted = always_on or self.output.is_watched
        self._phase = RUNNING if wanted else IDLE
        return stamp_ns if wanted else None

    def deliver(self, outcome: Outcome, message: Any, class_id_format: str) -> None:
        """Publish and count the outcome of an image."""
        if outcome.error is not None:
            self.failed(type(outcome.error).__name__, str(outcome.error))
            return
        self.statistics.ordered(outcome.status.out_of_order)
        if outcome.status.sampled:
            self.statistics.sampled(outcome.status.reset)
        for kind, text in outcome.warnings:
            self.warn(kind, text)
        self.output.publish_events(outcome.events, message.header.frame_id)
        if outcome.status.reset:
            self._shown = None
        if outcome.prediction is not None:
            self._shown = outcome.prediction
            self.output.publish(outcome.prediction, message.header, class_id_format)
            latency_sec = (self._now_ns() - outcome.prediction.stamp_ns) / NANOSECONDS
            self.statistics.published(latency_sec, time.monotonic_ns())

    def draw(self, outcome: Outcome, message: Any) -> None:
        """Publish the annotated image if it has a subscriber."""
        if outcome.frame is None or not self.output.wants_images:
            return
        try:
            image = annotate(outcome.frame.rgb, self._shown, self._lines(outcome))
        except ImageError as error:  # this may be the first access to the pixels
            self.warn("picture", f"image not drawn: {error}")
            return
        self.output.publish_image(image, message.header)

    def reset(self, ended: Sequence[LabelEvent]) -> None:
        """Start a new history, and publish the labels that end with the old one."""
        self._shown = None
        self.output.publish_events(ended)

    def failed(self, kind: str, details: str) -> None:
        """Count and log an image that could not be used."""
        self.statistics.failed(details)
        self.warn(kind, f"image not used: {details}")

    def diagnostics(self, node_name: str, model: Dict[str, str], fallback_reason: str, fault: str) -> DiagnosticStatus:
        """The camera's status; `fallback_reason` and `fault` concern the whole node and may be "".

        `fallback_reason` says why the model runs on another provider than the requested one, `fault` why the node
        failed to activate.
        """
        report = self.statistics.report(time.monotonic_ns())
        if self._phase != INACTIVE and report.loses_many:
            self.warn("loss", f"about {100 * (report.lost_share or 0):.0f} % of the images are lost; see /diagnostics")
        if fallback_reason:
            self.warn("provider", fallback_reason)
        advice = fallback_reason or (self._subscription.advice if self._subscription is not None else "")
        return diagnostic_status(node_name, self.name, report, model, self._phase, advice, fault)

    def close(self) -> None:
        """Destroy the subscription and the publishers."""
        self.unsubscribe()
        self.output.close()

    def _lines(self, outcome: Outcome) -> List[str]:
        """Text below the labels in the annotated image."""
        report = self.statistics.report(time.monotonic_ns())
        lines = [] if outcome.status.phase == "running" else [str(outcome.status)]
        if report.latency_ms is not None:
            lines.append(f"{report.rate_out:.1f} labels/s, {report.latency_ms[0]:.0f} ms")
        return lines

    def _log_warning(self, text: str) -> None:
        self._node.get_logger().warning(f"{self.name}: {text}" if self.name else text)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
