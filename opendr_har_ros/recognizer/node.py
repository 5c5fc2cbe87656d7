"""The recognizer: a managed node that turns camera topics into labels. Wiring only."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from opendr_har_core.backends.allocator import give_memory_back
from opendr_har_core.errors import HarError
from opendr_har_ros.common.lifecycle import ManagedNode, TransitionCallbackReturn
from opendr_har_ros.common.names import node_name
from opendr_har_ros.common.parameters import declare, names_fixed_while_configured, read
from opendr_har_ros.common.statistics import Statistics
from opendr_har_ros.common.text import sendable
from opendr_har_ros.common.timers import steady_timer
from opendr_har_ros.common.transitions import transition
from opendr_har_ros.common.vision_messages import MessageFactory
from opendr_har_ros.recognizer.camera import Camera
from opendr_har_ros.recognizer.diagnostics import INACTIVE, diagnostic_status
from opendr_har_ros.recognizer.model_loader import ModelLoader
from opendr_har_ros.recognizer.outputs import ModelOutput
from opendr_har_ros.recognizer.parameters import RECOGNIZER, RecognizerSettings
from opendr_har_ros.recognizer.pipeline import Arrived, Pipeline, overtaken
from opendr_har_ros.recognizer.worker import NewestFirstWorker

DIAGNOSTICS_EVERY_SEC, LOADER_EVERY_SEC = 1.0, 0.5
# For a new model while the old one runs: whoever sets the parameter learns what came of it, and no history is lost.
PATIENCE_SEC = 1.0


class RecognizerNode(ManagedNode):
    """Subscribes to image_raw, publishes ~/classification, ~/hypothesis, ~/label and what belongs to them."""

    def __init__(self) -> None:
        """Raises ConfigError for a parameter of a wrong type."""
        super().__init__("recognizer")
        self._pipeline: Optional[Pipeline] = None
        self._cameras: Dict[str, Camera] = {}
        self._model_output: Optional[ModelOutput] = None
        self._worker: Optional[NewestFirstWorker] = None
        self._exchange = threading.Lock()  # held while frames are worked on, and while the model is exchanged
        self._loader = ModelLoader(PATIENCE_SEC)
        self._wanted = ""
        self._putting_back = False
        self.fault = ""
        declare(self, RECOGNIZER)
        self._settings = RecognizerSettings.from_values(read(self, RECOGNIZER))
        self.executor_kind = self._settings.executor
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady_timer(self, DIAGNOSTICS_EVERY_SEC, self._publish_diagnostics)
        steady_timer(self, LOADER_EVERY_SEC, self._take_late_model)
        self.create_service(Trigger, "~/reset", self._on_reset)
        if self._settings.autostart:
            self._start()

    def _start(self) -> None:
        if self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
            self.get_logger().error("not configured; correct the parameters, then 'ros2 lifecycle set ... configure'")
        elif self.trigger_activate() != TransitionCallbackReturn.SUCCESS:
            self.get_logger().error("not active; mend what is wrong, then 'ros2 lifecycle set ... activate'")

    @transition
    def on_configure(self, _state: Any) -> None:
        """Load the model."""
        settings = RecognizerSettings.from_values(read(self, RECOGNIZER))
        factory = MessageFactory()
        pipeline = self._loaded(settings)
        # Last what others see: until here a failure leaves no trace.
        try:
            for name in settings.cameras:
                self._cameras[name] = Camera(self, name, factory)
            self._model_output = ModelOutput(self, factory)
        except Exception:
            self._release()
            raise
        self._pipeline = pipeline
        self._settings = settings

    @transition
    def on_activate(self, state: Any) -> None:
        """Begin to listen, with an empty history."""
        self._configured().reset()
        super().on_activate(state)  # opens the publishers
        try:
            self._worker = NewestFirstWorker(
                self._handle, self._on_work_error, self._settings.batch_wait_sec, overtaken
            )
            self._publish_labels()
            for camera in self._cameras.values():
                camera.listen(self._settings, self._on_image)
        except Exception:  # back to what an inactive node is
            self._stop()
            super().on_deactivate(state)
            raise

    @transition
    def on_deactivate(self, state: Any) -> None:
        """Stop listening; the model stays loaded."""
        try:
            self._stop()
        finally:
            super().on_deactivate(state)

    @transition
    def on_cleanup(self, _state: Any) -> None:
        """Let the model go."""
        self._release()
        give_memory_back()

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
        try:
            self._stop()
            self._loader.close()
        finally:
            super().destroy_node()

    def _loaded(self, settings: RecognizerSettings) -> Pipeline:
        pipeline = Pipeline.open(settings)
        self.get_logger().info(sendable(pipeline.description))
        return pipeline

    def _configured(self) -> Pipeline:
        if self._pipeline is None:
            raise HarError("no model is loaded; configure the node first")
        return self._pipeline

    def _stop(self) -> None:
        try:
            for camera in self._cameras.values():
                camera.stop_listening()
        finally:
            if self._worker is not None:
                self._worker.stop()
                self._worker = None
                self._forget()

    def _release(self) -> None:
        self._loader.abandon()
        self._stop()
        for camera in self._cameras.values():
            camera.close()
        if self._model_output is not None:
            self._model_output.close()
        self._cameras, self._model_output, self._pipeline = {}, None, None

    def _on_image(self, camera: Camera, message: Any) -> None:
        """Only keeps the newest message; the worker does the rest."""
        stamp_ns = camera.received(message, self._settings.always_on)
        if stamp_ns is None or self._worker is None:
            return
        if self._worker.put((message, stamp_ns), camera.name):
            camera.statistics.dropped()

    def _handle(self, batch: Mapping[str, Arrived]) -> None:
        """Runs in the worker's thread: all labels first, then the pictures, which take longer."""
        with self._exchange:
            outcomes = self._configured().process(batch)
            for name, outcome in outcomes.items():
                self._cameras[name].deliver(outcome, batch[name][0], self._settings.class_id_format)
            for name, outcome in outcomes.items():
                self._cameras[name].draw(outcome, batch[name][0])

    def _on_work_error(self, batch: Mapping[str, Arrived], error: Exception) -> None:
        known = isinstance(error, HarError)
        details = str(error) if known else "".join(traceback.format_exception(None, error, None))
        for name in batch:
            self._cameras[name].failed(type(error).__name__, details)

    def _on_reset(self, _request: Any, response: Any) -> Any:
        """Everything that came before is done with or dropped: none of it gets into the new history."""
        response.success = self._pipeline is not None
        response.message = "history forgotten" if response.success else "no model is loaded; configure the node first"
        if self._worker is not None:
            for name in self._worker.flush():
                self._cameras[name].statistics.dropped()
        if self._pipeline is not None:
            self._forget()
        return response

    def _on_set_parameters(self, parameters: List[Parameter]) -> SetParametersResult:
        """Takes up live parameters at once, refuses those that need a new configuration while one is in use."""
        present = read(self, RECOGNIZER)
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in present}
        fixed = [
            name
            for name in names_fixed_while_configured(RECOGNIZER)
            if changed.get(name, present[name]) != present[name]
        ]
        if fixed and self._pipeline is not None:
            reason = f"{', '.join(fixed)} can't change while a model is loaded; deactivate and clean up first"
            return SetParametersResult(successful=False, reason=reason)
        try:
            self._take_up(RecognizerSettings.from_values({**present, **changed}), changed)
        except HarError as error:
            return SetParametersResult(successful=False, reason=sendable(str(error)))
        except Exception as error:  # rclpy would let it end the node
            self.get_logger().error(sendable(f"parameters {sorted(changed)}:\n{traceback.format_exc()}"))
            return SetParametersResult(successful=False, reason=sendable(f"{type(error).__name__}: {error}"))
        return SetParametersResult(successful=True)

    def _take_up(self, settings: RecognizerSettings, changed: Mapping[str, Any]) -> None:
        """Use new settings; raises an error, and changes nothing, when a new model can't be loaded."""
        asked = self._pipeline is not None and "model" in changed and not self._putting_back
        pipeline = self._loader.load(lambda: self._loaded(settings)) if asked else None
        if asked and pipeline is None:
            self._wanted = settings.model
            self.get_logger().info(f"loading {settings.model} goes on; {self._settings.model} runs until it is there")
        if self._pipeline is not None and pipeline is None:
            settings = replace(settings, model=self._settings.model)
        self._settings = settings
        if pipeline is not None:
            self._change_over(pipeline)
        elif self._pipeline is not None:
            self._pipeline.change_filter(settings.filter)
        if self._worker is not None:
            self._worker.wait_sec = settings.batch_wait_sec
            if "threshold" in changed:
                self._publish_labels()

    def _take_late_model(self) -> None:
        """A model that took long to load has come, or has turned out bad."""
        future = self._loader.late()
        if future is None:
            return
        error = future.exception()
        if error is None:
            self._settings = replace(self._settings, model=self._wanted)
            self._change_over(future.result())
            return
        text = f"model {self._wanted!r} can't be used, {self._settings.model} stays: {error}"
        self.get_logger().error(sendable(text))
        if self.get_parameter("model").value == self._wanted:
            self._put_back_model()

    def _put_back_model(self) -> None:
        """Let the parameter say again what runs."""
        self._putting_back = True
        try:
            self.set_parameters([Parameter("model", value=self._settings.model)])
        finally:
            self._putting_back = False

    def _change_over(self, pipeline: Pipeline) -> None:
        """To another model, between two frames."""
        with self._exchange:
            pipeline.change_filter(self._settings.filter)
            self._forget()
            self._pipeline = pipeline
            if self._worker is not None:  # before the labels that it explains
                self._publish_labels()
        give_memory_back()  # or the old model's would pile up in pieces

    def _forget(self) -> None:
        """Begin new histories; labels that were shown end."""
        for name, events in self._configured().reset().items():
            self._cameras[name].forget(events)

    def _publish_labels(self) -> None:
        pipeline = self._configured()
        if self._model_output is not None:
            labels, threshold = pipeline.recognizer.labels, self._settings.filter.threshold
            self._model_output.publish(pipeline.method, labels, threshold)

    def _publish_diagnostics(self) -> None:
        name = node_name(self).lstrip("/")
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        array.status = [
            camera.diagnostics(
                name, self._facts(camera.name), self._configured().recognizer.fallback_reason, self.fault
            )
            for camera in self._cameras.values()
        ]
        if not self._cameras:
            nothing = Statistics().report(time.monotonic_ns())
            array.status = [diagnostic_status(name, "", nothing, {"model": "none"}, INACTIVE, fault=self.fault)]
        self._diagnostics.publish(array)

    def _facts(self, camera: str) -> Dict[str, str]:
        pipeline = self._configured()
        recognizer = pipeline.recognizer
        loading = ", another one is loading" if self._loader.loading else ""
        return {
            "model": f"{recognizer.spec.name} ({self._settings.model}){loading}",
            "weights": recognizer.source,
            "provider": recognizer.provider,
            "stream": str(pipeline.status(camera)),
            "label delay (s)": f"{recognizer.spec.delay_sec:.1f}",
        }
