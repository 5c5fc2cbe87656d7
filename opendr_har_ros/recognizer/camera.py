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
from opendr_har_ros.common.statistics import Report, Statistics
from opendr_har_ros.recognizer.diagnostics import DISABLED, IDLE, INACTIVE, RUNNING, diagnostic_status
from opendr_har_ros.recognizer.outputs import CameraOutput
from opendr_har_ros.recognizer.parameters import NodeSettings
from opendr_har_ros.recognizer.pipeline import Outcome

# A camera that is silent for this long is reported, at first and then at this interval.
SILENCE_SEC, REPEAT_SEC = 5.0, 60.0


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
        self._was_idle = False
        self._silence_due = 0.0
        self.warn = SparseLog(self._log_warning)

    def subscribe(self, settings: NodeSettings, callback: Callable[[Camera, Any], None]) -> None:
        """Subscribe, with new statistics."""
        self.statistics = Statistics()
        self._shown = None
        self._phase = RUNNING
        self._subscription = ImageSubscription(
            self._node, self.name, settings.transport, settings.image_qos, lambda message: callback(self, message)
        )
        self._silence_due = time.monotonic() + SILENCE_SEC
        self._node.get_logger().info(f"images from {self._subscription}; labels on {', '.join(self.output.topics)}")

    def unsubscribe(self) -> None:
        """Unsubscribe."""
        self._phase = INACTIVE
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def received(self, message: Any, always_on: bool, enabled: bool) -> Optional[int]:
        """Count an image; returns its stamp in nanoseconds, or None if no label is wanted.

        An image without a stamp gets the current time.
        """
        stamp_ns = stamp_of(message.header) or self._now_ns()
        self.statistics.received(stamp_ns, time.monotonic_ns())
        wanted = enabled and (always_on or self.output.is_watched)
        self._phase = RUNNING if wanted else IDLE if enabled else DISABLED
        self._was_idle = self._was_idle or not wanted
        return stamp_ns if wanted else None

    def deliver(self, outcome: Outcome, message: Any, class_id_format: str) -> None:
        """Publish and count the outcome of an image."""
        if outcome.error is not None:
            self.failed(type(outcome.error).__name__, str(outcome.error))
            return
        self.statistics.ordered(outcome.status.out_of_order)
        reset = outcome.status.reset
        if outcome.status.sampled:
            # The images that were skipped while idle are missing by intention, not because of the camera.
            resumes = self._was_idle and self._phase == RUNNING
            self._was_idle = self._was_idle and not resumes
            self.statistics.sampled(None if resumes else reset)
            if reset and not resumes:
                self.warn("reset", f"history reset: {reset}")
            if outcome.warning and not resumes:
                self.warn("slow", outcome.warning)
        self.output.publish_events(outcome.events, class_id_format, message.header.frame_id)
        if reset:
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
            self.output.publish_image(image, message.header)
        except ImageError as error:  # this may be the first access to the pixels
            self.warn("picture", f"image not drawn: {error}")

    def reset(self, ended: Sequence[LabelEvent], class_id_format: str) -> None:
        """Start a new history, and publish the labels that end with the old one."""
        self._shown = None
        self.output.publish_events(ended, class_id_format)
        self.output.clear_activity()

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
        advice = ""
        if self._subscription is not None:
            self._subscription.follow_publishers()
            model = {**model, "image topic": self._subscription.topic, "label topic": self.output.topics[0]}
            silence = self._silence(report, self._subscription)
            advice = self._subscription.advice or silence
            if silence or self._phase != RUNNING:
                self.output.clear_activity()
        return diagnostic_status(node_name, self.name, report, model, self._phase, advice or fallback_reason, fault)

    def _silence(self, report: Report, subscription: ImageSubscription) -> str:
        """Why no image arrives, or ""; logged after five seconds and then once a minute."""
        if report.received and report.silent_sec <= SILENCE_SEC:
            self._silence_due = time.monotonic()
            return ""
        since = f"for {report.silent_sec:.0f} s" if report.received else "has arrived"
        text = f"no image {since}: {subscription.silence()}"
        if time.monotonic() >= self._silence_due:
            self._silence_due = time.monotonic() + REPEAT_SEC
            self._log_warning(text)
        return text

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
