"""One camera of the recognizer node: what comes in, what goes out, and what is counted on the way."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Optional, Sequence

from diagnostic_msgs.msg import DiagnosticStatus

from opendr_har_core.errors import ImageError
from opendr_har_core.media.annotate import annotate
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_ros.common.image_subscription import ImageInput
from opendr_har_ros.common.log import SparseLog
from opendr_har_ros.common.statistics import Report, Statistics
from opendr_har_ros.common.vision_messages import MessageFactory
from opendr_har_ros.recognizer.diagnostics import IDLE, INACTIVE, RUNNING, diagnostic_status
from opendr_har_ros.recognizer.outputs import CameraOutput
from opendr_har_ros.recognizer.parameters import RecognizerSettings
from opendr_har_ros.recognizer.pipeline import Outcome, stamp_of


class Camera:
    """Subscription, publishers and counts of one camera; its history is in the pipeline."""

    def __init__(self, node: Any, name: str, factory: MessageFactory) -> None:
        self.name = name
        self.statistics = Statistics()
        self.output = CameraOutput(node, factory, name)
        self._node = node
        self._input: Optional[ImageInput] = None
        self._shown: Optional[Prediction] = None
        self._phase = INACTIVE
        self.warn = SparseLog(self._log_warning)

    def listen(self, settings: RecognizerSettings, callback: Callable[[Camera, Any], None]) -> None:
        """Subscribe, with fresh counts."""
        self.statistics = Statistics()
        self._shown = None
        self._phase = RUNNING
        self._input = ImageInput(
            self._node, self.name, settings.transport, settings.image_qos, lambda message: callback(self, message)
        )

    def stop_listening(self) -> None:
        """Unsubscribe."""
        self._phase = INACTIVE
        if self._input is not None:
            self._input.close()
            self._input = None

    def received(self, message: Any, always_on: bool) -> Optional[int]:
        """Count an image; gives its stamp in nanoseconds, or None where nobody wants to know what it shows."""
        stamp_ns = stamp_of(message.header, self._now_ns())
        self.statistics.received(stamp_ns, time.monotonic_ns())
        wanted = always_on or self.output.is_watched
        self._phase = RUNNING if wanted else IDLE
        return stamp_ns if wanted else None

    def deliver(self, outcome: Outcome, message: Any, class_id_format: str) -> None:
        """Publish what came of an image, and count it."""
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
        """Publish the image with its labels, where anybody looks."""
        if outcome.frame is None or not self.output.wants_pictures:
            return
        try:
            picture = annotate(outcome.frame.rgb, self._shown, self._lines(outcome))
        except ImageError as error:  # nobody else may have needed the pixels
            self.warn("picture", f"image not drawn: {error}")
            return
        self.output.publish_picture(picture, message.header)

    def forget(self, ended: Sequence[LabelEvent]) -> None:
        """A new history begins; say which labels end."""
        self._shown = None
        self.output.publish_events(ended)

    def failed(self, kind: str, details: str) -> None:
        """Count and say that an image could not be used."""
        self.statistics.failed(details)
        self.warn(kind, f"image not used: {details}")

    def diagnostics(self, node_name: str, facts: Dict[str, str], fallback_reason: str, fault: str) -> DiagnosticStatus:
        """How the camera is doing; `fallback_reason` is what is wrong with the model that all cameras share, or "".

        `fault` is why the node is not active although it should be, or "".
        """
        report = self.statistics.report(time.monotonic_ns())
        if self._phase != INACTIVE and report.loses_many:
            self.warn("loss", f"about {100 * (report.lost_share or 0):.0f} % of the images are lost; see /diagnostics")
        if fallback_reason:
            self.warn("provider", fallback_reason)
        advice = fallback_reason or (self._input.advice if self._input is not None else "")
        return diagnostic_status(node_name, self.name, report, facts, self._phase, advice, fault)

    def close(self) -> None:
        """Take everything off the graph."""
        self.stop_listening()
        self.output.close()

    def _lines(self, outcome: Outcome) -> list:
        """What the picture says below the labels."""
        report: Report = self.statistics.report(time.monotonic_ns())
        lines = [] if outcome.status.phase == "running" else [str(outcome.status)]
        if report.latency_ms is not None:
            lines.append(f"{report.rate_out:.1f} labels/s, {report.latency_ms[0]:.0f} ms")
        return lines

    def _log_warning(self, text: str) -> None:
        self._node.get_logger().warning(f"{self.name}: {text}" if self.name else text)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
