"""ONNX Runtime sessions: execution providers and their fallback, threads, memory and telemetry.

Since 1.29, ONNX Runtime's Linux builds write an identifier and a database to the home folder on import and report which
models run. The variable must be set before the import; set ORT_DISABLE_TELEMETRY=0 to enable telemetry.
"""

from __future__ import annotations

import io
import os
import platform
import threading
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from opendr_har_core.backends.allocator import give_memory_back
from opendr_har_core.bundles.metadata import BATCH
from opendr_har_core.errors import BackendError, ConfigError, HarError, ModelError

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

if os.environ["ORT_DISABLE_TELEMETRY"] == "1" and hasattr(ort, "disable_telemetry_events"):
    ort.disable_telemetry_events()  # for a program that imported it earlier

__all__ = ["CPU", "Sessions", "default_threads", "open_session", "ort", "session_settings", "this_machine"]

CUDA = "CUDAExecutionProvider"
# Trying out every algorithm, its default, delays the first step by seconds and made later ones no faster.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
# TF32 made steps no faster, and moved probabilities by up to 0.005.
CUDA_OPTIONS_SINCE_1_18 = {"use_tf32": "0"}
NVIDIA = (CUDA, "TensorrtExecutionProvider")
CPU = "CPUExecutionProvider"
DEFAULT_PROVIDERS = (CPU,)
QUIET = 3
# This fusion takes activations out of the memory layout of the convolutions around them.
UNWANTED_FUSIONS = ["QuickGeluFusion"]
MOST_THREADS = 4


@dataclass(frozen=True)
class SessionSettings:
    """Settings of a session.

    Attributes:
        providers: full names of execution providers, best first.
        threads: number of threads within one operator.
        spin: whether threads keep spinning between steps; within a step they always do.
    """

    providers: Sequence[str]
    threads: int
    spin: bool


def session_settings(
    providers: Optional[Sequence[str]] = None, threads: Optional[int] = None, spin: bool = False
) -> SessionSettings:
    """Settings with defaults filled in; raises BackendError or ConfigError."""
    if threads is not None and threads < 0:
        raise ConfigError(f"threads is {threads}, expected 1 or more, or 0 to choose automatically")
    return SessionSettings(provider_names(providers), threads or default_threads(usable_cores()), spin)


def default_threads(cores: int) -> int:
    """Leave one core to the camera and DDS; more than four threads wait for each other more than they compute."""
    return max(1, min(MOST_THREADS, cores - 1))


def provider_names(providers: Optional[Sequence[str]]) -> List[str]:
    """Full names of the given providers, whether or not this ONNX Runtime has them; raises BackendError."""
    known = ort.get_all_providers()
    by_short_name = {name.replace("ExecutionProvider", "").lower(): name for name in known}
    by_short_name.update({name.lower(): name for name in known})
    names = []
    for provider in providers or DEFAULT_PROVIDERS:
        if provider.lower() not in by_short_name:
            available = list(ort.get_available_providers())
            raise BackendError(f"ONNX Runtime has no execution provider {provider!r}; choose from {available}")
        names.append(by_short_name[provider.lower()])
    return names


def open_session(
    path: Path, settings: SessionSettings, rows: Optional[int] = None, save_optimized: Optional[Path] = None
) -> ort.InferenceSession:
    """Open a session for any batch size or, faster, for exactly `rows`.

    `save_optimized` also writes the graph as ONNX Runtime rewrote it for this machine. Raises ModelError for a file
    that is no model, BackendError if the first provider is missing or does not start.
    """
    available = ort.get_available_providers()
    if settings.providers[0] not in available:
        raise BackendError(f"ONNX Runtime {ort.__version__} has no {settings.providers[0]} here, only {available}")
    options = _options(settings)
    if rows is not None:
        options.add_free_dimension_override_by_name(BATCH, rows)
    if save_optimized is not None:
        options.optimized_model_filepath = str(save_optimized)
    providers = [name for name in settings.providers if name in available]
    _load_libraries_of(providers)
    try:
        session = ort.InferenceSession(
            str(path), options, providers=_with_options(providers), disabled_optimizers=UNWANTED_FUSIONS
        )
    except Exception as error:  # ONNX Runtime raises another type for each kind of broken file
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} can't be opened as an ONNX model: {reason}") from None
    give_memory_back()  # loading leaves a freed second copy of the weights
    session.disable_fallback()  # to providers that nobody asked for, reported on stdout only
    provider = session.get_providers()[0]
    if provider != settings.providers[0]:
        raise BackendError(f"{settings.providers[0]} did not start for {path}; ONNX Runtime chose {provider} instead")
    return session


def _with_options(providers: Sequence[str]) -> List[Union[str, Tuple[str, Dict[str, str]]]]:
    """The providers, CUDA's with its options."""
    newer = tuple(int(part) for part in ort.__version__.split(".")[:2]) >= (1, 18)
    options = {**CUDA_OPTIONS, **(CUDA_OPTIONS_SINCE_1_18 if newer else {})}
    return [(provider, options) if provider == CUDA else provider for provider in providers]


def _load_libraries_of(providers: Sequence[str]) -> None:
    """Load CUDA and cuDNN from pip's wheels, which ONNX Runtime (1.21 and later) does not find by itself."""
    if hasattr(ort, "preload_dlls") and any(provider in NVIDIA for provider in providers):
        with redirect_stdout(io.StringIO()):  # it prints missing libraries, even those on the system's path
            ort.preload_dlls()


def _options(settings: SessionSettings) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    # In the order of the file: that of a tuned bundle suits the caches, and frees tensors earlier.
    options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    # A memory pattern allocates one block for all tensors, in addition to those of the first run.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    if not settings.spin:
        # Spinning between frames drains a robot's battery.
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def this_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """ONNX Runtime's version and the kind of processor: what the memory layout of its convolutions depends on."""
    try:
        has_avx512 = " avx512f" in cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        has_avx512 = False
    return f"ONNX Runtime {ort.__version__} on {platform.machine()}{' with AVX-512' if has_avx512 else ''}"


class Sessions:
    """Sessions of one bundle on the first provider that works; thread-safe.

    If a provider fails while it computes (a lost GPU, or one without free memory), the next one of the settings
    replaces it for good and repeats the work. Failures of the last provider are raised.

    Attributes:
        reason: which provider failed and why, or "".
    """

    def __init__(self, path: Path, settings: SessionSettings) -> None:
        """Open a session for single streams or clips on the first provider that starts.

        Raises what `open_session` does, for the first provider if none starts.
        """
        self.reason = ""
        self._path = path
        self._settings = settings
        # By provider, and whether for one row, which is faster, or for any number.
        self._open: Dict[Tuple[str, bool], ort.InferenceSession] = {}
        self._lock = threading.RLock()
        try:
            self._session(settings, 1)
        except BackendError as error:
            self._fall_back(settings, error)

    @property
    def provider(self) -> str:
        """Full name of the provider in use."""
        return self._settings.providers[0]

    @property
    def single(self) -> Any:
        """The session for one stream or clip."""
        return self._session(self._settings, 1)

    def run(self, rows: int, work: Callable[[Any], Any]) -> Any:
        """Result of `work` on a session for so many rows; raises BackendError if the last provider fails."""
        while True:
            settings = self._settings
            try:
                return work(self._session(settings, rows))
            except HarError:
                raise
            except Exception as error:  # ONNX Runtime has a dozen exception types without a common base
                failure = BackendError(f"{settings.providers[0]} failed on {self._path}: {error}")
                self._fall_back(settings, failure, error)

    def _session(self, settings: SessionSettings, rows: int) -> ort.InferenceSession:
        """The session for one row, or that for any number: opened on first use, as most robots have one camera."""
        key = settings.providers[0], rows == 1
        session = self._open.get(key)
        if session is None:
            with self._lock:
                session = self._open.get(key) or open_session(self._path, settings, 1 if rows == 1 else None)
                self._open[key] = session
        return session

    def _fall_back(self, failed: SessionSettings, failure: BackendError, cause: Optional[Exception] = None) -> None:
        """Change to the next provider that starts; raises `failure` if there is none."""
        with self._lock:
            if self._settings is not failed:  # another thread was first
                return
            for index in range(1, len(failed.providers)):
                settings = replace(failed, providers=failed.providers[index:])
                try:
                    self._session(settings, 1)
                except HarError:
                    continue
                self._settings = settings
                self._open = {key: session for key, session in self._open.items() if key[0] == self.provider}
                self.reason = f"{failure}; continuing on {self.provider}"
                warnings.warn(self.reason, RuntimeWarning, stacklevel=2)
                return
        raise failure from cause
