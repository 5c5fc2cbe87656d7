"""A managed node on an rclpy that has none (Foxy, Galactic): as much of rclpy.lifecycle as our nodes and tools use.

Where lifecycle_msgs is installed, `ros2 lifecycle` and launch's events work on it as on any managed node.
"""

from __future__ import annotations

import traceback
from typing import Any, List

from rclpy.node import Node

from opendr_har_ros.common.state_machine import LifecycleState, Move, StateMachine, TransitionCallbackReturn


class ManagedPublisher:
    """A publisher that is silent while its node is not active."""

    def __init__(self, publisher: Any) -> None:
        self.inner = publisher
        self.is_activated = False

    def publish(self, message: Any) -> None:
        """Send the message, or drop it."""
        if self.is_activated:
            self.inner.publish(message)

    def __getattr__(self, name: str) -> Any:
        """All else is the plain publisher's."""
        return getattr(self.inner, name)


class ManagedNode(Node):
    """A node with rclpy.lifecycle.LifecycleNode's methods, callbacks and services."""

    def __init__(self, node_name: str, **options: Any) -> None:
        """`options` are those of rclpy's Node."""
        super().__init__(node_name, **options)
        self._machine = StateMachine(self._publish_move)
        self._managed_publishers: List[ManagedPublisher] = []
        self._transition_events: Any = None
        self._offer_services()

    def create_lifecycle_publisher(self, *arguments: Any, **options: Any) -> ManagedPublisher:
        """As create_publisher; silent until the next activation."""
        publisher = ManagedPublisher(self.create_publisher(*arguments, **options))
        self._managed_publishers.append(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher: ManagedPublisher) -> bool:
        """Take the topic off the graph; returns whether the publisher was ours."""
        if publisher in self._managed_publishers:
            self._managed_publishers.remove(publisher)
        return bool(self.destroy_publisher(publisher.inner))

    def on_configure(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """To be overridden, as the other callbacks; gets the state that is left."""
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Opens the publishers."""
        return self._open_publishers(True)

    def on_deactivate(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Silences the publishers."""
        return self._open_publishers(False)

    def on_cleanup(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """To be overridden."""
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """To be overridden."""
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """After a callback that raised or answered ERROR; SUCCESS leads to unconfigured, all else to finalized."""
        return TransitionCallbackReturn.SUCCESS

    def trigger_configure(self) -> TransitionCallbackReturn:
        """Leave unconfigured for inactive; as the other triggers, answers ERROR in a state that does not allow it."""
        return self._change_state("configure")

    def trigger_activate(self) -> TransitionCallbackReturn:
        """Leave inactive for active."""
        return self._change_state("activate")

    def trigger_deactivate(self) -> TransitionCallbackReturn:
        """Leave active for inactive."""
        return self._change_state("deactivate")

    def trigger_cleanup(self) -> TransitionCallbackReturn:
        """Leave inactive for unconfigured."""
        return self._change_state("cleanup")

    def trigger_shutdown(self) -> TransitionCallbackReturn:
        """Leave any state for finalized."""
        return self._change_state("shutdown")

    def _open_publishers(self, is_open: bool) -> TransitionCallbackReturn:
        for publisher in self._managed_publishers:
            publisher.is_activated = is_open
        return TransitionCallbackReturn.SUCCESS

    def _change_state(self, label: str = "", transition_id: int = 0) -> TransitionCallbackReturn:
        transition = self._machine.find(label, transition_id)
        if transition is None:
            wanted = label or f"number {transition_id}"
            self.get_logger().error(f"transition {wanted} does not start from state {self._machine.state.label}")
            return TransitionCallbackReturn.ERROR
        return self._machine.take(transition, self._run_callback)

    def _run_callback(self, name: str, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return TransitionCallbackReturn(getattr(self, name)(state))
        except Exception:  # the state machine must always get an answer
            self.get_logger().error(f"{name} failed:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    def _offer_services(self) -> None:
        try:
            from lifecycle_msgs.msg import TransitionEvent
            from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
        except ImportError:
            self.get_logger().warning("lifecycle_msgs is not installed: no services to change the node's state")
            return
        self._transition_events = self.create_publisher(TransitionEvent, "~/transition_event", 10)
        self.create_service(ChangeState, "~/change_state", self._on_change_state)
        self.create_service(GetState, "~/get_state", self._on_get_state)
        self.create_service(GetAvailableTransitions, "~/get_available_transitions", self._on_get_transitions)

    def _on_change_state(self, request: Any, response: Any) -> Any:
        answer = self._change_state(request.transition.label, request.transition.id)
        response.success = answer is TransitionCallbackReturn.SUCCESS
        return response

    def _on_get_state(self, _request: Any, response: Any) -> Any:
        response.current_state.label, response.current_state.id = self._machine.state
        return response

    def _on_get_transitions(self, _request: Any, response: Any) -> Any:
        from lifecycle_msgs.msg import TransitionDescription

        for transition in self._machine.available:
            item = TransitionDescription()
            item.transition.label, item.transition.id = transition.label, transition.transition_id
            item.start_state.label, item.start_state.id = transition.start
            item.goal_state.label, item.goal_state.id = transition.goal
            response.available_transitions.append(item)
        return response

    def _publish_move(self, move: Move) -> None:
        """Say where the node went; a launch file may wait for it."""
        if self._transition_events is None:
            return
        from lifecycle_msgs.msg import TransitionEvent

        event = TransitionEvent(timestamp=self.get_clock().now().nanoseconds)
        event.transition.label, event.transition.id = move.label, move.transition_id
        event.start_state.label, event.start_state.id = move.start
        event.goal_state.label, event.goal_state.id = move.goal
        self._transition_events.publish(event)
