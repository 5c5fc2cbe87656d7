"""One camera's view of a recognizer: what was seen so far, and where it stands."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.postprocess import top_k
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.streaming.sampling import Decision, Sampler
from opendr_har_core.streaming.state import StreamState

if TYPE_CHECKING:
    from opendr_har_core.streaming.recognizer import Recognizer

AnyFrame = Union[Frame, LazyFrame]
IDLE, WARMING, PROVISIONAL, RUNNING = "idle", "warming", "provisional", "running"


@dataclass(frozen=True)
class StreamStatus:
    """Where a stream stands after the latest push.

    Attributes:
        step: sampled frames since the last reset; of a dense stream, those of the history that took the latest.
        warm_up: sampled frames that come before the first prediction that rests on a full window of real frames.
        sampled: whether the latest frame was sampled.
        reset: why the latest frame started a new history, or None.
        slow_camera: whether frames come further apart than the network was trained with.
        silent_frames: sampled frames that come before the first prediction, which is provisional until the warm-up is
            over.
        out_of_order: whether the latest frame was left out because it is no newer than one before it.
    """

    step: int
    warm_up: int
    sampled: bool = False
    reset: Optional[str] = None
    slow_camera: bool = False
    silent_frames: int = 0
    out_of_order: bool = False

    @property
    def phase(self) -> str:
        """ "idle" before the first frame, "warming" or "provisional" until the warm-up is over, then "running"."""
        if self.step == 0:
            return IDLE
        if self.step > self.warm_up:
            return RUNNING
        return PROVISIONAL if self.step > self.silent_frames else WARMING

    def __str__(self) -> str:
        if self.phase in (WARMING, PROVISIONAL):
            return f"{self.phase} {self.step}/{self.warm_up}"
        return self.phase if self.sampled or self.phase == IDLE else "not sampled"


@dataclass(frozen=True)
class Look:
    """A frame that a stream has looked at; `image` is the network's input, None where the frame is not sampled."""

    stamp_ns: int
    decision: Decision
    image: Optional[np.ndarray]


@dataclass(frozen=True)
class Turn:
    """What a push would do to a stream: `memories` are all it would have, by the numbers of their histories."""

    look: Look
    memories: Dict[int, StreamState]

    @property
    def tasks(self) -> List[Tuple[StreamState, np.ndarray]]:
        """The memories that are to see the image, those of the oldest histories first."""
        image = self.look.image
        return [] if image is None else [(self.memories[number], image) for number in self.look.decision.taken_by]


class Stream:
    """Holds state only; made by `Recognizer.stream`.

    Any thread may push to it or reset it at any time: each call is done before the next begins, in the order in which
    they come. Threads that push to different streams don't wait for each other.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        sampler: Sampler,
        new_memory: Callable[[int], StreamState],
        top_k: int,
        silent_frames: int,
        warm_start: bool = False,
    ) -> None:
        self.recognizer = recognizer
        self.lock = threading.Lock()
        self._sampler = sampler
        self._new_memory = new_memory
        self._memories: Dict[int, StreamState] = {}
        self._top_k = top_k
        self._warm_start = warm_start
        self.status = StreamStatus(0, recognizer.spec.warm_up, silent_frames=0 if warm_start else silent_frames)

    @property
    def histories(self) -> int:
        """How many interleaved histories there are: up to the model's stride if dense, else one, none if idle."""
        return len(self._memories)

    @property
    def silent_sec(self) -> float:
        """Seconds from the first frame to the first prediction, for frames at the training rate."""
        return self.status.silent_frames * self.recognizer.spec.period_ns / NANOSECONDS

    def push(self, frame: AnyFrame) -> Optional[Prediction]:
        """Show the stream its next frame.

        Returns None when the frame was not sampled or the network is still warming up; `status` says which. An error
        (ImageError for an unreadable frame, BackendError) leaves the stream as it was before the call.
        """
        return self.recognizer.push_many([(self, frame)])[0]

    def reset(self) -> None:
        """Make the stream as new: what follows is bit-identical to a fresh stream on the same frames."""
        with self.lock:
            self._sampler.reset()
            self._memories = {}
            self.status = StreamStatus(0, self.status.warm_up, silent_frames=self.status.silent_frames)

    def look(self, frame: AnyFrame) -> Look:
        """First part of a push, for the recognizer: decide, and read the image; changes nothing."""
        decision = self._sampler.decide(frame.stamp_ns, frame.size)
        size = self.recognizer.spec.image_size
        return Look(frame.stamp_ns, decision, to_network_input(frame.rgb, size) if decision.sampled else None)

    def turn(self, look: Look) -> Turn:
        """Second part: find, or make, the memories of all histories that there are now; changes nothing."""
        memories = {} if look.decision.reset else dict(self._memories)
        if look.image is not None:
            for number in look.decision.taken_by:
                if number not in memories:
                    memories[number] = self._begin(memories, look.image)
        return Turn(look, memories)

    def settle(self, turn: Turn, scores: Sequence[Optional[np.ndarray]]) -> Optional[Prediction]:
        """Last part, nothing can fail any more: make the turn so, given the scores of its tasks or None for each."""
        decision, tasks = turn.look.decision, turn.tasks
        self._sampler.commit(decision)
        self._memories = {number: turn.memories[number] for number in decision.live}
        # Of several histories that took the frame the oldest answers.
        answer = next((index for index, row in enumerate(scores) if row is not None), None)
        step = tasks[answer or 0][0].seen if tasks else self.status.step
        warm_up, silent_frames = self.status.warm_up, self.status.silent_frames
        self.status = StreamStatus(
            step, warm_up, decision.sampled, decision.reset, decision.slow_camera, silent_frames, decision.out_of_order
        )
        row = None if answer is None else scores[answer]
        if row is None:
            return None
        top = top_k(row, self.recognizer.labels, self._top_k)
        return Prediction(turn.look.stamp_ns, top, row, provisional=self.status.phase == PROVISIONAL)

    def _begin(self, others: Dict[int, StreamState], image: np.ndarray) -> StreamState:
        """A new history's memory: empty, or, with a warm start, primed with its first frame."""
        if self._warm_start and others:  # the oldest is primed already
            return next(iter(others.values())).clone()
        memory = self._new_memory(self.status.silent_frames)
        if self._warm_start:
            memory.prime(image)
        return memory
