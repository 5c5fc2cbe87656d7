"""A goal of any action: its feedback, cancellation and end."""

from __future__ import annotations

from action_msgs.msg import GoalStatus

SUCCEEDED, CANCELED, ABORTED = GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_ABORTED


class Goal:
    """Sends a goal with an rclpy action client; it has to be accepted."""

    def __init__(self, client, actions, goal):
        self.feedback = []
        self._client = client
        client.until(actions.server_is_ready, what="the action server")
        sent = actions.send_goal_async(goal, lambda message: self.feedback.append(message.feedback))
        client.until(sent.done, what="the answer to the goal")
        self._handle = sent.result()
        assert self._handle.accepted
        self._result = self._handle.get_result_async()

    def until(self, condition, seconds=30.0):
        """The first feedback that fulfils a condition."""

        def found():
            return next(filter(condition, self.feedback), None)

        return self._client.until(found, seconds, "the feedback")

    def cancel(self):
        """Whether the cancellation is accepted."""
        asked = self._handle.cancel_goal_async()
        self._client.until(asked.done, what="the answer to the cancellation")
        return bool(asked.result().goals_canceling)

    def end(self, seconds=30.0):
        """(status, result) at the end."""
        self._client.until(self._result.done, seconds, "the end of the goal")
        return self._result.result().status, self._result.result().result
