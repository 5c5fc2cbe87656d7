"""The sessions of one bundle, on the best of the wanted providers that still works."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional

from opendr_har_core.backends.session import SessionSettings, open_session
from opendr_har_core.errors import BackendError, HarError

Work = Callable[[Any], Any]


class ProviderFallback:
    """What runs a bundle; from several threads, too.

    A provider that fails while it computes (a GPU that fell off its bus, or has no memory left) is given up for good,
    and the next one of the settings takes over where it stood. The last one's failures are the caller's.

    Attributes:
        fallback_reason: which provider was given up and why, or "".
    """

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        """Open one for single streams or clips; raises as `open_session` does."""
        self._path = path
        self._current = _OnProvider(path, settings)
        self._changing = threading.Lock()
        self.fallback_reason = ""

    @property
    def provider(self) -> str:
        """Whole name of the provider that computes."""
        return self._current.settings.providers[0]

    @property
    def single(self) -> Any:
        """The session for one stream or clip."""
        return self._current.single

    def run(self, rows: int, work: Work) -> Any:
        """What `work` makes of the session for so many rows; it is done again where a provider had to be given up.

        Raises BackendError when the last provider fails, too.
        """
        while True:
            current = self._current
            try:
                return work(current.single if rows == 1 else current.several())
            except HarError:
                raise
            except Exception as error:  # ONNX Runtime has a dozen exception types without a common base
                failure = BackendError(f"{current.settings.providers[0]} failed on {self._path}: {error}")
                self._give_up(current, failure, error)

    def _give_up(self, failed: _OnProvider, failure: BackendError, cause: Exception) -> None:
        """Go over to the next provider that can be started; raises `failure` where there is none."""
        with self._changing:
            if self._current is not failed:  # another thread has done so
                return
            left = failed.settings.providers[1:]
            while left:
                try:
                    self._current = _OnProvider(self._path, replace(failed.settings, providers=left))
                    break
                except HarError:
                    left = left[1:]
            else:
                raise failure from cause
            self.fallback_reason = f"{failure}; {self.provider} goes on"
            warnings.warn(self.fallback_reason, RuntimeWarning, stacklevel=2)


class _OnProvider:
    """Sessions on one provider, and those behind it where it can't do an operator."""

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        self.settings = settings
        self.single = open_session(path, settings, rows=1)
        self._path = path
        self._several: Optional[Any] = None
        self._opening = threading.Lock()

    def several(self) -> Any:
        """For any number of rows; opened when first needed, as most robots have one camera."""
        with self._opening:
            if self._several is None:
                self._several = open_session(self._path, self.settings)
            return self._several
