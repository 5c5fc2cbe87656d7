"""ONNX Runtime sessions of a bundle that fall back to the next execution provider when one fails."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional

from opendr_har_core.backends.session import SessionSettings, open_session
from opendr_har_core.errors import BackendError, HarError


class ProviderFallback:
    """Runs a bundle on the first provider that works; thread-safe.

    If a provider fails while it computes (a lost GPU, or one without free memory), the next one of the settings
    replaces it for good and repeats the work. Failures of the last provider are raised.

    Attributes:
        reason: which provider failed and why, or "".
    """

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        """Open a session for single streams or clips; raises what `open_session` does."""
        self._path = path
        self._current = _Provider(path, settings)
        self._changing = threading.Lock()
        self.reason = ""

    @property
    def provider(self) -> str:
        """Full name of the provider in use."""
        return self._current.settings.providers[0]

    @property
    def single(self) -> Any:
        """The session for one stream or clip."""
        return self._current.single

    def run(self, rows: int, work: Callable[[Any], Any]) -> Any:
        """Result of `work` on a session for so many rows; raises BackendError if the last provider fails."""
        while True:
            current = self._current
            try:
                return work(current.single if rows == 1 else current.several())
            except HarError:
                raise
            except Exception as error:  # ONNX Runtime has a dozen exception types without a common base
                failure = BackendError(f"{current.settings.providers[0]} failed on {self._path}: {error}")
                self._fall_back(current, failure, error)

    def _fall_back(self, failed: _Provider, failure: BackendError, cause: Exception) -> None:
        """Change to the next provider that starts; raises `failure` if there is none."""
        with self._changing:
            if self._current is not failed:  # another thread was first
                return
            left = failed.settings.providers[1:]
            while left:
                try:
                    self._current = _Provider(self._path, replace(failed.settings, providers=left))
                    break
                except HarError:
                    left = left[1:]
            else:
                raise failure from cause
            self.reason = f"{failure}; continuing on {self.provider}"
            warnings.warn(self.reason, RuntimeWarning, stacklevel=2)


class _Provider:
    """Sessions on one provider, with the later ones for operators that it lacks."""

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        self.settings = settings
        self.single = open_session(path, settings, rows=1)
        self._path = path
        self._several: Optional[Any] = None
        self._opening = threading.Lock()

    def several(self) -> Any:
        """Session for any number of rows; opened on first use, as most robots have one camera."""
        with self._opening:
            if self._several is None:
                self._several = open_session(self._path, self.settings)
            return self._several
