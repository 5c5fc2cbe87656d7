"""Opening a model beside the one that runs, without holding up what else the node has to do for long."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillLoading
from typing import Any, Callable, Optional

from opendr_har_core.errors import ConfigError

END_SEC = 2.0


class ModelLoader:
    """Opens one model at a time, in a thread that only opens it; all methods are for the node's own thread."""

    def __init__(self, patience_sec: float) -> None:
        """`load` waits for `patience_sec` at most."""
        self._patience_sec = patience_sec
        self._thread: Optional[threading.Thread] = None
        self._future: Optional[Future] = None

    @property
    def loading(self) -> bool:
        """Whether a model is being opened that `load` has not waited for."""
        return self._future is not None and not self._future.done()

    def load(self, open_model: Callable[[], Any]) -> Any:
        """What `open_model` returns, or raises; None where it takes longer, see `late`.

        Raises ConfigError while another model is being opened.
        """
        if self._future is not None:
            raise ConfigError("another model is still loading; set the parameter again once it has")
        future: Future = Future()
        self._thread = threading.Thread(target=_run, args=(open_model, future), name="model-loader", daemon=True)
        self._thread.start()
        try:
            return future.result(self._patience_sec)
        except StillLoading:
            self._future = future
            return None

    def late(self) -> Optional[Future]:
        """The future of a model that took longer, once it is done; each is given once."""
        future = self._future
        if future is None or not future.done():
            return None
        self._future = None
        return future

    def abandon(self) -> None:
        """Want the model that is being opened no more."""
        self._future = None

    def close(self) -> None:
        """Give the thread some time to end: Python must not be taken down under it."""
        self.abandon()
        if self._thread is not None:
            self._thread.join(END_SEC)


def _run(open_model: Callable[[], Any], future: Future) -> None:
    try:
        future.set_result(open_model())
    except Exception as error:  # whoever waits for the future gets it
        future.set_exception(error)
