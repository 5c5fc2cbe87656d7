"""The trainer node: an action whose goals are trained in a subprocess, one at a time."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any, Optional

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.action import ActionServer, CancelResponse
from rclpy.node import Node

from opendr_har_core.errors import ConfigError, HarError
from opendr_har_ros.common.lifecycle import steady_timer
from opendr_har_ros.common.log import sanitize_utf8
from opendr_har_ros.common.qos import LATCHED
from opendr_har_ros.trainer.messages import IDLE, Status, TrainModel, feedback, progress, result, summary
from opendr_har_ros.trainer.parameters import TRAINER, command_line
from opendr_har_ros.trainer.training_process import CANCELLED, CANCELLING, DONE, FAILED, TrainingProcess

NEEDED = ("torch", "lightning")
POLL_EVERY_SEC = 0.1
# Twice the documented rate of 1 Hz, to keep it on a busy machine.
PUBLISH_EVERY_SEC = 0.5


class TrainerNode(Node):
    """Serves the action ~/train, publishes ~/progress.

    The training process ends with the thread that starts it, so spin this node in the main thread. A goal stays
    accepted while its process runs, and is executed when it has ended: so neither a thread nor a coroutine waits.
    """

    def __init__(self, node_name: str = "trainer", **options: Any) -> None:
        """Takes the arguments of rclpy's `Node`. Raises ConfigError for an invalid parameter."""
        super().__init__(node_name, **options)
        TRAINER.declare(self)
        self._settings()
        self._process: Optional[TrainingProcess] = None
        self._goal: Any = None  # the one that the process trains for
        self._published = 0.0
        self._progress = self.create_publisher(DiagnosticStatus, "~/progress", LATCHED)
        self._server = ActionServer(
            self,
            TrainModel,
            "~/train",
            execute_callback=self._end_goal,
            handle_accepted_callback=self._on_goal,
            cancel_callback=self._on_cancel,
        )
        steady_timer(self, POLL_EVERY_SEC, self._poll)
        self._publish(IDLE)

    def stop(self) -> bool:
        """Cancel the running goal; returns whether none is left. The node spins until then."""
        process = self._process
        if process is not None and not process.is_over and process.status["state"] != CANCELLING:
            self.get_logger().info("cancelling the running job; a second Ctrl-C ends the node without waiting")
            process.cancel()
        return self._goal is None

    def _settings(self) -> Any:
        (settings,) = TRAINER.instances(TRAINER.values(self))
        return settings

    def _on_goal(self, goal: Any) -> None:
        """Start the goal's process, or abort the goal with the reason, for which a rejection has no field."""
        try:
            process = self._started(goal.request)
        except (HarError, OSError) as error:
            reason = sanitize_utf8(str(error))
            self.get_logger().error(reason)
            goal.execute(lambda refused: _ended(refused, {"state": FAILED, "error": reason}))
            return
        self._process, self._goal = process, goal
        self._publish(process.status)

    def _started(self, request: Any) -> TrainingProcess:
        if self._goal is not None:
            raise ConfigError("another goal is being trained; wait for its end or cancel it")
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            raise ConfigError(f"training needs {' and '.join(missing)}: pip install {' '.join(missing)}")
        settings = self._settings()
        arguments = command_line(request, settings.defaults)
        self.get_logger().info(sanitize_utf8(f"starting: opendr-har train {' '.join(arguments)}"))
        return TrainingProcess(arguments, settings.nice, settings.threads or None, settings.cancel_grace_sec)

    def _on_cancel(self, goal: Any) -> CancelResponse:
        if self._process is not None and goal == self._goal:
            self._process.cancel()
        return CancelResponse.ACCEPT

    def _poll(self) -> None:
        process = self._process
        if process is None or process.is_over:
            return
        if process.poll() or time.monotonic() - self._published >= PUBLISH_EVERY_SEC:
            self._publish(process.status)
        if process.is_over:
            self._log_end(process.status)
            self._goal.execute()

    def _log_end(self, status: Status) -> None:
        text = "\n".join(filter(None, (summary(status), status.get("log"))))
        # Two lines of code, since rclpy raises when one line logs with two severities.
        if status["state"] == FAILED:
            self.get_logger().error(text)
        else:
            self.get_logger().info(text)

    def _end_goal(self, goal: Any) -> TrainModel.Result:
        """Execute the goal whose process has ended."""
        status = self._process.status if self._process is not None else IDLE
        self._process = self._goal = None
        return _ended(goal, status)

    def _publish(self, status: Status) -> None:
        self._published = time.monotonic()
        name = self.get_fully_qualified_name().lstrip("/")
        self._progress.publish(progress(name, status))
        if self._goal is not None:
            self._goal.publish_feedback(feedback(status))


def _ended(goal: Any, status: Status) -> TrainModel.Result:
    """Set the goal's final state; a job that ends without the client's doing is aborted."""
    if status["state"] == DONE:
        goal.succeed()
    elif status["state"] == CANCELLED and goal.is_cancel_requested:
        goal.canceled()
    else:
        goal.abort()
    return result(status)
