"""One thread that always works on the newest messages; older ones that it did not get to are dropped and counted."""

from __future__ import annotations

import threading
import time
import traceback
from typing import Any, Callable, Dict, Mapping

Batch = Mapping[str, Any]
# A source that was silent for so long is not waited for.
FORGET_SEC = 1.0


class NewestFirstWorker:
    """A mailbox with room for one message of each source, and the thread that empties it as a whole."""

    def __init__(
        self,
        work: Callable[[Batch], None],
        on_error: Callable[[Batch, Exception], None],
        wait_sec: float = 0.0,
        is_late: Callable[[Any, Any], bool] = lambda message, waiting: False,
    ) -> None:
        """`work` is called with all messages that wait, by source; what it raises goes to `on_error`, with them.

        A message that `is_late` beside the one of its source that waits does not take its place.
        With several sources the first message waits up to `wait_sec` for those of the other ones that are alive, but
        not longer than until its own source's next one.
        """
        self.wait_sec = wait_sec
        self._work = work
        self._on_error = on_error
        self._is_late = is_late
        self._arrived = threading.Condition()
        self._waiting: Dict[str, Any] = {}
        self._due: Dict[str, Any] = {}
        self._last_seen: Dict[str, float] = {}
        self._busy = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recognizer-worker", daemon=True)
        self._thread.start()

    def put(self, message: Any, source: str = "") -> bool:
        """Hand over a message; returns whether it or one of the same source that still waited is dropped."""
        with self._arrived:
            if source in self._waiting and not self._busy and not self._due:
                self._due, self._waiting = self._waiting, {}  # it has waited long enough for others
            crowded = source in self._waiting
            if not (crowded and self._is_late(message, self._waiting[source])):
                self._waiting[source] = message
            self._last_seen[source] = time.monotonic()
            self._arrived.notify_all()
        return crowded

    def flush(self) -> Batch:
        """Wait for the messages at hand, then forget those that wait, and return them.

        After that nothing that was put before is worked on any more.
        """
        with self._arrived:
            waited, self._waiting, self._due = {**self._due, **self._waiting}, {}, {}
            self._arrived.wait_for(lambda: not self._busy)
        return waited

    def stop(self) -> None:
        """Finish the messages at hand, forget those that wait, and end the thread."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._arrived:
                self._busy = False
                self._arrived.notify_all()
                self._arrived.wait_for(lambda: self._stopping or bool(self._waiting or self._due))
                self._arrived.wait_for(self._is_complete, self.wait_sec)
                if self._stopping:
                    return
                batch = self._taken()
                self._busy = True
            if batch:  # a flush may have taken it
                self._attempt(batch)
            del batch  # images are large: not to be held while there is nothing to do

    def _taken(self) -> Batch:
        batch, self._due = self._due, {}
        if not batch:
            batch, self._waiting = self._waiting, {}
        return batch

    def _attempt(self, batch: Batch) -> None:
        try:
            self._work(batch)
        except Exception as error:  # a robot's node must outlive any single message
            try:
                self._on_error(batch, error)
            except Exception:  # and this thread any report of it
                traceback.print_exc()

    def _is_complete(self) -> bool:
        """Whether every source that is alive has a message waiting."""
        alive = time.monotonic() - FORGET_SEC
        return (
            self._stopping
            or bool(self._due)
            or all(source in self._waiting for source, last_seen in self._last_seen.items() if last_seen > alive)
        )
