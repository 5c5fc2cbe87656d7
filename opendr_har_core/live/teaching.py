"""Teaching from the live page: what a page may ask for, and the thread that does it."""

from __future__ import annotations

import json
import logging
import threading
import unicodedata
from dataclasses import dataclass
from typing import Callable, Dict, List, NamedTuple, Optional, Protocol, Sequence

from opendr_har_core.errors import ConfigError, DataError, HarError
from opendr_har_core.live.state import LessonInfo, LiveState

LONGEST_LABEL = 60
SHORTEST_SEC, LONGEST_SEC = 1.0, 30.0
COUNTDOWN = 3
COUNTING, RECORDING, LEARNING = "counting", "recording", "learning"
# What a page may ask for, with the fields of its message.
COMMANDS: Dict[str, Dict[str, type]] = {
    "teach": {"label": str, "seconds": float, "track_id": str},
    "cancel": {},
    "undo": {},
    "forget": {"label": str, "id": str},
}
LOG = logging.getLogger(__name__)
# Called with "recording" or "learning", the recorded seconds, and what is wrong with the images or "".
Progress = Callable[[str, float, str], None]


class Learned(NamedTuple):
    """What came of a lesson, and what may go wrong, for people."""

    text: str
    warnings: Sequence[str] = ()


class LessonCancelledError(HarError):
    """Somebody has cancelled the lesson."""

    def __init__(self) -> None:
        super().__init__("cancelled; nothing is kept of the lesson")


class Teaching(Protocol):
    """A recognizer that can be taught. Calls may take long, come one at a time, and raise HarError."""

    def teach(
        self, label: str, seconds: float, track_id: str, progress: Progress, cancelled: threading.Event
    ) -> Learned:
        """Record a showing and learn from it; a failure changes nothing.

        Raises LessonCancelledError soon after `cancelled` is set.

        `track_id`: the person who shows it; "" for the whole picture.
        """

    def forget(self, label: str, id: str) -> None:
        """Remove a lesson of a label, or with "" as the id all of them."""

    def lessons(self) -> Sequence[LessonInfo]:
        """All lessons, the oldest first."""

    def thumbnail(self, lesson: LessonInfo) -> Optional[bytes]:
        """A lesson's picture as JPEG, if it has one; any thread may call this at any time."""


@dataclass(frozen=True)
class Command:
    """What a page asks for: the name of a command and its fields."""

    do: str
    label: str = ""
    seconds: float = 0.0
    track_id: str = ""
    id: str = ""

    @classmethod
    def parse(cls, text: str) -> Command:
        """Parse a page's message; raises ConfigError for anything but a command."""
        try:
            values = json.loads(text, parse_int=float)
        except (ValueError, RecursionError):
            raise ConfigError("the message is not JSON") from None
        do = values.get("do") if isinstance(values, dict) else None
        if not isinstance(do, str) or do not in COMMANDS:
            raise ConfigError(f"the message has no 'do', one of {', '.join(COMMANDS)}")
        kinds = {"do": str, **COMMANDS[do]}
        if {name: type(value) for name, value in values.items()} != kinds:
            raise ConfigError(f"a message to {do} has the fields {', '.join(kinds)}")
        if do == "teach":
            values["label"] = _checked(values["label"])
            if not SHORTEST_SEC <= values["seconds"] <= LONGEST_SEC:
                raise ConfigError(f"a lesson takes {SHORTEST_SEC:.0f} to {LONGEST_SEC:.0f} seconds")
        return cls(**values)


def _checked(label: str) -> str:
    label = " ".join(label.split())
    if not label:
        raise ConfigError("type a name for the gesture first")
    if len(label) > LONGEST_LABEL:
        raise ConfigError(f"the name has {len(label)} characters; use at most {LONGEST_LABEL}")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in label):
        raise ConfigError("the name has a control character")
    return label


class TeachingControl:
    """Does what pages ask for, one command at a time, in a thread for each; any thread may call its methods."""

    def __init__(self, teaching: Teaching, state: LiveState) -> None:
        self._teaching, self._state = teaching, state
        self._taught: List[LessonInfo] = []  # from this page, the newest last
        self._lock = threading.Lock()
        self._is_working = False
        self._cancelled = threading.Event()

    def take(self, message: str) -> str:
        """Begin to do what a page's message asks for; returns why not, or ""."""
        try:
            command = Command.parse(message)
        except ConfigError as error:
            return str(error)
        if command.do == "cancel":
            self.cancel()
            return ""
        return "" if self._begin(lambda: self._do(command)) else "a lesson is under way; wait for it, or cancel it"

    def cancel(self) -> None:
        """Cancel the lesson that is being recorded, if there is one."""
        self._cancelled.set()

    def refresh(self) -> None:
        """Show the lessons, and that they can be changed."""
        self._begin(lambda: None)

    def thumbnail(self, lesson: LessonInfo) -> Optional[bytes]:
        """A lesson's picture as JPEG, or None."""
        try:
            return self._teaching.thumbnail(lesson)
        except (HarError, OSError):
            return None

    def _begin(self, work: Callable[[], Optional[Learned]]) -> bool:
        """Whether nothing else is being done, so that the work could begin."""
        with self._lock:
            if self._is_working:
                return False
            self._is_working = True
        self._cancelled.clear()
        threading.Thread(target=self._run, args=(work,), name="live teaching", daemon=True).start()
        return True

    def _run(self, work: Callable[[], Optional[Learned]]) -> None:
        learned, is_failed = None, False
        try:
            try:
                learned = work()
            finally:
                lessons = self._teaching.lessons()
                self._taught = [lesson for lesson in self._taught if lesson in lessons]
                self._state.set_lessons(lessons, bool(self._taught))
        except HarError as error:
            learned, is_failed = Learned(str(error)), True
        except Exception as error:  # a page must not end the thread silently
            LOG.exception("a command of the live page failed")
            learned, is_failed = Learned(repr(error)), True
        with self._lock:  # whoever sees the end can begin
            self._is_working = False
            if learned is not None:
                self._state.set_teaching(text=learned.text, warnings=learned.warnings, is_failed=is_failed)

    def _do(self, command: Command) -> Learned:
        if command.do == "teach":
            before = self._teaching.lessons()
            learned = self._teach(command.label, command.seconds, command.track_id)
            self._taught += [lesson for lesson in self._teaching.lessons() if lesson not in before]
            return learned
        if command.do == "undo":
            if not self._taught:
                raise DataError("there is no lesson to undo")
            label, id = self._taught[-1]
        else:
            label, id = command.label, command.id
        self._teaching.forget(label, id)
        return Learned(f"Removed {'a lesson' if id else 'all lessons'} of '{label}'.")

    def _teach(self, label: str, seconds: float, track_id: str) -> Learned:
        for left in range(COUNTDOWN, 0, -1):
            self._state.set_teaching(COUNTING, label, left, COUNTDOWN)
            if self._cancelled.wait(1.0):
                raise LessonCancelledError

        def show(phase: str, recorded: float, quality: str) -> None:
            self._state.set_teaching(phase, label, max(0.0, seconds - recorded), seconds, quality)

        show(RECORDING, 0.0, "")
        return self._teaching.teach(label, seconds, track_id, show, self._cancelled)
