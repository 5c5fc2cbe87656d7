"""Bundles on ONNX Runtime: the backend of robots, free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from opendr_har_core.backends.base import Array, State
from opendr_har_core.backends.runtime import ort
from opendr_har_core.bundle import FRAMES, NEXT, PROBABILITIES, STATE, BundleMetadata
from opendr_har_core.errors import BackendError, ConfigError, ModelError

DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
DEFAULT_PROVIDERS = ("CPUExecutionProvider",)
QUIET = 3


class OnnxBackend:
    """One loaded bundle; every method may be called from several threads, all state is in the arguments."""

    def __init__(
        self, path: Union[str, Path], providers: Optional[Sequence[str]] = None, threads: Optional[int] = None
    ) -> None:
        """Open the bundle at `path`.

        `providers` are names of ONNX Runtime execution providers, best first, short ("cuda") or whole
        ("CUDAExecutionProvider"); by default the CPU alone. `threads` is the number used within one operator, by
        default one for each physical core. Raises ModelError for a file that is no usable bundle, BackendError for
        a provider that this ONNX Runtime lacks, ConfigError for a thread count under one.
        """
        wanted = provider_names(providers)
        self._path = str(path)
        self._session = _open_session(Path(path), wanted, threads)
        self.metadata = BundleMetadata.from_properties(_properties(self._session), where=str(path))
        self.spec = self.metadata.spec
        self.labels = self.metadata.labels
        self.source = self.metadata.source
        self.provider = str(self._session.get_providers()[0])
        if self.provider != wanted[0]:
            raise BackendError(
                f"{wanted[0]} could not be started for {path}; ONNX Runtime fell back to {self.provider}"
            )
        self._states = [_StateTensor(node) for node in self._session.get_inputs() if node.name.startswith(STATE)]
        self._outputs = [PROBABILITIES, *(state.next_name for state in self._states)]
        _check_signature(self._session, self.metadata, self._outputs)

    def classify(self, clips: Array) -> Array:
        """X3D: uint8 (B, T, S, S, 3) RGB clips -> float32 (B, num_classes) probabilities."""
        return self._run({FRAMES: clips})[0]

    def initial_state(self, batch: int) -> State:
        """CoX3D: zeros, one array per state tensor of the graph."""
        return tuple(np.zeros((batch, *state.shape), state.dtype) for state in self._states)

    def step(self, frames: Array, state: State) -> Tuple[Array, State]:
        """CoX3D: uint8 (B, S, S, 3) frames and a state -> float32 (B, num_classes) probabilities, next state."""
        feeds = {FRAMES: frames}
        feeds.update((tensor.name, value) for tensor, value in zip(self._states, state))
        probabilities, *following = self._run(feeds)
        return probabilities, tuple(following)

    def _run(self, feeds: Dict[str, Array]) -> List[Array]:
        try:
            outputs: List[Array] = self._session.run(self._outputs, feeds)
        except Exception as error:  # ONNX Runtime has a dozen exception types without a common base
            raise BackendError(f"{self.provider} failed on {self._path}: {error}") from error
        return outputs


class _StateTensor:
    """Name, dtype and shape (without the batch axis) of one state input."""

    def __init__(self, node: Any) -> None:
        self.name: str = node.name
        self.next_name = NEXT + node.name[len(STATE) :]
        self.dtype = DTYPES[node.type]
        self.shape: Tuple[int, ...] = tuple(node.shape[1:])


def provider_names(providers: Optional[Sequence[str]]) -> List[str]:
    """Whole names of the wanted providers; raises BackendError for one that is not available here."""
    available = list(ort.get_available_providers())
    by_short_name = {name.replace("ExecutionProvider", "").lower(): name for name in available}
    by_short_name.update({name.lower(): name for name in available})
    names = []
    for provider in providers or DEFAULT_PROVIDERS:
        if provider.lower() not in by_short_name:
            raise BackendError(
                f"ONNX Runtime {ort.__version__} here has no execution provider {provider!r}; it has {available}"
            )
        names.append(by_short_name[provider.lower()])
    return names


def _open_session(path: Path, providers: List[str], threads: Optional[int]) -> ort.InferenceSession:
    if not path.is_file():
        raise ModelError(f"there is no model file {path}")
    options = _options(threads)
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime raises a type of its own for every kind of broken file
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} can't be opened as an ONNX model: {reason}") from None


def _options(threads: Optional[int]) -> ort.SessionOptions:
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}, expected one or more, or none for one per physical core")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    # Idle threads would otherwise spin between frames, which drains a robot's battery for nothing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _properties(session: ort.InferenceSession) -> Dict[str, str]:
    return dict(session.get_modelmeta().custom_metadata_map)


def _check_signature(session: ort.InferenceSession, metadata: BundleMetadata, outputs: List[str]) -> None:
    """The graph must be the one that its metadata describes."""
    spec = metadata.spec
    side = spec.image_size
    expected = [side, side, 3] if spec.is_continual else [spec.window, side, side, 3]
    inputs = {node.name: node for node in session.get_inputs()}
    produced = {node.name: node for node in session.get_outputs()}
    missing = sorted({FRAMES} - set(inputs)) + sorted(set(outputs) - set(produced))
    if missing or spec.is_continual != (len(outputs) > 1):
        raise ModelError(
            f"a {spec.name} bundle needs other inputs and outputs than this file has: {missing or outputs}"
        )
    if inputs[FRAMES].type != "tensor(uint8)" or list(inputs[FRAMES].shape[1:]) != expected:
        found = f"{inputs[FRAMES].type} {inputs[FRAMES].shape}"
        raise ModelError(f"a {spec.name} bundle takes uint8 frames of (batch, {expected}), this file takes {found}")
    classes = produced[PROBABILITIES].shape[-1]
    if classes != spec.num_classes:
        raise ModelError(
            f"the graph gives {classes} scores, its metadata says {spec.num_classes} classes; export it again"
        )
