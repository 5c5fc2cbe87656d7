"""Bundles on ONNX Runtime: the backend of robots, free of torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Union

import numpy as np

from opendr_har_core.backends.fingerprint import check_tuned_for
from opendr_har_core.backends.protocol import Array, Row, finite
from opendr_har_core.backends.provider_fallback import ProviderFallback
from opendr_har_core.backends.session import CPU, session_settings
from opendr_har_core.backends.state_buffers import BufferedState, BufferSpec, buffer_specs
from opendr_har_core.bundles.file_check import check_onnx_file
from opendr_har_core.bundles.metadata import FRAMES, NEXT, PROBABILITIES, STATE, BundleMetadata
from opendr_har_core.errors import ModelError


class OnnxBackend:
    """One loaded bundle; every method may be called from several threads, all state is in the arguments."""

    def __init__(
        self,
        path: Union[str, Path],
        providers: Optional[Sequence[str]] = None,
        threads: Optional[int] = None,
        spin: bool = False,
    ) -> None:
        """Open the bundle at `path`.

        `providers` are names of ONNX Runtime execution providers, best first, short ("cuda") or whole
        ("CUDAExecutionProvider"), by default the CPU alone; one that fails later on hands over to the next. `threads`
        is the number used within one operator, by default one fewer than there are cores, and at most four. `spin`
        keeps threads awake between steps. Raises ModelError for a file that is no usable bundle, BackendError for a
        provider that this ONNX Runtime lacks, ConfigError for a thread count under one.
        """
        settings = session_settings(providers, threads, spin)
        if Path(path).is_file():  # else what follows says so
            check_onnx_file(Path(path))
        self._sessions = ProviderFallback(Path(path), settings)
        try:
            self._describe(str(path))
        except UnicodeDecodeError as error:
            raise ModelError(f"{path} has metadata or names that are no text ({error}); export it again") from None

    def _describe(self, where: str) -> None:
        """Take over what the file says of itself, and check that its graph is that."""
        session = self._sessions.single
        properties = dict(session.get_modelmeta().custom_metadata_map)
        self.metadata = BundleMetadata.from_properties(properties, where)
        check_tuned_for(self.metadata.tuned_for, where)
        self.spec = self.metadata.spec
        self.labels = self.metadata.labels
        self.source = self.metadata.source
        inputs = {node.name: tuple(node.shape[1:]) for node in session.get_inputs()}
        shapes = {name[len(STATE) :]: shape for name, shape in inputs.items() if name.startswith(STATE)}
        self._queues = buffer_specs(shapes, self.metadata.delays)
        _check_signature(session, self.metadata, self._queues)

    @property
    def provider(self) -> str:
        """What computes at present."""
        return self._sessions.provider

    @property
    def fallback_reason(self) -> str:
        """Which provider was given up and why, or ""."""
        return self._sessions.fallback_reason

    def classify(self, clips: Array) -> Array:
        """X3D: uint8 (B, T, S, S, 3) RGB clips -> float32 (B, num_classes) probabilities.

        One clip after the other: a clip alone keeps all cores busy.
        """
        results = [self._sessions.run(1, partial(_scores_of, clip)) for clip in np.split(clips, len(clips))]
        return finite(np.concatenate(results))

    def state(self, rows: Sequence[Row[BufferedState]]) -> BufferedState:
        """CoX3D: a new state made of copies of rows of others; zeros for None."""
        state = BufferedState(self._queues, self.spec, len(rows))
        for index, row in enumerate(rows):
            if row is not None:
                state.copy_row(index, *row)
        return state

    def step(self, frames: Sequence[Array], state: BufferedState) -> Array:
        """CoX3D: one uint8 (S, S, 3) frame for each row -> float32 (rows, num_classes); advances the state."""
        for row, frame in enumerate(frames):
            state.frames[row] = frame
        self._sessions.run(state.rows, lambda session: session.run_with_iobinding(self._binding(session, state)))
        probabilities = finite(state.probabilities.copy())
        state.advance()
        return probabilities

    def _binding(self, session: Any, state: BufferedState) -> Any:
        """That of the state's turn, made when it first comes to it."""
        bindings = state.bindings_of(session)
        binding = bindings[state.turn]
        if binding is None:
            binding = bindings[state.turn] = self._bind(session, state)
        elif session.get_providers()[0] != CPU:
            # Binding an input copies it to the provider's device; what is in our buffer later never gets there.
            self._bind_inputs(binding, state)
        return binding

    def _bind(self, session: Any, state: BufferedState) -> Any:
        """Where one turn's step reads and writes; the state keeps the buffers alive."""
        binding = session.io_binding()
        self._bind_inputs(binding, state)
        _bind_output(binding, PROBABILITIES, state.probabilities)
        for queue in self._queues:
            _bind_output(binding, f"{NEXT}{queue.name}", state.entering(queue))
        return binding

    def _bind_inputs(self, binding: Any, state: BufferedState) -> None:
        _bind_input(binding, FRAMES, state.frames)
        for queue in self._queues:
            for index in range(queue.depth):
                _bind_input(binding, f"{STATE}{queue.name}.{index}", state.entry(queue, index))


def _scores_of(clip: Array, session: Any) -> Array:
    scores: Array = session.run([PROBABILITIES], {FRAMES: clip})[0]
    return scores


def _bind_input(binding: Any, name: str, array: Array) -> None:
    binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)


def _bind_output(binding: Any, name: str, array: Array) -> None:
    binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)


def _check_signature(session: Any, metadata: BundleMetadata, queues: Sequence[BufferSpec]) -> None:
    """The graph must be the one that its metadata describes."""
    spec = metadata.spec
    side = spec.image_size
    expected = [side, side, 3] if spec.is_continual else [spec.window, side, side, 3]
    inputs: Dict[str, Any] = {node.name: node for node in session.get_inputs()}
    outputs: Dict[str, Any] = {node.name: node for node in session.get_outputs()}
    wanted = [PROBABILITIES, *(f"{NEXT}{queue.name}" for queue in queues)]
    missing = sorted({FRAMES} - set(inputs)) + sorted(set(wanted) - set(outputs))
    if missing or spec.is_continual != bool(queues):
        raise ModelError(f"a {spec.name} bundle needs other inputs and outputs than this file has: {missing or wanted}")
    if inputs[FRAMES].type != "tensor(uint8)" or list(inputs[FRAMES].shape[1:]) != expected:
        found = f"{inputs[FRAMES].type} {inputs[FRAMES].shape}"
        raise ModelError(f"a {spec.name} bundle takes uint8 frames of (batch, {expected}), this file takes {found}")
    classes = outputs[PROBABILITIES].shape[-1]
    if classes != spec.num_classes:
        raise ModelError(
            f"the graph gives {classes} scores, its metadata says {spec.num_classes} classes; export it again"
        )
