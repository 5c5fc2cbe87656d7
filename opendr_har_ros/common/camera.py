"""One camera of a node: its subscription, publishers and statistics."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.common.diagnostics import DISABLED, IDLE, INACTIVE, RUNNING, diagnostic_status
from opendr_har_ros.common.image_subscription import ImageSubscription
from opendr_har_ros.common.images import stamp_of
from opendr_har_ros.common.log import SparseLog
from opendr_har_ros.common.node_settings import NodeSettings
from opendr_har_ros.common.outputs import CameraOutput
from opendr_har_ros.common.pipeline import Events, Outcome
from opendr_har_ros.common.statistics import Report, Statistics
from opendr_har_ros.common.worker import NewestFirstWorker

# A camera that is silent for this long is reported, at first and then at this interval.
SILENCE_SEC, REPEAT_SEC = 5.0, 60.0


class Camera:
    """Subscription, publishers and statistics of one camera; subclasses publish and draw its labels."""

    output: CameraOutput

    def __init__(self, node: Any, name: str) -> None:
        self.name = name
        self.statistics = Statistics()
        self._node = node
        self._subscription: Optional[ImageSubscription] = None
        self._phase = INACTIVE
        self._was_idle = False
        self._silence_due = 0.0
        self.warn = SparseLog(self._log_warning)

    def publish(self, outcome: Any, header: Any, class_id_format: str) -> Optional[int]:
        """Publish the labels of an outcome; returns the stamp of the newest one in nanoseconds, None without any."""
        raise NotImplementedError

    def picture(self, outcome: Any, frame: LazyFrame, lines: List[str]) -> np.ndarray:
        """The annotated uint8 (H, W, 3) image, with `lines` of text; raises ImageError."""
        raise NotImplementedError

    def forget(self) -> None:
        """A new history has begun."""

    def pause(self) -> None:
        """No labels are made, for lack of images or subscribers."""

    def values(self) -> Dict[str, str]:
        """Further values for the diagnostics."""
        return {}

    def advice(self) -> str:
        """What to do about further inputs, or ""."""
        return ""

    def subscribe(self, settings: NodeSettings, callback: Callable[[Camera, Any], None]) -> None:
        """Subscribe, with new statistics."""
        self.statistics = Statistics()
        self.forget()
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

    def offer(self, message: Any, stamp_ns: int, worker: NewestFirstWorker) -> bool:
        """Hand an image to the worker; returns whether this or another one is dropped for it."""
        return worker.put((message, stamp_ns), self.name)

    def flush(self) -> None:
        """Drop and count images that wait for something else than the worker."""

    def deliver(self, outcome: Outcome, message: Any, class_id_format: str) -> None:
        """Publish and count the outcome of an image."""
        if outcome.error is not None:
            self.failed(type(outcome.error).__name__, str(outcome.error))
            return
        self.statistics.ordered(outcome.out_of_order)
        reset = outcome.reset
        if outcome.sampled:
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
            self.forget()
        published_ns = self.publish(outcome, message.header, class_id_format)
        if published_ns is not None:
            self.statistics.published((self._now_ns() - published_ns) / NANOSECONDS, time.monotonic_ns())

    def draw(self, outcome: Outcome, message: Any) -> None:
        """Publish the annotated image if it has a subscriber."""
        if outcome.frame is None or not self.output.wants_images:
            return
        try:
            image = self.picture(outcome, outcome.frame, self._lines())
            self.output.publish_image(image, message.header)
        except ImageError as error:  # this may be the first access to the pixels
            self.warn("picture", f"image not drawn: {error}")

    def reset(self, ended: Events, class_id_format: str) -> None:
        """Start a new history, and publish the labels that end with the old one."""
        self.forget()
        self.output.publish_events(ended, class_id_format)
        self.pause()

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
            advice = self._subscription.advice or silence or self.advice()
            if silence or self._phase != RUNNING:
                self.pause()
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

    def _lines(self) -> List[str]:
        """Rate and latency, for the annotated image."""
        report = self.statistics.report(time.monotonic_ns())
        if report.latency_ms is None:
            return []
        return [f"{report.rate_out:.1f} labels/s, {report.latency_ms[0]:.0f} ms"]

    def _log_warning(self, text: str) -> None:
        self._node.get_logger().warning(f"{self.name}: {text}" if self.name else text)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
