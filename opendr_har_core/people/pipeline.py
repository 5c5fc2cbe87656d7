"""From frames to a label for each person: detector, tracker, crops, and a label pipeline for each track."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

import numpy as np

from opendr_har_core.backends.allocator import give_memory_back
from opendr_har_core.bundles.head import Head
from opendr_har_core.errors import ImageError
from opendr_har_core.frame import LazyFrame
from opendr_har_core.people.crops import Square, cut, own_columns
from opendr_har_core.people.detector import Detections, PersonDetector
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.people.tracker import Track, Tracker
from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.events import LabelEvent
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.streaming.recognizer import Recognizer
from opendr_har_core.streaming.sampling import Decision, Sampler
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.streaming.stream import AnyFrame, Stream

# A person who is not detected for longer gets no frames and is not reported, but keeps the history for `keep_sec`.
HIDDEN_AFTER_SEC = 0.6
# A person with a label keeps it although another one is slightly nearer.
KEEP_NEAREST = 1.2


@dataclass(frozen=True)
class Person:
    """One person in one frame.

    Attributes:
        track_id: stays the same while the person is in view.
        box: left, top, right, bottom in pixels of the image; between detections a prediction.
        label: the newest filtered prediction; None before the first one.
        is_new: whether `label` is of this frame.
        crop: the part of the frame with the person, as the model takes it.
    """

    track_id: str
    box: Tuple[float, float, float, float]
    label: Optional[Prediction]
    is_new: bool
    crop: Optional[AnyFrame] = None

    @property
    def title(self) -> str:
        """Track id, label and percentage, for pictures; "?" marks a provisional label."""
        if self.label is None:
            return self.track_id
        mark = "?" if self.label.provisional else ""
        return f"{self.track_id} {self.label.label}{mark} {100 * self.label.score:.0f}%"


@dataclass(frozen=True)
class People:
    """What a pipeline says after a frame.

    Attributes:
        people: in view and with a label, or soon with one; the nearest (tallest) first.
        events: (track id, label that began or ended).
        reset: why all tracks ended before this frame, or None.
    """

    people: Tuple[Person, ...]
    events: Tuple[Tuple[str, LabelEvent], ...] = ()
    reset: Optional[str] = None


@dataclass
class _Member:
    """A person with a stream: the crop, the labels, and the newest one of them.

    The stream gets frames from that of `started_ns` on; `followed_ns` is the latest frame.
    """

    square: Square
    pipeline: LabelPipeline
    followed_ns: int
    started_ns: Optional[int] = None
    label: Optional[Prediction] = None


class PeoplePipeline:
    """Labels each person in the images of one camera; not thread-safe."""

    def __init__(
        self,
        recognizer: Recognizer,
        detector: Optional[PersonDetector],
        people: PeopleSettings,
        stream: StreamSettings,
        labels: LabelSettings,
    ) -> None:
        """Recognizer and detector may be shared; without a detector, `push` needs detections."""
        self._recognizer = recognizer
        self._detector = detector
        self._tracker = Tracker(people.keep_sec)
        self.settings, self._stream, self._labels = people, stream, labels
        self._members: Dict[str, _Member] = {}
        # Of the frames in which people are detected.
        period_ns, gap_ns = (round(NANOSECONDS * sec) for sec in (1 / people.detector_hz, stream.max_gap_sec))
        self._sampler = Sampler(period_ns, gap_ns, aligned=True)
        self._people: People
        self._forget()

    def push(self, frame: AnyFrame, detections: Optional[Detections] = None) -> People:
        """Process the next frame, with the people that another detector has found in it, if there is one.

        A frame that is no newer than the one before is skipped, unless the clock went back: the result is the same
        object as before.
        An error leaves all labels as they were: ImageError for an unreadable frame, BackendError if a model fails.
        """
        stamp = frame.stamp_ns
        decision = self._sampler.decide(stamp, frame.size)
        reset = decision.reset
        if decision.out_of_order:
            self._sampler.commit(decision)
            return self._people
        if reset is not None:
            _ = frame.rgb  # an unreadable frame must not end anybody's label
        if detections is None and self._detector is not None and decision.sampled:
            detections = self._detector.detect(frame.rgb)
        # A detector that tracks needs no colours.
        seen = frame.rgb if detections is not None and not detections.ids else None
        events = [] if reset is None else list(self.reset())
        self._sampler.commit(decision)
        if detections is not None:
            self._tracker.update(detections, stamp, seen)
        visible = [track for track in self._tracker.tracks() if _is_in_view(track, stamp, frame.size)]
        nearest = sorted(visible, key=self._nearness)[: self.settings.max_people]
        members = {track.id: self._follow(track, stamp) for track in nearest}
        self._start(members.values(), stamp, decision)
        boxes = {track.id: track.box(stamp) for track in visible}
        crops = {id: self._crop(frame, id, member.square, boxes) for id, member in members.items()}
        # Few are sampled in one frame, and seldom the same ones. A batch would save a fifth of the time of two, and
        # take another session, and a copy of the state of those who were in other batches before.
        predictions = {
            id: member.pipeline.stream.push(crops[id])
            for id, member in members.items()
            if member.started_ns is not None
        }
        people: List[Person] = []
        for track in nearest:
            member = members[track.id]
            shown, more = member.pipeline.settle(predictions.get(track.id), stamp)
            member.label = shown or member.label
            events += [(track.id, event) for event in more]
            left, top, right, bottom = np.clip(track.box(stamp), 0, [*frame.size[::-1]] * 2).tolist()
            box = (left, top, right, bottom)
            people.append(Person(track.id, box, member.label, shown is not None, crops[track.id]))
        events += self._end([id for id, member in self._members.items() if self._is_gone(member, stamp)])
        self._people = People(tuple(people), tuple(events), reset)
        return self._people

    def change_filter(self, labels: LabelSettings) -> None:
        """Use these settings from the next prediction on."""
        self._labels = labels
        for member in self._members.values():
            member.pipeline.change_filter(labels)

    def change_head(self, head: Optional[Head]) -> Tuple[Tuple[str, LabelEvent], ...]:
        """Use another head for everyone from the next frame on; see `LabelPipeline.change_head`."""
        self._recognizer = self._recognizer.with_head(head)
        events: List[Tuple[str, LabelEvent]] = []
        for id, member in self._members.items():
            events += [(id, event) for event in member.pipeline.change_head(head)]
            member.label = None  # its class ids are those of the old head
        return tuple(events)

    def reset(self) -> Tuple[Tuple[str, LabelEvent], ...]:
        """Forget everyone; their labels end."""
        events = self._end(list(self._members))
        self._forget()
        return tuple(events)

    def new_stream(self) -> Stream:
        """A stream as that of each person."""
        return self._recognizer.stream(**{**asdict(self._stream), "top_k": 1})

    def _forget(self) -> None:
        self._tracker.clear()
        self._sampler.reset()
        self._people = People(())

    def _nearness(self, track: Track) -> float:
        return -float(track.size[1]) * (KEEP_NEAREST if track.id in self._members else 1.0)

    def _follow(self, track: Track, stamp: int) -> _Member:
        target = Square.around(track.box(stamp))
        member = self._members.get(track.id)
        if member is None:
            pipeline = LabelPipeline(self.new_stream(), self._labels)
            member = self._members[track.id] = _Member(target, pipeline, stamp)
        else:
            member.square = member.square.followed(target, (stamp - member.followed_ns) / NANOSECONDS)
            member.followed_ns = stamp
        return member

    def _start(self, members: Iterable[_Member], stamp: int, decision: Decision) -> None:
        """Start new streams in this frame, unless others do more work in it, and will one sampling period later.

        Streams sample the frames that follow after whole periods, so people who start in different frames take turns,
        and keep off the frames in which people are detected.
        """
        period = self._recognizer.spec.period_ns
        interval = min(decision.after.interval or period, period)
        since = [stamp - member.started_ns for member in self._members.values() if member.started_ns is not None]
        work = decision.sampled + sum((elapsed + interval // 2) % period < interval for elapsed in since)
        detections = min(self.settings.detector_hz / NANOSECONDS, 1 / interval) * period
        fair = math.ceil((len(self._members) + detections) * interval / period)
        waiting = [member for member in members if member.started_ns is None]
        for member in waiting[: max(0, fair - work)]:
            member.started_ns = stamp

    def _crop(self, frame: AnyFrame, id: str, square: Square, boxes: Dict[str, np.ndarray]) -> LazyFrame:
        side = self._recognizer.spec.image_size

        def decode() -> np.ndarray:
            others = np.reshape([box for other, box in boxes.items() if other != id], (-1, 4))
            columns = own_columns(square, boxes[id], others, frame.size[1])
            return to_network_input(cut(frame.rgb, square, columns), side)

        return LazyFrame(frame.stamp_ns, (side, side), decode)

    def _is_gone(self, member: _Member, stamp: int) -> bool:
        """Whether a person has been without frames for so long that the history has ended."""
        limit = max(self.settings.keep_sec, HIDDEN_AFTER_SEC)
        return (stamp - member.followed_ns) / NANOSECONDS > limit

    def _end(self, ids: List[str]) -> List[Tuple[str, LabelEvent]]:
        members = self._members
        events = [(id, event) for id in ids for event in members[id].pipeline.close(members[id].followed_ns)]
        for id in ids:
            del members[id]
        if ids and not members:  # malloc would keep what they have freed for the next ones
            give_memory_back()
        return events


def _is_in_view(track: Track, stamp: int, size: Tuple[int, int]) -> bool:
    """Whether a person was detected lately, and has not left the image since."""
    x, y = track.centre_at(stamp)
    return track.unseen_sec(stamp) <= HIDDEN_AFTER_SEC and 0 <= x <= size[1] and 0 <= y <= size[0]


@dataclass(frozen=True)
class PeopleFrame:
    """A frame and what a pipeline says after it.

    Attributes:
        frame: the frame.
        people: after the frame; empty with an error.
        error: why the image could not be read, which leaves the pipeline as it was.
    """

    frame: AnyFrame
    people: People = People(())
    error: Optional[ImageError] = None


def people_frames(pipeline: PeoplePipeline, frames: Iterable[AnyFrame]) -> Iterator[PeopleFrame]:
    """Push frames through a pipeline, one at a time, and yield each with its people; as `label_frames`.

    Labels that still hold at the end stay open: call `pipeline.reset`. Raises BackendError, and what `frames` raises.
    """
    latest: Optional[People] = None
    for frame in frames:
        try:
            people = pipeline.push(frame)
        except ImageError as error:
            yield PeopleFrame(frame, error=error)
            continue
        is_skipped, latest = people is latest, people
        if is_skipped:
            people = People(tuple(replace(person, is_new=False) for person in people.people))
        yield PeopleFrame(frame, people)
