"""Loading a model in the background while the current one keeps running."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillLoading
from typing import Any, Callable, Optional

from opendr_har_core.errors import ConfigError

END_SEC = 2.0


class ModelLoader:
    """Loads one model at a time in a thread of its own. Not thread-safe: call it from the node's thread."""

    def __init__(self, patience_sec: float) -> None:
        """`load` waits at most `patience_sec`."""
        self._patience_sec = patience_sec
        self._thread: Optional[threading.Thread] = None
        self._future: Optional[Future] = None

    @property
    def loading(self) -> bool:
        """Whether a model that `load` did not wait for is still loading."""
        return self._future is not None and not self._future.done()

    def load(self, open_model: Callable[[], Any]) -> Any:
        """Return or raise what `open_model` does, or return None if it takes longer than `patience_sec`.

        Raises ConfigError while another model is loading.
        """
        if self._future is not None:
            raise ConfigError("another model is still loading; set the parameter again when it has finished")
        future: Future = Future()
        self._thread = threading.Thread(target=_run, args=(open_model, future), name="model-loader", daemon=True)
        self._thread.start()
        try:
            return future.result(self._patience_sec)
        except StillLoading:
            self._future = future
            return None

    def late(self) -> Optional[Future]:
        """The completed future of a model that took longer than `patience_sec`, once; else None."""
        future = self._future
        if future is None or not future.done():
            return None
        self._future = None
        return future

    def abandon(self) -> None:
        """Ignore the result of the model that is loading."""
        self._future = None

    def close(self) -> None:
        """Give the thread time to end, since it must not run while the interpreter shuts down."""
        self.abandon()
        if self._thread is not None:
            self._thread.join(END_SEC)


def _run(open_model: Callable[[], Any], future: Future) -> None:
    try:
        future.set_result(open_model())
    except Exception as error:  # re-raised by future.result()
        future.set_exception(error)
