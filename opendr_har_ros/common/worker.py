"""A worker thread that processes the newest messages of each source and drops older ones."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from contextlib import contextmanager
from typing import Any, Callable, Deque, Dict, Iterator, List, Mapping, Optional

Batch = Mapping[str, Any]
# A source that has been silent for this long is not waited for.
ALIVE_SEC = 1.0


class NewestFirstWorker:
    """A mailbox with a slot or a few per source, and the thread that takes a message of each source at once."""

    def __init__(
        self,
        work: Callable[[Batch], None],
        on_error: Callable[[Batch, Exception], None],
        wait_sec: float = 0.0,
        is_late: Callable[[Any, Any], bool] = lambda message, waiting: False,
        due_sec: Callable[[], Optional[float]] = lambda: None,
        slots: int = 1,
    ) -> None:
        """Start the thread; it calls `work` with the waiting messages by source, and `on_error` for its exceptions.

        `slots` messages of a source can wait; another one replaces the oldest, unless `is_late(message, newest)` holds.
        With several sources, the first message waits up to `wait_sec` for the other active sources, but not longer
        than until the next message of its own source. `work` is also called, without messages, whenever `due_sec()` is
        0: it returns the seconds until then, None for never; call `wake` when that changes.
        """
        self.wait_sec = wait_sec
        self._work = work
        self._on_error = on_error
        self._is_late = is_late
        self._due_sec = due_sec
        self._arrived = threading.Condition()
        self._slots = slots
        self._waiting: Dict[str, Deque[Any]] = {}
        self._due: Dict[str, Any] = {}
        self._last_seen: Dict[str, float] = {}
        self._busy = self._stopping = self._paused = False
        self._thread = threading.Thread(target=self._run, name="recognizer-worker", daemon=True)
        self._thread.start()

    def put(self, message: Any, source: str = "") -> bool:
        """Hand over a message; returns whether this one or a waiting one of its source is dropped."""
        with self._arrived:
            if source in self._waiting and not self._busy and not self._due:
                self._due = self._oldest()  # don't wait for other sources any longer
            waiting = self._waiting.setdefault(source, deque())
            crowded = len(waiting) == self._slots
            if not (crowded and self._is_late(message, waiting[-1])):
                if crowded:
                    waiting.popleft()
                waiting.append(message)
            self._last_seen[source] = time.monotonic()
            self._arrived.notify_all()
        return crowded

    def wake(self) -> None:
        """Ask `due_sec` again."""
        with self._arrived:
            self._arrived.notify_all()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Wait for the batch in progress, and begin no other one within the context; messages still arrive."""
        with self._arrived:
            self._paused = True
            self._arrived.wait_for(lambda: not self._busy)
        try:
            yield
        finally:
            with self._arrived:
                self._paused = False
                self._arrived.notify_all()

    def flush(self) -> List[str]:
        """Drop the waiting messages; returns the source of each."""
        with self._arrived:
            sources = [*self._due, *(source for source, waiting in self._waiting.items() for _ in waiting)]
            self._waiting, self._due = {}, {}
        return sources

    def stop(self) -> None:
        """Finish the batch in progress, drop the waiting messages, and end the thread."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._arrived:
                self._busy = False
                self._arrived.notify_all()
                is_due = self._await_work()
                self._arrived.wait_for(self._is_complete, self.wait_sec)
                if self._stopping:
                    return
                if self._paused:
                    continue
                batch = self._taken()
                self._busy = True
            if batch or is_due:  # a flush may have emptied it
                self._attempt(batch)
            del batch  # release the images while waiting

    def _await_work(self) -> bool:
        """Wait for a message, for the end, or until work is due; returns whether it is."""
        while not self._stopping and (self._paused or not (self._waiting or self._due)):
            left_sec = None if self._paused else self._due_sec()
            if left_sec is not None and left_sec <= 0:
                return True
            self._arrived.wait(left_sec)
        return False

    def _taken(self) -> Batch:
        batch, self._due = self._due, {}
        return batch or self._oldest()

    def _oldest(self) -> Dict[str, Any]:
        """Take the oldest waiting message of each source."""
        batch = {source: waiting.popleft() for source, waiting in self._waiting.items()}
        self._waiting = {source: waiting for source, waiting in self._waiting.items() if waiting}
        return batch

    def _attempt(self, batch: Batch) -> None:
        try:
            self._work(batch)
        except Exception as error:  # the thread must outlive any single message
            try:
                self._on_error(batch, error)
            except Exception:
                traceback.print_exc()

    def _is_complete(self) -> bool:
        """Whether every active source has a message waiting."""
        oldest = time.monotonic() - ALIVE_SEC
        return (
            self._stopping
            or bool(self._due)
            or all(source in self._waiting for source, last_seen in self._last_seen.items() if last_seen > oldest)
        )
