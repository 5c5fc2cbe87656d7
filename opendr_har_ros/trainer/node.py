"""The trainer: a job described by parameters, started and cancelled by services, trained in another process."""

from __future__ import annotations

import traceback
from typing import Any, Callable, List

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from opendr_har_core.errors import HarError
from opendr_har_ros.common.names import node_name
from opendr_har_ros.common.parameters import check_values, declare, read
from opendr_har_ros.common.qos import LATCHED
from opendr_har_ros.common.text import sendable
from opendr_har_ros.trainer.job import FAILED, TrainerJob
from opendr_har_ros.trainer.parameters import TRAINER, JobSettings
from opendr_har_ros.trainer.progress_message import progress_message, summary

LOOK_EVERY_SEC = 0.1
# Twice as often as is promised, so that a busy machine keeps the promise.
PUBLISH_EVERY_SEC = 0.5


class TrainerNode(Node):
    """Offers ~/start and ~/cancel, publishes ~/progress; everything happens in the executor's one thread.

    The process that trains ends with the thread that starts it, so spin this node in the main thread.
    """

    def __init__(self) -> None:
        """Raises ConfigError for a parameter of a wrong type, out of range or not among its choices."""
        super().__init__("trainer")
        self._job = TrainerJob()
        declare(self, TRAINER)
        check_values(TRAINER, read(self, TRAINER))
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._publisher = self.create_publisher(DiagnosticStatus, "~/progress", LATCHED)
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/cancel", self._on_cancel)
        # Whether a simulator runs or a bag is paused, training goes on.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._published_ns = 0
        self.create_timer(LOOK_EVERY_SEC, self._look, clock=self._steady)
        self._publish()

    def destroy_node(self) -> None:
        """End the job first: a node that is gone can't say what becomes of it."""
        if self._job.runs:
            self.get_logger().info("ending the job that runs; a second Ctrl-C does not wait for it")
            self._job.close()
            self._publish()
            self.get_logger().info(summary(self._job.progress))
        super().destroy_node()

    def _on_start(self, _request: Any, response: Any) -> Any:
        def start() -> str:
            self._job.check_free()
            settings = JobSettings.from_values(read(self, TRAINER))
            self._job.start(settings)
            return f"job {self._job.progress.job} started: opendr-har train {' '.join(settings.arguments)}"

        return self._answer(response, start)

    def _on_cancel(self, _request: Any, response: Any) -> Any:
        def cancel() -> str:
            self._job.cancel()
            return f"job {self._job.progress.job} ends after the update under way"

        return self._answer(response, cancel)

    def _answer(self, response: Any, act: Callable[[], str]) -> Any:
        """Do it and say so, or say why not."""
        try:
            response.success, response.message = True, act()
            self.get_logger().info(response.message)
            self._publish()
        except HarError as error:
            response.success, response.message = False, sendable(str(error))
            self.get_logger().warning(response.message)
        except Exception as error:  # rclpy would let it end the node
            response.success, response.message = False, sendable(f"{type(error).__name__}: {error}")
            self.get_logger().error(sendable(traceback.format_exc()))
        return response

    def _on_set_parameters(self, parameters: List[Parameter]) -> SetParametersResult:
        """A word that is no choice is refused at once; what needs the others is checked when a job starts."""
        known = {parameter.name for parameter in TRAINER}
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in known}
        try:
            check_values(TRAINER, {**read(self, TRAINER), **changed})
        except HarError as error:
            return SetParametersResult(successful=False, reason=sendable(str(error)))
        return SetParametersResult(successful=True)

    def _look(self) -> None:
        """Runs several times a second."""
        ran = self._job.runs
        changed = self._job.poll()
        if changed or (ran and self._steady.now().nanoseconds - self._published_ns >= PUBLISH_EVERY_SEC * 1e9):
            self._publish()
        if ran and not self._job.runs:
            self._log_end()

    def _log_end(self) -> None:
        progress = self._job.progress
        text = f"job {progress.job}: {summary(progress)}" + (f"\n{progress.log}" if progress.log else "")
        # rclpy holds a line of code to the severity that it logged with first, or raises.
        if progress.state == FAILED:
            self.get_logger().error(text)
        else:
            self.get_logger().info(text)

    def _publish(self) -> None:
        self._published_ns = self._steady.now().nanoseconds
        name = node_name(self).lstrip("/")
        self._publisher.publish(progress_message(name, self._job.progress))
