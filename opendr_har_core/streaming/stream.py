"""A camera's stream of frames on a model: what it remembers, and its status."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from opendr_har_core.backends.protocol import Array, Backend, Outputs
from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import DataError
from opendr_har_core.frame import Frame, LazyFrame
from opendr_har_core.labels import LabelMap
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS, ModelSpec
from opendr_har_core.streaming.postprocess import top_k
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.streaming.sampling import Decision, Sampler
from opendr_har_core.streaming.state import StreamState, advance, new_state

AnyFrame = Union[Frame, LazyFrame]
IDLE, WARMING, PROVISIONAL, RUNNING = "idle", "warming", "provisional", "running"


@dataclass(frozen=True)
class StreamStatus:
    """Status of a stream after the latest push.

    Attributes:
        step: sampled frames since the last reset; in a dense stream, those of the history that took the latest frame.
        warm_up: sampled frames before the first prediction that uses a full window of real frames.
        sampled: whether the latest frame was sampled.
        reset: why the latest frame started a new history, or None.
        slow_camera: whether frames are further apart than the model expects.
        silent_frames: sampled frames before the first prediction; predictions are provisional until the warm-up ends.
        out_of_order: whether the latest frame was skipped because it is no newer than an earlier one.
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
        """ "idle" before the first frame, "warming" or "provisional" during the warm-up, then "running"."""
        if self.step == 0:
            return IDLE
        if self.step > self.warm_up:
            return RUNNING
        return PROVISIONAL if self.step > self.silent_frames else WARMING

    def __str__(self) -> str:
        if self.phase in (WARMING, PROVISIONAL):
            return f"{self.phase} {self.step}/{self.warm_up}"
        return self.phase


class _Turn(NamedTuple):
    """One frame's pass through a stream, not committed yet.

    Attributes:
        stamp_ns, decision: of the frame.
        image: input of the network; None for a frame that is not sampled.
        states: states of all histories that the stream would have, by number.
    """

    stamp_ns: int
    decision: Decision
    image: Optional[Array]
    states: Dict[int, StreamState]

    @property
    def tasks(self) -> List[Tuple[StreamState, Array]]:
        """States to advance by the image, the oldest history first."""
        return [] if self.image is None else [(self.states[number], self.image) for number in self.decision.taken_by]


class Stream:
    """State of one camera on a model; made by `Recognizer.stream`.

    Threads may push to a stream and reset it at any time: calls on one stream run one after the other, calls on
    different streams do not wait for each other.
    """

    def __init__(
        self,
        backend: Backend,
        head: Optional[Head],
        sampler: Sampler,
        top_k: int,
        silent_frames: int,
        warm_start: bool = False,
    ) -> None:
        self.backend = backend
        self._head = head
        self._lock = threading.Lock()
        self._sampler = sampler
        self._states: Dict[int, StreamState] = {}
        self._top_k = top_k
        self._warm_start = warm_start
        self.status = StreamStatus(0, backend.spec.warm_up, silent_frames=0 if warm_start else silent_frames)

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self.backend.spec

    @property
    def head(self) -> Optional[Head]:
        """What turns features into scores; None for the network's own classifier."""
        return self._head

    @property
    def labels(self) -> LabelMap:
        """Class names, one per score."""
        head = self._head
        return self.backend.labels if head is None else head.labels

    @property
    def histories(self) -> int:
        """Number of interleaved histories: 0 before the first frame, then 1, in a dense stream up to the stride."""
        return len(self._states)

    @property
    def silent_sec(self) -> float:
        """Seconds from the first frame to the first prediction, for a camera at the training rate."""
        return self.status.silent_frames * self.spec.period_ns / NANOSECONDS

    def push(self, frame: AnyFrame) -> Optional[Prediction]:
        """Process the next frame.

        Returns None if the frame was not sampled or the model is still warming up; `status` tells which. An error
        leaves the stream as it was: ImageError for an unreadable frame, DataError for anything that is no frame,
        BackendError if the model fails.
        """
        return push_together([(self, frame)])[0]

    def reset(self) -> None:
        """Forget all frames: later predictions are bit-identical to those of a new stream."""
        with self._lock:
            self._sampler.reset()
            self._states = {}
            self.status = StreamStatus(0, self.status.warm_up, silent_frames=self.status.silent_frames)

    def change_head(self, head: Optional[Head]) -> None:
        """Use another head from the next frame on, or None for the network's own classifier; the history is kept.

        Raises ModelError for a head that does not fit the network.
        """
        if head is not None:
            head.check(self.backend.features, self.spec)
        with self._lock:
            self._head = head

    def _look(self, frame: AnyFrame) -> Tuple[Decision, Optional[Array]]:
        """Decide what to do with a frame and read its pixels; changes nothing."""
        if not isinstance(frame, (Frame, LazyFrame)):
            raise DataError(f"a stream takes a Frame(rgb, stamp_ns) or a LazyFrame, got {type(frame).__name__}")
        decision = self._sampler.decide(frame.stamp_ns, frame.size)
        return decision, to_network_input(frame.rgb, self.spec.image_size) if decision.sampled else None

    def _turn(self, stamp_ns: int, decision: Decision, image: Optional[Array]) -> _Turn:
        """Add the states of new histories, primed if the stream starts warm; changes nothing."""
        states = {} if decision.reset else dict(self._states)
        if image is not None:
            for number in decision.taken_by:
                if number not in states:
                    states[number] = self._begin(states, image)
        return _Turn(stamp_ns, decision, image, states)

    def _begin(self, others: Dict[int, StreamState], image: Array) -> StreamState:
        if self._warm_start and others:  # the oldest is primed already
            return next(iter(others.values())).clone()
        state = new_state(self.backend, self.status.silent_frames)
        if self._warm_start:
            state.prime(image)
        return state

    def _commit(self, turn: _Turn, outputs: Sequence[Optional[Outputs]]) -> Optional[Prediction]:
        """Adopt a turn, given the outputs of its tasks or None for each; can't fail."""
        decision, tasks = turn.decision, turn.tasks
        self._sampler.commit(decision)
        self._states = {number: turn.states[number] for number in decision.live}
        # If several histories took the frame, the oldest one with outputs answers.
        answer = next((index for index, row in enumerate(outputs) if row is not None), None)
        step = tasks[answer or 0][0].seen if tasks else self.status.step
        warm_up, silent_frames = self.status.warm_up, self.status.silent_frames
        self.status = StreamStatus(
            step, warm_up, decision.sampled, decision.reset, decision.slow_camera, silent_frames, decision.out_of_order
        )
        row = None if answer is None else outputs[answer]
        if row is None:
            return None
        (scores,), novelty = row.judged_by(self._head)
        return Prediction(
            turn.stamp_ns,
            top_k(scores, self.labels, self._top_k),
            scores,
            provisional=self.status.phase == PROVISIONAL,
            features=None if row.features is None else row.features[0],
            novelty=None if novelty is None else float(novelty[0]),
        )


def push_together(pairs: Sequence[Tuple[Stream, AnyFrame]]) -> List[Optional[Prediction]]:
    """Push one frame to each of several different streams of one backend, in one call of the network.

    A transaction: an error leaves all streams as they were.
    """
    with ExitStack() as locks:
        # In one order for all calls, so that two calls with the same streams can't deadlock.
        for stream in sorted((stream for stream, _ in pairs), key=id):
            locks.enter_context(stream._lock)
        looks = [stream._look(frame) for stream, frame in pairs]
        # Only after all images are read: priming takes long.
        turns = [stream._turn(frame.stamp_ns, *look) for (stream, frame), look in zip(pairs, looks)]
        tasks = [task for turn in turns for task in turn.tasks]
        outputs = iter(advance(pairs[0][0].backend, tasks) if tasks else [])
        return [stream._commit(turn, [next(outputs) for _ in turn.tasks]) for (stream, _), turn in zip(pairs, turns)]
