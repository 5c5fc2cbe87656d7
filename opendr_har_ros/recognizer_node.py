"""The recognizer: a managed node that turns a camera topic into labels. Wiring only."""

from __future__ import annotations

import functools
import time
import traceback
from typing import Any, Callable, List, Optional, Tuple

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from opendr_har_core.errors import HarError
from opendr_har_core.recognizer import Recognizer
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.diagnostics import diagnostic_array
from opendr_har_ros.image_input import ImageInput
from opendr_har_ros.label_output import LabelOutput
from opendr_har_ros.log import SparseLog
from opendr_har_ros.messages import MessageFactory
from opendr_har_ros.parameters import declare, names_fixed_while_configured, read
from opendr_har_ros.pipeline import Pipeline, stamp_of
from opendr_har_ros.recognizer_parameters import RECOGNIZER, RecognizerSettings
from opendr_har_ros.statistics import Statistics
from opendr_har_ros.worker import NewestFirstWorker

DIAGNOSTICS_EVERY_SEC = 1.0


def transition(callback: Callable[..., None]) -> Callable[..., TransitionCallbackReturn]:
    """A lifecycle callback whose errors are logged and fail the transition; rclpy itself would swallow them."""

    @functools.wraps(callback)
    def guarded(node: RecognizerNode, state: Any) -> TransitionCallbackReturn:
        try:
            callback(node, state)
            return TransitionCallbackReturn.SUCCESS
        except HarError as error:
            node.get_logger().error(f"{callback.__name__}: {error}")
        except Exception:  # the state machine must always get an answer
            node.get_logger().error(f"{callback.__name__} failed:\n{traceback.format_exc()}")
        return TransitionCallbackReturn.FAILURE

    return guarded


class RecognizerNode(LifecycleNode):
    """Subscribes to image_raw, publishes ~/classification, ~/hypothesis, ~/label and what belongs to them."""

    def __init__(self) -> None:
        """Raises ConfigError for a parameter of a wrong type."""
        super().__init__("recognizer")
        self._pipeline: Optional[Pipeline] = None
        self._output: Optional[LabelOutput] = None
        self._input: Optional[ImageInput] = None
        self._worker: Optional[NewestFirstWorker] = None
        declare(self, RECOGNIZER)
        self._settings = RecognizerSettings.from_values(read(self, RECOGNIZER))
        self._statistics = Statistics()
        self._warn = SparseLog(self.get_logger().warning)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(DIAGNOSTICS_EVERY_SEC, self._publish_diagnostics)
        self.create_service(Trigger, "~/reset", self._on_reset)
        if self._settings.autostart:
            self._start()

    def _start(self) -> None:
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()
        else:
            self.get_logger().error("not configured; correct the parameters, then 'ros2 lifecycle set ... configure'")

    @transition
    def on_configure(self, _state: Any) -> None:
        """Load the model."""
        settings = RecognizerSettings.from_values(read(self, RECOGNIZER))
        recognizer = Recognizer.open(settings.model, settings.providers, settings.threads, settings.spin)
        pipeline = Pipeline(recognizer, settings)
        # Last what others see: until here a failure leaves no trace.
        self._output = LabelOutput(self, MessageFactory())
        self._pipeline = pipeline
        self._settings = settings
        self._log_model(recognizer)

    @transition
    def on_activate(self, state: Any) -> None:
        """Begin to listen, with an empty history."""
        pipeline, _ = self._configured()
        pipeline.reset()
        self._statistics = Statistics()
        super().on_activate(state)  # opens the publishers
        try:
            self._worker = NewestFirstWorker(self._handle, self._on_work_error)
            self._publish_labels()
            self._input = ImageInput(self, self._settings.transport, self._settings.image_qos, self._on_image)
        except Exception:  # back to what an inactive node is
            self._stop()
            super().on_deactivate(state)
            raise

    @transition
    def on_deactivate(self, state: Any) -> None:
        """Stop listening; the model stays loaded."""
        self._stop()
        super().on_deactivate(state)

    @transition
    def on_cleanup(self, _state: Any) -> None:
        """Let the model go."""
        self._release()

    @transition
    def on_shutdown(self, _state: Any) -> None:
        """End in order, whatever state the node was in."""
        self._release()

    @transition
    def on_error(self, _state: Any) -> None:
        """Back to the unconfigured state, from which the node can be configured again."""
        self._release()

    def destroy_node(self) -> None:
        """Stop the worker before the publishers that it uses go."""
        self._stop()
        super().destroy_node()

    def _configured(self) -> tuple:
        if self._pipeline is None or self._output is None:
            raise HarError("no model is loaded; configure the node first")
        return self._pipeline, self._output

    def _stop(self) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _release(self) -> None:
        self._stop()
        if self._output is not None:
            self._output.close()
            self._output = None
        self._pipeline = None

    def _on_image(self, message: Any) -> None:
        """Only keeps the newest message; the worker does the rest."""
        stamp_ns = stamp_of(message.header, self._now_ns())
        self._statistics.received(stamp_ns, time.monotonic_ns())
        if self._worker is not None and self._worker.put((message, stamp_ns)):
            self._statistics.dropped()

    def _handle(self, arrived: Tuple[Any, int]) -> None:
        """Runs in the worker's thread."""
        message, stamp_ns = arrived
        pipeline, output = self._configured()
        prediction = pipeline.process(message, stamp_ns)
        status = pipeline.status
        if status.sampled:
            self._statistics.sampled(reset=status.reset is not None)
        if status.reset:
            self._warn("reset", f"history forgotten: {status.reset}")
        if status.slow_camera:
            self._warn(
                "slow", f"the camera is slower than the model's {self._training_rate():.1f} Hz; labels may suffer"
            )
        if prediction is not None:
            output.publish(prediction, message.header, self._settings.class_id_format)
            self._statistics.published((self._now_ns() - stamp_ns) / NANOSECONDS, time.monotonic_ns())

    def _on_work_error(self, error: Exception) -> None:
        self._statistics.failed(str(error))
        details = str(error) if isinstance(error, HarError) else "".join(traceback.format_exception(None, error, None))
        self._warn(type(error).__name__, f"image not used: {details}")

    def _on_reset(self, _request: Any, response: Any) -> Any:
        """Everything that came before is done with or dropped: none of it gets into the new history."""
        response.success = self._pipeline is not None
        response.message = "history forgotten" if response.success else "no model is loaded; configure the node first"
        if self._worker is not None and self._worker.flush():
            self._statistics.dropped()
        if self._pipeline is not None:
            self._pipeline.reset()
        return response

    def _on_set_parameters(self, parameters: List[Parameter]) -> SetParametersResult:
        """Takes up live parameters at once, refuses those that need a new configuration while one is in use."""
        known = {parameter.name for parameter in RECOGNIZER}
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in known}
        fixed = sorted(set(changed) & set(names_fixed_while_configured(RECOGNIZER)))
        if fixed and self._pipeline is not None:
            reason = f"{', '.join(fixed)} can't change while a model is loaded; deactivate and clean up first"
            return SetParametersResult(successful=False, reason=reason)
        try:
            settings = RecognizerSettings.from_values({**read(self, RECOGNIZER), **changed})
        except HarError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._settings = settings
        if self._pipeline is not None:
            self._pipeline.change_filter(settings.filter)
        if self._worker is not None and "threshold" in changed:
            self._publish_labels()
        return SetParametersResult(successful=True)

    def _publish_labels(self) -> None:
        pipeline, output = self._configured()
        recognizer = pipeline.recognizer
        output.publish_labels(recognizer.spec.name, recognizer.labels, self._settings.filter.threshold)

    def _publish_diagnostics(self) -> None:
        active = self._worker is not None
        report = self._statistics.report(time.monotonic_ns())
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip("/")
        self._diagnostics.publish(diagnostic_array(name, stamp, report, self._facts(), active))
        if active and report.loses_many:
            self._warn("loss", f"about {100 * (report.lost_share or 0):.0f} % of the images are lost; see /diagnostics")

    def _facts(self) -> dict:
        if self._pipeline is None:
            return {"model": "none"}
        recognizer = self._pipeline.recognizer
        return {
            "model": f"{recognizer.spec.name} ({self._settings.model})",
            "weights": recognizer.source,
            "provider": recognizer.provider,
            "stream": str(self._pipeline.status),
        }

    def _log_model(self, recognizer: Recognizer) -> None:
        spec = recognizer.spec
        seconds = spec.warm_up * spec.period_ns / NANOSECONDS
        self.get_logger().info(
            f"{spec.name} with {len(recognizer.labels)} classes on {recognizer.provider}; "
            f"first label after {spec.warm_up + 1} sampled frames, about {seconds:.1f} s; weights: {recognizer.source}"
        )

    def _training_rate(self) -> float:
        pipeline, _ = self._configured()
        return NANOSECONDS / pipeline.recognizer.spec.period_ns

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)
