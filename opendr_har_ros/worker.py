"""One thread that always works on the newest message; older ones that it did not get to are dropped and counted."""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional


class NewestFirstWorker:
    """A mailbox for one message and the thread that empties it."""

    def __init__(self, work: Callable[[Any], None], on_error: Callable[[Exception], None]) -> None:
        """`work` is called with each message taken; what it raises goes to `on_error` and the thread goes on."""
        self._work = work
        self._on_error = on_error
        self._arrived = threading.Condition()
        self._message: Optional[Any] = None
        self._busy = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recognizer-worker", daemon=True)
        self._thread.start()

    def put(self, message: Any) -> bool:
        """Hand over a message; returns whether one that was still waiting had to make room."""
        with self._arrived:
            replaced = self._message is not None
            self._message = message
            self._arrived.notify_all()
        return replaced

    def flush(self) -> bool:
        """Wait for the message at hand and forget the one that waits; returns whether one did.

        After that nothing that was put before is worked on any more.
        """
        with self._arrived:
            waited, self._message = self._message is not None, None
            self._arrived.wait_for(lambda: not self._busy)
        return waited

    def stop(self) -> None:
        """Finish the message at hand, forget the one that waits, and end the thread."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._arrived:
                self._busy = False
                self._arrived.notify_all()
                self._arrived.wait_for(lambda: self._stopping or self._message is not None)
                if self._stopping:
                    return
                message, self._message = self._message, None
                self._busy = True
            try:
                self._work(message)
            except Exception as error:  # a robot's node must outlive any single message
                self._on_error(error)
            del message  # an image is large: not to be held while there is nothing to do
