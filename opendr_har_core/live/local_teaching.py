"""Teaches the recognizer that a player of this process runs."""

from __future__ import annotations

import threading
import time
from typing import Dict, List, Optional

from opendr_har_core.live.player import Player
from opendr_har_core.live.state import LessonInfo
from opendr_har_core.live.teaching import LEARNING, RECORDING, Learned, LessonCancelledError, Progress
from opendr_har_core.prediction import Prediction
from opendr_har_core.streaming.stream import AnyFrame
from opendr_har_core.teaching.lessons import Lesson
from opendr_har_core.teaching.teacher import Teacher

PROGRESS_SEC = 0.2
# A lesson without images ends after this time.
SILENT_SEC = 3.0


class LocalTeaching:
    """A `Teaching` of the recognizer that a player runs."""

    def __init__(self, teacher: Teacher, player: Player) -> None:
        """The player's pipeline belongs to the teacher's recognizer, with whatever head."""
        self._teacher, self._player = teacher, player
        self._whom, self._heard = "", 0.0
        self._fault: Optional[Exception] = None
        self._listed: Dict[LessonInfo, Lesson] = {}
        player.listener = self._listen

    def teach(
        self, label: str, seconds: float, track_id: str, progress: Progress, cancelled: threading.Event
    ) -> Learned:
        """See `Teaching`."""
        self._whom, self._fault, self._heard = track_id, None, time.monotonic()
        nothing = f"person {track_id} is not in view" if track_id else "nobody is in view, or no image arrives"
        self._teacher.start(label)
        try:
            while self._teacher.seconds < seconds and time.monotonic() - self._heard < SILENT_SEC:
                if cancelled.wait(PROGRESS_SEC):
                    raise LessonCancelledError
                if self._fault is not None:
                    raise self._fault
                progress(RECORDING, self._teacher.seconds, self._teacher.quality)
            progress(LEARNING, seconds, "")
            result = self._teacher.finish(nothing)
        finally:
            self._teacher.cancel()
        learned = self._learn(label)
        return learned._replace(warnings=(*result.warnings, *learned.warnings))

    def forget(self, label: str, id: str) -> None:
        """See `Teaching`."""
        self._teacher.lessons.remove(label, id)
        self._learn(label)

    def lessons(self) -> List[LessonInfo]:
        """See `Teaching`."""
        lessons = sorted(self._teacher.lessons.list(), key=lambda lesson: lesson.id)
        self._listed = {LessonInfo(lesson.label, lesson.id): lesson for lesson in lessons}
        return list(self._listed)

    def thumbnail(self, lesson: LessonInfo) -> Optional[bytes]:
        """See `Teaching`."""
        found = self._listed.get(lesson)
        return found.read().thumbnail or None if found is not None and found.files else None

    def _learn(self, label: str) -> Learned:
        examples = self._teacher.examples()
        head = self._teacher.head(examples)
        self._player.change_head(head)
        count = examples.counts.get(label, 0)
        more = f"; show it {3 - count} more time{'s' * (count == 1)}" if count < 3 else ""
        text = f"learned {label!r} from {count} example{'s' * (count > 1)}{more}"
        return Learned(text, self._teacher.warnings(examples, head, label))

    def _listen(self, track_id: str, prediction: Optional[Prediction], frame: AnyFrame) -> None:
        """Called by the player for each frame; nothing may end its thread."""
        if track_id != self._whom:
            return
        self._heard = time.monotonic()
        try:
            self._teacher.push(prediction, frame)
        except Exception as error:  # the lesson ends with it
            self._fault = error
