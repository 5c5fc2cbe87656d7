"""One camera's view of a recognizer: what was seen so far, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, Union

from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.memory import ClipMemory, StateMemory
from opendr_har_core.prediction import Prediction
from opendr_har_core.sampling import Sampler

if TYPE_CHECKING:
    from opendr_har_core.recognizer import Recognizer

AnyFrame = Union[Frame, LazyFrame]
IDLE, WARMING, RUNNING = "idle", "warming", "running"


@dataclass(frozen=True)
class StreamStatus:
    """Where a stream stands after the latest push.

    Attributes:
        step: sampled frames since the last reset.
        warm_up: sampled frames that come before the first prediction.
        sampled: whether the latest frame was sampled.
        reset: why the latest frame started a new history, or None.
        slow_camera: whether frames come further apart than the network was trained with.
    """

    step: int
    warm_up: int
    sampled: bool = False
    reset: Optional[str] = None
    slow_camera: bool = False

    @property
    def phase(self) -> str:
        """ "idle" before the first frame, "warming" until the first prediction, then "running"."""
        if self.step == 0:
            return IDLE
        return WARMING if self.step <= self.warm_up else RUNNING

    def __str__(self) -> str:
        if self.phase == WARMING:
            return f"warming {self.step}/{self.warm_up}"
        return self.phase if self.sampled or self.phase == IDLE else "not sampled"


class Stream:
    """Holds state only; made by `Recognizer.stream`. Several threads may push to several streams, not to one."""

    def __init__(self, recognizer: Recognizer, sampler: Sampler, memory: Union[ClipMemory, StateMemory], top_k: int):
        self.recognizer = recognizer
        self.sampler = sampler
        self.memory = memory
        self.top_k = top_k
        self.status = StreamStatus(0, recognizer.spec.warm_up)

    def push(self, frame: AnyFrame) -> Optional[Prediction]:
        """Show the stream its next frame.

        Returns None when the frame was not sampled or the network is still warming up; `status` says which. An error
        (ImageError for an unreadable frame, BackendError) leaves the stream as it was before the call.
        """
        return self.recognizer.push_many([(self, frame)])[0]

    def reset(self) -> None:
        """Make the stream as new: what follows is bit-identical to a fresh stream on the same frames."""
        self.sampler.reset()
        self.memory.clear()
        self.status = StreamStatus(0, self.status.warm_up)
