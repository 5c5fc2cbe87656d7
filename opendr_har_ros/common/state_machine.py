"""The states of a managed node and the ways between them, as rcl_lifecycle has them; nothing of ROS is needed."""

from __future__ import annotations

import enum
from typing import Callable, NamedTuple, Optional, Tuple

SHUTDOWN = "shutdown"


class TransitionCallbackReturn(enum.Enum):
    """What a callback answers; the numbers are those of lifecycle_msgs/Transition."""

    SUCCESS = 97
    FAILURE = 98
    ERROR = 99


class LifecycleState(NamedTuple):
    """A state's name and its number in lifecycle_msgs/State."""

    label: str
    state_id: int


class Transition(NamedTuple):
    """A way from a primary state to another one; the numbers are those of lifecycle_msgs/Transition.

    Attributes:
        label, transition_id: what is asked for.
        start, during, goal: the states before, while the callback runs, and after.
        callback: the node's method.
        first_answer_id: number of the transition out of `during` on SUCCESS; FAILURE and ERROR have the next ones.
    """

    label: str
    transition_id: int
    start: LifecycleState
    during: LifecycleState
    goal: LifecycleState
    callback: str
    first_answer_id: int


UNCONFIGURED = LifecycleState("unconfigured", 1)
INACTIVE = LifecycleState("inactive", 2)
ACTIVE = LifecycleState("active", 3)
FINALIZED = LifecycleState("finalized", 4)
SHUTTING_DOWN = LifecycleState("shuttingdown", 12)
ERROR_PROCESSING = LifecycleState("errorprocessing", 15)

TRANSITIONS = (
    Transition("configure", 1, UNCONFIGURED, LifecycleState("configuring", 10), INACTIVE, "on_configure", 10),
    Transition("cleanup", 2, INACTIVE, LifecycleState("cleaningup", 11), UNCONFIGURED, "on_cleanup", 20),
    Transition("activate", 3, INACTIVE, LifecycleState("activating", 13), ACTIVE, "on_activate", 30),
    Transition("deactivate", 4, ACTIVE, LifecycleState("deactivating", 14), INACTIVE, "on_deactivate", 40),
    Transition(SHUTDOWN, 5, UNCONFIGURED, SHUTTING_DOWN, FINALIZED, "on_shutdown", 50),
    Transition(SHUTDOWN, 6, INACTIVE, SHUTTING_DOWN, FINALIZED, "on_shutdown", 50),
    Transition(SHUTDOWN, 7, ACTIVE, SHUTTING_DOWN, FINALIZED, "on_shutdown", 50),
)
ERROR_ANSWER_ID = 60


class Move(NamedTuple):
    """One change of state, as lifecycle_msgs/TransitionEvent tells it."""

    label: str
    transition_id: int
    start: LifecycleState
    goal: LifecycleState


# Calls the node's callback of that name with the state that is left; must not raise.
Call = Callable[[str, LifecycleState], TransitionCallbackReturn]


class StateMachine:
    """Where a managed node stands."""

    def __init__(self, moved: Callable[[Move], None]) -> None:
        """`moved` is told of every change."""
        self.state = UNCONFIGURED
        self._moved = moved

    @property
    def available(self) -> Tuple[Transition, ...]:
        """The transitions that the present state allows."""
        return tuple(transition for transition in TRANSITIONS if transition.start == self.state)

    def find(self, label: str = "", transition_id: int = 0) -> Optional[Transition]:
        """The allowed transition with that label or, without one, that number; None if the state does not allow it."""
        for transition in self.available:
            if transition.label == label if label else transition.transition_id == transition_id:
                return transition
        return None

    def take(self, transition: Transition, call: Call) -> TransitionCallbackReturn:
        """Run the callback and change the state: FAILURE leaves it (but a shutdown is final), ERROR asks on_error."""
        left = self.state
        self._move(transition.label, transition.transition_id, transition.during)
        answer = call(transition.callback, left)
        if answer is TransitionCallbackReturn.ERROR:
            self._answered(answer, transition.first_answer_id, ERROR_PROCESSING)
            repair = call("on_error", left)
            repaired = repair is TransitionCallbackReturn.SUCCESS
            self._answered(repair, ERROR_ANSWER_ID, UNCONFIGURED if repaired else FINALIZED)
        else:
            arrived = answer is TransitionCallbackReturn.SUCCESS or transition.label == SHUTDOWN
            self._answered(answer, transition.first_answer_id, transition.goal if arrived else left)
        return answer

    def _answered(self, answer: TransitionCallbackReturn, first_id: int, goal: LifecycleState) -> None:
        offset = answer.value - TransitionCallbackReturn.SUCCESS.value
        self._move(f"transition_{answer.name.lower()}", first_id + offset, goal)

    def _move(self, label: str, transition_id: int, goal: LifecycleState) -> None:
        start, self.state = self.state, goal
        self._moved(Move(label, transition_id, start, goal))
