"""A page that shows what a running recognizer publishes, served from a process of its own."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace
from typing import Any, Dict, Optional

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Bool

from opendr_har_core.errors import ConfigError, ImageError
from opendr_har_core.live.access import LOOPBACK
from opendr_har_core.live.schema import LOST, PLAYING, WAITING, Metrics, ModelInfo, SourceInfo, StreamInfo
from opendr_har_core.live.state import LiveState
from opendr_har_core.prediction import Hypothesis
from opendr_har_ros.common.image_subscription import ImageInput
from opendr_har_ros.common.images import frame_from_compressed, frame_from_image
from opendr_har_ros.common.parameters import declare, read
from opendr_har_ros.common.qos import LABELS, LATCHED
from opendr_har_ros.common.timers import steady_timer
from opendr_har_ros.common.vision_messages import MessageFactory, class_name
from opendr_har_ros.recognizer.parameters import COMPRESSED
from opendr_har_ros.web.parameters import WEB, WebSettings

LOOK_EVERY_SEC = 0.5
# A recognizer says how it is once a second; one that says nothing for so long is gone.
SILENT_SEC = 4.0


class WebNode(Node):
    """Subscribes to the labels all the time, and to the images only while somebody looks at the page."""

    def __init__(self) -> None:
        """Raises ConfigError for a wrong parameter, HarError where the page can't be served."""
        super().__init__("web")
        declare(self, WEB)
        self._settings = WebSettings.from_values(read(self, WEB))
        self._state = LiveState(f"recognizer {self._settings.recognizer}")
        self._heard = 0.0
        self._model = ModelInfo("")
        self._provisional = False
        self._images: Optional[ImageInput] = None
        self._server = self._serve()
        self._subscribe()
        self._timer = steady_timer(self, LOOK_EVERY_SEC, self._look)

    def destroy_node(self) -> None:
        """Send the viewers away first."""
        server = getattr(self, "_server", None)
        if server is not None:
            server.stop()
        super().destroy_node()

    def _serve(self) -> Any:
        try:
            from opendr_har_core.live.server import LiveServer
        except ImportError as error:
            raise ConfigError(f"the page needs aiohttp ({error}); pip install aiohttp") from None
        server = LiveServer(self._settings.page, self._state)
        port = server.start()
        page = replace(self._settings.page, port=port)
        self.get_logger().info(f"the page is at {replace(page, host=LOOPBACK, token='').url}")
        if page.token:  # on the terminal only: logs are published on /rosout and kept in files
            sys.stderr.write(f"{page.url}\n")
            sys.stderr.flush()
        return server

    def _subscribe(self) -> None:
        factory = MessageFactory()
        name, camera = self._settings.recognizer, self._settings.camera
        of_camera = f"{name}/{camera}" if camera else name
        # First: of messages that came together it has to be taken before the label that it is about.
        self.create_subscription(Bool, f"{of_camera}/provisional", self._on_provisional, LATCHED)
        self.create_subscription(
            factory.classification_type, f"{of_camera}/classification", self._on_classification, LABELS
        )
        self.create_subscription(DiagnosticArray, f"{of_camera}/events", self._on_events, LABELS)
        info = self.create_subscription(factory.vision_info_type, f"{name}/vision_info", self._on_vision_info, LATCHED)
        node = info.topic_name.rsplit("/", 1)[0].lstrip("/")
        self._status_name = f"{node}: activity recognition" + (f" of {camera}" if camera else "")
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_classification(self, message: Any) -> None:
        self._heard = time.monotonic()
        top = [Hypothesis(index, class_name(item), item.score) for index, item in enumerate(message.results)]
        self._state.push_labels(top, self._provisional)

    def _on_provisional(self, message: Bool) -> None:
        self._provisional = message.data

    def _on_events(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = _values(status)
            score, duration = _number(values.get("score")), _number(values.get("duration_sec"))
            self._state.push_event(status.message, status.name, score, duration)

    def _on_vision_info(self, message: Any) -> None:
        name, _, _ = message.method.partition(",")  # the rest is in the diagnostics
        self._tell_model(replace(self._model, name=name))

    def _tell_model(self, model: ModelInfo) -> None:
        if model != self._model:
            self._model = model
            self._state.set_model(model)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status_name:
                self._take(status)

    def _take(self, status: DiagnosticStatus) -> None:
        self._heard = time.monotonic()
        values = _values(status)
        weights, provider = values.get("weights", ""), values.get("provider", "")
        delay = values.get("label delay (s)")
        name = self._model.name or values.get("model", "")
        self._tell_model(ModelInfo(name, weights, provider, label_delay_sec=None if delay is None else _number(delay)))
        latency = tuple(_number(values.get(f"latency {name} (ms)")) for name in ("p50", "p95", "p99"))
        metrics = Metrics(
            rate_in=_number(values.get("rate in (Hz)")),
            rate_out=_number(values.get("rate out (Hz)")),
            latency_ms=latency if any(latency) else None,
            dropped=int(_number(values.get("frames dropped"))),
        )
        is_well = status.level == DiagnosticStatus.OK
        state = PLAYING if metrics.rate_in else (WAITING if is_well else LOST)
        hint = "" if is_well else status.message
        source = SourceInfo(self._name(), state, status.message if state != PLAYING else "")
        self._state.set_status(source, _stream(values.get("stream", "")) or StreamInfo("running", text=hint), metrics)

    def _look(self) -> None:
        """Images come and go with those who look at them; a recognizer that is silent is gone."""
        if self._state.wants_pictures and self._images is None:
            settings = self._settings
            self._images = ImageInput(self, settings.camera, settings.transport, settings.image_qos, self._on_image)
        elif not self._state.wants_pictures and self._images is not None:
            self._images.close()
            self._images = None
        if self._heard and time.monotonic() - self._heard > SILENT_SEC:
            self._state.set_status(SourceInfo(self._name(), LOST, "nothing is heard of the recognizer"))

    def _on_image(self, message: Any) -> None:
        convert = frame_from_compressed if self._settings.transport == COMPRESSED else frame_from_image
        try:
            self._state.push_frame(convert(message, 0))
        except ImageError:  # the recognizer counts it and says so
            return

    def _name(self) -> str:
        topic = self._images.topic if self._images else ""
        return f"{self._settings.recognizer} {topic}".strip()


def _values(status: DiagnosticStatus) -> Dict[str, str]:
    return {item.key: item.value for item in status.values}


def _number(text: Optional[str]) -> float:
    """What a message says, 0 for what is no number; whoever publishes may write anything."""
    try:
        number = float(text or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _stream(text: str) -> Optional[StreamInfo]:
    """The warm-up as diagnostics write it, "warming 3/12"; None where it is over."""
    phase, _, counts = text.partition(" ")
    step, _, needed = counts.partition("/")
    try:
        return StreamInfo(phase, int(step), int(needed))
    except ValueError:
        return None
