"""The web node: serves a page that shows the images, labels and diagnostics of a recognizer or of the node people."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Bool

from opendr_har_core.errors import ConfigError, ImageError
from opendr_har_core.live.state import LOST, PLAYING, WAITING, LiveState, Metrics, ModelInfo, SourceInfo, StreamInfo
from opendr_har_core.live.teaching import TeachingControl
from opendr_har_core.people.pipeline import Person
from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import BEGAN, ENDED
from opendr_har_ros.common.har_messages import MISSING, ActivityEvent
from opendr_har_ros.common.image_subscription import ImageSubscription
from opendr_har_ros.common.images import frame_from_message
from opendr_har_ros.common.lifecycle import steady_timer
from opendr_har_ros.common.qos import LABELS, LATCHED
from opendr_har_ros.common.vision_messages import Classification, Detection2DArray, VisionInfo
from opendr_har_ros.web.parameters import WEB
from opendr_har_ros.web.teaching import RosTeaching

CHECK_EVERY_SEC = 0.5
# A recognizer publishes diagnostics once a second; after this time without any it counts as gone.
SILENT_SEC = 4.0


class WebNode(Node):
    """Subscribes to the labels permanently, and to the images only while the page has viewers."""

    def __init__(self, node_name: str = "web", **options: Any) -> None:
        """Takes the arguments of rclpy's `Node`.

        Raises ConfigError for an invalid parameter, HarError if the page can't be served.
        """
        super().__init__(node_name, **options)
        WEB.declare(self)
        self._settings, self._page = WEB.instances(WEB.values(self))
        self._state = LiveState(f"recognizer {self._settings.recognizer}")
        self._heard = 0.0
        self._model = ModelInfo("")
        self._provisional = False
        self._scores: Dict[str, Tuple[Hypothesis, ...]] = {}
        self._size = (1, 1)
        self._images: Optional[ImageSubscription] = None
        self._teaching: Optional[RosTeaching] = None
        if not MISSING:
            self._teaching = RosTeaching(self, self._settings.recognizer, self._settings.camera)
            self._control = TeachingControl(self._teaching, self._state)
        self._server = self._serve()
        self._subscribe()
        self._timer = steady_timer(self, CHECK_EVERY_SEC, self._check)

    def destroy_node(self) -> None:
        """Stop the server and the images' thread, then destroy the node."""
        if getattr(self, "_teaching", None) is not None:
            self._teaching.close()
        if getattr(self, "_images", None) is not None:
            self._images.close()
        server = getattr(self, "_server", None)
        if server is not None:
            server.stop()
        super().destroy_node()

    def _serve(self) -> Any:
        try:
            from opendr_har_core.live.server import LiveServer
        except ImportError as error:
            raise ConfigError(f"the page needs aiohttp ({error}); pip install aiohttp") from None
        server = LiveServer(self._page, self._state, self._control if self._teaching else None)
        page = replace(self._page, port=server.start())
        self.get_logger().info(f"the page is at {page.url.partition('#')[0]}")
        if page.token:  # not logged, since logs are published on /rosout and kept in files
            sys.stderr.write(f"{page.url}\n")
            sys.stderr.flush()
        return server

    def _subscribe(self) -> None:
        name, camera = self._settings.recognizer, self._settings.camera
        of_camera = f"{name}/{camera}" if camera else name
        # Subscribed first: rclpy then takes it before the label that it describes.
        self.create_subscription(Bool, f"{of_camera}/provisional", self._on_provisional, LATCHED)
        self.create_subscription(Classification, f"{of_camera}/classification", self._on_classification, LABELS)
        self.create_subscription(Detection2DArray, f"{of_camera}/people", self._on_people, LABELS)
        if ActivityEvent is None:
            self.get_logger().info(f"the page shows no events: {MISSING}")
        else:
            self.create_subscription(ActivityEvent, f"{of_camera}/events", self._on_event, LABELS)
        info = self.create_subscription(VisionInfo, f"{name}/vision_info", self._on_vision_info, LATCHED)
        node = info.topic_name.rsplit("/", 1)[0].lstrip("/")
        self._status_name = f"{node}: activity recognition" + (f" of {camera}" if camera else "")
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_classification(self, message: Any) -> None:
        self._heard = time.monotonic()
        top = [_hypothesis(index, item) for index, item in enumerate(message.results)]
        self._state.push_labels(top, self._provisional)

    def _on_people(self, message: Any) -> None:
        """Each person's box, and the label if it is a new one: messages repeat labels."""
        self._heard = time.monotonic()
        people, scores = [], {}
        for item in message.detections:
            found = tuple(_hypothesis(index, result.hypothesis) for index, result in enumerate(item.results))
            x, y = item.bbox.center.position.x, item.bbox.center.position.y
            width, height = item.bbox.size_x, item.bbox.size_y
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            label = Prediction(0, found, np.zeros(0)) if found else None
            people.append(Person(item.id, box, label, found != self._scores.get(item.id)))
            scores[item.id] = found
        self._scores = scores
        self._state.push_people(people, self._size)

    def _on_provisional(self, message: Bool) -> None:
        self._provisional = message.data

    def _on_event(self, message: Any) -> None:
        kind = BEGAN if message.kind == message.BEGAN else ENDED
        duration_sec = message.duration.sec + message.duration.nanosec / NANOSECONDS
        self._state.push_event(kind, message.class_id, message.score, duration_sec, message.track_id)

    def _on_vision_info(self, message: Any) -> None:
        name, _, _ = message.method.partition(",")  # the diagnostics have the rest
        self._set_model(replace(self._model, name=name))
        if self._state.shows_lessons:  # another client may have taught it
            self._control.refresh()

    def _set_model(self, model: ModelInfo) -> None:
        if model != self._model:
            self._model = model
            self._state.set_model(model)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status_name:
                self._on_status(status)

    def _on_status(self, status: DiagnosticStatus) -> None:
        self._heard = time.monotonic()
        values = _values(status)
        weights, provider = values.get("weights", ""), values.get("provider", "")
        delay = values.get("label delay (s)")
        name = self._model.name or values.get("model", "")
        self._set_model(
            ModelInfo(name, weights, provider, label_delay_sec=None if delay is None else parse_number(delay))
        )
        latency = tuple(parse_number(values.get(f"latency {name} (ms)")) for name in ("p50", "p95", "p99"))
        metrics = Metrics(
            rate_in=parse_number(values.get("rate in (Hz)")),
            rate_out=parse_number(values.get("rate out (Hz)")),
            latency_ms=latency if any(latency) else None,
            dropped=int(parse_number(values.get("frames dropped"))),
        )
        is_ok = status.level == DiagnosticStatus.OK
        state = PLAYING if metrics.rate_in else (WAITING if is_ok else LOST)
        hint = "" if is_ok else status.message
        source = SourceInfo(self._name(), state, status.message if state != PLAYING else "")
        self._state.set_status(
            source, parse_stream(values.get("stream", "")) or StreamInfo("running", text=hint), metrics
        )

    def _check(self) -> None:
        """Subscribe to images while the page has viewers; report a recognizer that has become silent."""
        if self._state.wants_pictures and self._images is None:
            settings = self._settings
            self._images = ImageSubscription(
                self, settings.camera, settings.transport, settings.image_qos, self._on_image
            )
        elif not self._state.wants_pictures and self._images is not None:
            self._images.close()
            self._images = None
        elif self._images is not None:
            self._images.follow_publishers()
        self._follow_teaching()
        if self._heard and time.monotonic() - self._heard > SILENT_SEC:
            self._state.set_status(SourceInfo(self._name(), LOST, "the recognizer is silent"))

    def _follow_teaching(self) -> None:
        """Show the lessons while the recognizer can be taught."""
        can_teach = self._teaching is not None and self._teaching.is_ready
        if can_teach and not self._state.shows_lessons:
            self._control.refresh()
        elif self._state.shows_lessons and not can_teach:
            self._state.set_lessons(None)

    def _on_image(self, message: Any) -> None:
        try:
            frame = frame_from_message(message, self._settings.transport, 0)
            self._size = frame.size
            self._state.push_frame(frame)
        except ImageError:  # the recognizer counts and reports it
            return

    def _name(self) -> str:
        topic = self._images.topic if self._images else ""
        return f"{self._settings.recognizer} {topic}".strip()


def _hypothesis(index: int, item: Any) -> Hypothesis:
    return Hypothesis(index, item.class_id, item.score)


def _values(status: DiagnosticStatus) -> Dict[str, str]:
    return {item.key: item.value for item in status.values}


def parse_number(text: Optional[str]) -> float:
    """The number in a diagnostic value; 0 for text that is not a finite number."""
    try:
        number = float(text or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def parse_stream(text: str) -> Optional[StreamInfo]:
    """Parse the warm-up in a diagnostic value such as "warming 3/12"; None after the warm-up."""
    phase, _, counts = text.partition(" ")
    step, _, needed = counts.partition("/")
    try:
        return StreamInfo(phase, int(step), int(needed))
    except ValueError:
        return None
