"""The trainer node: parameters describe a job, services start and cancel it, a subprocess trains."""

from __future__ import annotations

import time
import traceback
from typing import Any, Callable, List

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from opendr_har_core.errors import HarError
from opendr_har_ros.common.lifecycle import steady_timer
from opendr_har_ros.common.log import sanitize_utf8
from opendr_har_ros.common.qos import LATCHED
from opendr_har_ros.trainer.job import FAILED, TrainerJob
from opendr_har_ros.trainer.parameters import TRAINER, JobSettings
from opendr_har_ros.trainer.progress_message import progress_message, summary

POLL_EVERY_SEC = 0.1
# Twice the documented rate of 1 Hz, to keep it on a busy machine.
PUBLISH_EVERY_SEC = 0.5


class TrainerNode(Node):
    """Offers ~/start and ~/cancel, publishes ~/progress.

    The training process ends with the thread that starts it, so spin this node in the main thread.
    """

    def __init__(self, node_name: str = "trainer", **options: Any) -> None:
        """Takes the arguments of rclpy's `Node`. Raises ConfigError for an invalid parameter."""
        super().__init__(node_name, **options)
        self._job = TrainerJob()
        TRAINER.declare(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._publisher = self.create_publisher(DiagnosticStatus, "~/progress", LATCHED)
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/cancel", self._on_cancel)
        self._published = 0.0
        steady_timer(self, POLL_EVERY_SEC, self._poll)
        self._publish()

    def destroy_node(self) -> None:
        """End the job and publish its end, then destroy the node."""
        if self._job.runs:
            self.get_logger().info("cancelling the running job; a second Ctrl-C ends the node without waiting")
            self._job.close()
            self._publish()
            self.get_logger().info(summary(self._job.progress))
        super().destroy_node()

    def _on_start(self, _request: Any, response: Any) -> Any:
        def start() -> str:
            self._job.check_free()
            settings = JobSettings.from_values(TRAINER.values(self))
            self._job.start(settings)
            return f"job {self._job.progress.job} started: opendr-har train {' '.join(settings.arguments)}"

        return self._answer(response, start)

    def _on_cancel(self, _request: Any, response: Any) -> Any:
        def cancel() -> str:
            self._job.cancel()
            return f"job {self._job.progress.job} ends after the current update"

        return self._answer(response, cancel)

    def _answer(self, response: Any, act: Callable[[], str]) -> Any:
        """Fill the response with the result of `act` or its error."""
        try:
            response.success, response.message = True, act()
            self.get_logger().info(response.message)
            self._publish()
        except HarError as error:
            response.success, response.message = False, sanitize_utf8(str(error))
            self.get_logger().warning(response.message)
        except Exception as error:  # in rclpy it would end the node
            response.success, response.message = False, sanitize_utf8(f"{type(error).__name__}: {error}")
            self.get_logger().error(sanitize_utf8(traceback.format_exc()))
        return response

    def _on_set_parameters(self, parameters: List[Parameter]) -> SetParametersResult:
        """Check each value; combinations and files are checked when a job starts."""
        values = TRAINER.values(self)
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in values}
        try:
            TRAINER.instances({**values, **changed})
        except HarError as error:
            return SetParametersResult(successful=False, reason=sanitize_utf8(str(error)))
        return SetParametersResult(successful=True)

    def _poll(self) -> None:
        ran = self._job.runs
        changed = self._job.poll()
        if changed or (ran and time.monotonic() - self._published >= PUBLISH_EVERY_SEC):
            self._publish()
        if ran and not self._job.runs:
            self._log_end()

    def _log_end(self) -> None:
        progress = self._job.progress
        text = f"job {progress.job}: {summary(progress)}" + (f"\n{progress.log}" if progress.log else "")
        # Two lines of code, since rclpy raises when one line logs with two severities.
        if progress.state == FAILED:
            self.get_logger().error(text)
        else:
            self.get_logger().info(text)

    def _publish(self) -> None:
        self._published = time.monotonic()
        name = self.get_fully_qualified_name().lstrip("/")
        self._publisher.publish(progress_message(name, self._job.progress))
