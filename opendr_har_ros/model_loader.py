"""Opening a model beside the one that runs, without holding up what else the node has to do for long."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillLoading
from typing import Any, Callable, Optional

from opendr_har_core.errors import ConfigError

Late = Callable[[Any], None]


class ModelLoader:
    """Opens one model at a time, in a thread that does not keep the process from ending."""

    def __init__(self, patience_sec: float) -> None:
        """`load` waits for `patience_sec` at most."""
        self._patience_sec = patience_sec
        self._thread: Optional[threading.Thread] = None
        self._future: Future = Future()

    @property
    def loading(self) -> bool:
        """Whether a model is being opened."""
        return self._thread is not None and self._thread.is_alive()

    def load(self, open_model: Callable[[], Any]) -> Any:
        """What `open_model` returns, or raises; None where it takes longer, see `then`.

        Raises ConfigError while another model is being opened.
        """
        if self.loading:
            raise ConfigError("another model is still loading; set the parameter again once it has")
        self._future = Future()
        self._thread = threading.Thread(target=_run, args=(open_model, self._future), name="model-loader", daemon=True)
        self._thread.start()
        try:
            return self._future.result(self._patience_sec)
        except StillLoading:
            return None

    def then(self, late: Late) -> None:
        """Call `late` with the future of what takes longer, in its thread, once it is done."""
        self._future.add_done_callback(late)


def _run(open_model: Callable[[], Any], future: Future) -> None:
    try:
        future.set_result(open_model())
    except Exception as error:  # whoever waits for the future gets it
        future.set_exception(error)
