"""A lifecycle node that turns camera topics into labels: models, cameras, services, diagnostics."""

from __future__ import annotations

import time
import traceback
from contextlib import nullcontext
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from opendr_har_core.backends.allocator import give_memory_back
from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import HarError
from opendr_har_core.streaming.events import ENDED
from opendr_har_ros.common.camera import Camera
from opendr_har_ros.common.diagnostics import INACTIVE, diagnostic_status
from opendr_har_ros.common.har_messages import MISSING
from opendr_har_ros.common.lifecycle import break_bond, start_bond, steady_timer, transition
from opendr_har_ros.common.log import sanitize_utf8
from opendr_har_ros.common.model_change import ModelChange
from opendr_har_ros.common.node_settings import LabelNodeSettings
from opendr_har_ros.common.outputs import ModelOutput
from opendr_har_ros.common.parameters import Parameters
from opendr_har_ros.common.pipeline import Arrived, CameraPipelines, Outcome
from opendr_har_ros.common.statistics import Statistics
from opendr_har_ros.common.teaching import NodeTeaching
from opendr_har_ros.common.wait_for_activity import ActivityWaits
from opendr_har_ros.common.worker import NewestFirstWorker

DIAGNOSTICS_EVERY_SEC = 1.0


class LabelNode(LifecycleNode):
    """Subscribes to image_raw and publishes labels; subclasses say how images are processed, and what is published.

    Attributes:
        parameters: the node's.
        settings_type: made of the instances of their declarations.
        settings: those in use.
        pipeline: the model and the streams of all cameras; None while unconfigured.
        cameras: by name.
    """

    parameters: Parameters
    settings_type = LabelNodeSettings

    def open_pipeline(self, settings: Any) -> CameraPipelines:
        """Load the model; may run in another thread. Raises ModelError."""
        raise NotImplementedError

    def make_camera(self, name: str, settings: Any) -> Camera:
        """A camera with its publishers."""
        raise NotImplementedError

    def make_worker(self, settings: Any) -> NewestFirstWorker:
        """The worker that calls `handle_batch` and `on_work_error`."""
        return NewestFirstWorker(self.handle_batch, self.on_work_error)

    def apply_live(self, worker: NewestFirstWorker, settings: Any) -> None:
        """Use live parameters of the node itself, while it is active."""

    def wake(self) -> None:
        """Let the worker look for work, while it exists."""
        if self._worker is not None:
            self._worker.wake()

    def process(self, pipeline: Any, batch: Mapping[str, Arrived]) -> Iterable[Tuple[str, Any, Outcome]]:
        """(camera, image message, its outcome) for the messages that the worker has; runs in the worker's thread."""
        raise NotImplementedError

    def __init__(self, node_name: str, **options: Any) -> None:
        """Takes the arguments of rclpy's `LifecycleNode`. Raises ConfigError for a parameter of a wrong type."""
        super().__init__(node_name, **options)
        self.pipeline: Optional[CameraPipelines] = None
        self.cameras: Dict[str, Any] = {}
        self._model_output: Optional[ModelOutput] = None
        self._worker: Optional[NewestFirstWorker] = None
        self._bond: Optional[Any] = None
        self.models = ModelChange(self)
        self._teaching = NodeTeaching(self)
        self._waits = ActivityWaits(self)
        self.fault = ""
        self.parameters.declare(self)
        self.settings = self._settings_of(self.parameters.values(self))
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # One timer: each costs rclpy's executor three wait sets of all entities.
        steady_timer(self, DIAGNOSTICS_EVERY_SEC, self._look_after)
        self._enabled = True
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(SetBool, "~/enable", self._on_enable)
        if MISSING:
            self.get_logger().info(f"no ~/events, ~/set_model, ~/wait_for_activity and ~/teach: {MISSING}")
        self._teaching.serve(self.settings.node.lessons)
        if self.settings.node.autostart:
            self._start()

    def _start(self) -> None:
        if self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
            self._log_start_failure("Configuration", "configure")
        elif self.trigger_activate() != TransitionCallbackReturn.SUCCESS:
            self._log_start_failure("Activation", "activate")

    def _log_start_failure(self, what: str, transition_name: str) -> None:
        command = f"ros2 lifecycle set {self.get_fully_qualified_name()} {transition_name}"
        self.get_logger().error(f"{what} failed: fix the error above, then run `{command}`")

    @transition
    def on_configure(self, _state: Any) -> None:
        """Load the model."""
        settings = self._settings_of(self.parameters.values(self))
        pipeline = self.loaded(settings)
        # Publishers come last, so that a failed configuration leaves none in the graph.
        try:
            for name in settings.node.cameras:
                self.cameras[name] = self.make_camera(name, settings)
            self._model_output = ModelOutput(self)
        except Exception:
            self._release()
            raise
        self.pipeline = pipeline
        self.settings = settings

    @transition
    def on_activate(self, state: Any) -> None:
        """Subscribe, with an empty history."""
        self._configured().reset()
        super().on_activate(state)  # opens the publishers
        try:
            self._worker = self.make_worker(self.settings)
            self._publish_labels()
            for camera in self.cameras.values():
                camera.subscribe(self.settings.node, self._on_image)
            if not self.settings.node.autostart:  # a manager makes the transitions, and may keep a bond
                self._bond = start_bond(self)
        except Exception:  # return to the inactive state
            self._stop()
            super().on_deactivate(state)
            raise

    @transition
    def on_deactivate(self, state: Any) -> None:
        """Unsubscribe; the model stays loaded."""
        try:
            self._stop()
        finally:
            super().on_deactivate(state)

    @transition
    def on_cleanup(self, _state: Any) -> None:
        """Unload the model."""
        self._release()
        give_memory_back()

    @transition
    def on_shutdown(self, _state: Any) -> None:
        """Release all resources, from any state."""
        self._release()

    @transition
    def on_error(self, _state: Any) -> None:
        """Release all resources; the node becomes unconfigured and can be configured again."""
        self._release()

    def stop(self) -> bool:
        """Abort the goals that wait; returns whether their clients have been answered. The node spins until then."""
        is_answered = self._teaching.close()
        return self._waits.close() and is_answered

    def destroy_node(self) -> None:
        """Stop the worker before its publishers are destroyed."""
        try:
            self._stop()
            self.models.close()
            self._teaching.shut_down()
        finally:
            super().destroy_node()

    def _settings_of(self, values: Dict[str, Any]) -> Any:
        """Raises ConfigError for an invalid value."""
        return self.settings_type(*self.parameters.instances(values))

    def loaded(self, settings: Any) -> CameraPipelines:
        """Load the model, and log what it is; may run in another thread. Raises ModelError."""
        pipeline = self.open_pipeline(settings)
        self._teaching.attach(pipeline, settings)
        self.get_logger().info(sanitize_utf8(pipeline.description))
        return pipeline

    def _configured(self) -> CameraPipelines:
        if self.pipeline is None:
            raise HarError("no model is loaded; configure the node first")
        return self.pipeline

    def _stop(self) -> None:
        if self._bond is not None:
            break_bond(self, self._bond)
            self._bond = None
        self._teaching.close()
        self._waits.close()
        try:
            for camera in self.cameras.values():
                camera.unsubscribe()
        finally:
            if self._worker is not None:
                self._worker.stop()
                self._worker = None
                self._reset_histories()

    def _release(self) -> None:
        self.models.abandon()
        self._stop()
        for camera in self.cameras.values():
            camera.close()
        if self._model_output is not None:
            self._model_output.close()
        self.cameras, self._model_output, self.pipeline = {}, None, None

    def _on_image(self, camera: Camera, message: Any) -> None:
        """Keep the newest message; the worker does the rest."""
        wanted = self.settings.node.always_on or self._waits.waiting or self._teaching.is_recording
        stamp_ns = camera.received(message, wanted, self._enabled)
        if stamp_ns is None or self._worker is None:
            return
        if camera.offer(message, stamp_ns, self._worker):
            camera.statistics.dropped()

    def handle_batch(self, batch: Mapping[str, Arrived]) -> None:
        """Runs in the worker's thread; publishes all labels first, then the annotated images, which take longer."""
        outcomes = []
        for name, message, outcome in self.process(self._configured(), batch):
            outcomes.append((name, message, outcome))
            self.cameras[name].deliver(outcome, message, self.settings.node.class_id_format)
            self._teaching.push(name, outcome)
            self._tell_waits(name, outcome)
        for name, message, outcome in outcomes:
            self.cameras[name].draw(outcome, message)

    def _tell_waits(self, camera: str, outcome: Outcome) -> None:
        if outcome.reset:
            self._waits.interrupt(camera)
        for track_id, event in outcome.events:
            if event.kind == ENDED:
                self._waits.interrupt(camera, track_id)
        for track_id, prediction in outcome.predictions:
            self._waits.update(camera, prediction, track_id)

    def on_work_error(self, batch: Mapping[str, Arrived], error: Exception) -> None:
        """Report an exception of `handle_batch`."""
        known = isinstance(error, HarError)
        details = str(error) if known else "".join(traceback.format_exception(None, error, None))
        for name in batch or self.cameras:
            self.cameras[name].failed(type(error).__name__, details)

    def _on_reset(self, _request: Any, response: Any) -> Any:
        response.success = self.pipeline is not None
        response.message = "history reset" if response.success else "no model is loaded; configure the node first"
        self._start_again()
        return response

    def _on_enable(self, request: Any, response: Any) -> Any:
        self._enabled = request.data
        response.success, response.message = True, "enabled" if request.data else "disabled: images are not processed"
        if not request.data:
            self._start_again()
        return response

    def _start_again(self) -> None:
        """Finish or drop all earlier images, so that none enters the new history; the current labels end."""
        with self._worker_paused():
            for camera in self.cameras.values():
                camera.flush()
            for name in self._worker.flush() if self._worker is not None else ():
                self.cameras[name].statistics.dropped()
            if self.pipeline is not None:
                self._reset_histories()

    def _worker_paused(self) -> Any:
        """Context in which no image is processed."""
        return nullcontext() if self._worker is None else self._worker.paused()

    def _on_set_parameters(self, parameters: List[Parameter]) -> SetParametersResult:
        """Apply live parameters at once; reject the others while a model is loaded."""
        present = self.parameters.values(self)
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in present}
        fixed = [name for name, value in changed.items() if name not in self.parameters.live and value != present[name]]
        if fixed and self.pipeline is not None:
            reason = f"{', '.join(fixed)} can't change while a model is loaded; deactivate and clean up the node first"
            return SetParametersResult(successful=False, reason=reason)
        try:
            self._apply(self._settings_of({**present, **changed}), changed)
        except HarError as error:
            return SetParametersResult(successful=False, reason=sanitize_utf8(str(error)))
        except Exception as error:  # in rclpy it would end the node
            self.get_logger().error(sanitize_utf8(f"parameters {sorted(changed)}:\n{traceback.format_exc()}"))
            return SetParametersResult(successful=False, reason=sanitize_utf8(f"{type(error).__name__}: {error}"))
        return SetParametersResult(successful=True)

    def _apply(self, settings: Any, changed: Mapping[str, Any]) -> None:
        """Use new settings; if a new model can't be loaded, raises its error and changes nothing."""
        if "model" in changed:
            self._teaching.interrupt("another model is loaded: show it again when that runs")
        pipeline = self.models.load(settings, changed)
        if self.pipeline is not None and pipeline is None:
            settings = settings.with_model(self.settings.model_name)
        self.settings = settings
        if pipeline is not None:
            self.swap(pipeline)
        elif self.pipeline is not None:
            self.pipeline.change_filter(settings.labels)
        if self._worker is not None:
            self.apply_live(self._worker, settings)
            if "threshold" in changed:
                self._publish_labels()

    def _look_after(self) -> None:
        self.models.swap_late()
        self._publish_diagnostics()

    def swap(self, pipeline: CameraPipelines) -> None:
        """Swap to another model between two frames."""
        with self._worker_paused():
            pipeline.change_filter(self.settings.labels)
            self._reset_histories()
            self.pipeline = pipeline
            if self._worker is not None:  # before the first label of the new model
                self._publish_labels()
        give_memory_back()  # return the old model's memory to the system

    def change_head(self, head: Optional[Head]) -> None:
        """Swap to another head between two frames; the histories go on."""
        with self._worker_paused():
            for name, events in self._configured().change_head(head).items():
                self.cameras[name].output.publish_events(events, self.settings.node.class_id_format)
                for track_id, _ in events:
                    self._waits.interrupt(name, track_id)
            if self._worker is not None:
                self._publish_labels()

    @property
    def is_active(self) -> bool:
        """Whether images are processed."""
        return self._worker is not None

    def _reset_histories(self) -> None:
        """Start new histories; the current labels end."""
        for name, events in self._configured().reset().items():
            self.cameras[name].reset(events, self.settings.node.class_id_format)
            self._waits.interrupt(name)

    def _publish_labels(self) -> None:
        pipeline = self._configured()
        if self._model_output is not None:
            labels, threshold = pipeline.recognizer.labels, self.settings.labels.threshold
            self._model_output.publish(pipeline.method, labels, threshold)
            self._waits.serve([*labels, self.settings.labels.no_activity_label], self.cameras)

    def _publish_diagnostics(self) -> None:
        name = self.get_fully_qualified_name().lstrip("/")
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        for camera in self.cameras.values():
            fallback_reason = self._configured().recognizer.fallback_reason
            model = self._model_values(camera.name)
            array.status.append(camera.diagnostics(name, model, fallback_reason, self.fault))
        if not self.cameras:
            nothing = Statistics().report(time.monotonic_ns())
            array.status = [diagnostic_status(name, "", nothing, {"model": "none"}, INACTIVE, fault=self.fault)]
        self._diagnostics.publish(array)

    def _model_values(self, camera: str) -> Dict[str, str]:
        pipeline = self._configured()
        recognizer = pipeline.recognizer
        loading = ", another one is loading" if self.models.loading else ""
        return {
            "model": f"{recognizer.spec.name} ({self.settings.model_name}){loading}",
            "weights": recognizer.source,
            "provider": recognizer.provider,
            **pipeline.values(camera),
            **self.cameras[camera].values(),
            "label delay (s)": f"{recognizer.spec.delay_sec:.1f}",
        }
