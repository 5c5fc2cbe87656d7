"""Backend for bundles on ONNX Runtime; needs no PyTorch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np

from opendr_har_core.backends.protocol import Array, Outputs, Row, check_finite
from opendr_har_core.backends.session import CPU, Sessions, session_settings, this_machine
from opendr_har_core.backends.state_buffers import BufferedState, BufferSpec, StepBuffers, buffer_specs
from opendr_har_core.bundles.file_check import check_onnx_file
from opendr_har_core.bundles.metadata import FEATURES, FRAMES, NEXT, PROBABILITIES, STATE, BundleMetadata
from opendr_har_core.errors import ModelError


class OnnxBackend:
    """An open bundle; thread-safe, as all state is in the arguments."""

    def __init__(
        self,
        path: Union[str, Path],
        providers: Optional[Sequence[str]] = None,
        threads: Optional[int] = None,
        spin: bool = False,
    ) -> None:
        """Open the bundle at `path`.

        `providers` are ONNX Runtime execution providers, best first, by short ("cuda") or full name
        ("CUDAExecutionProvider"); default: the CPU. If one fails later on, the next one takes over. `threads` is the
        number of threads within one operator; default: one fewer than there are cores, at most four. `spin` keeps
        threads awake between steps. Raises ModelError for a file that is no usable bundle, BackendError for a provider
        that this ONNX Runtime lacks, ConfigError for an invalid thread count.
        """
        settings = session_settings(providers, threads, spin)
        check_onnx_file(Path(path))
        self._sessions = Sessions(Path(path), settings)
        try:
            self._read_metadata(str(path))
        except UnicodeDecodeError as error:
            raise ModelError(f"{path} has metadata or names that are not text ({error}); export it again") from None

    def _read_metadata(self, where: str) -> None:
        """Take over the metadata and check that machine and graph fit it."""
        session = self._sessions.single
        properties = dict(session.get_modelmeta().custom_metadata_map)
        self.metadata = BundleMetadata.from_properties(properties, where)
        if self.metadata.tuned_for not in ("", this_machine()):
            raise ModelError(
                f"{where} was tuned for {self.metadata.tuned_for}, this is {this_machine()}; use the bundle that it "
                f"was made from, or tune that here"
            )
        self.spec, self.labels, self.source = self.metadata.spec, self.metadata.labels, self.metadata.source
        self.features, self.weights_sha256 = self.metadata.features, self.metadata.weights_sha256
        inputs = {node.name: tuple(node.shape[1:]) for node in session.get_inputs()}
        shapes = {name[len(STATE) :]: shape for name, shape in inputs.items() if name.startswith(STATE)}
        self._buffers = buffer_specs(shapes, self.metadata.delays)
        # Those of the latest step, by the number of rows.
        self._spare: Dict[int, StepBuffers] = {}
        _check_signature(session, self.metadata, self._buffers)

    @property
    def provider(self) -> str:
        """Full name of the execution provider in use."""
        return self._sessions.provider

    @property
    def fallback_reason(self) -> str:
        """Which execution provider failed and why, or ""."""
        return self._sessions.reason

    def classify(self, clips: Array) -> Outputs:
        """See `Backend`; one clip after the other, as a single clip keeps all cores busy."""
        names = [PROBABILITIES, FEATURES] if self.features else [PROBABILITIES]
        results = [self._sessions.run(1, partial(_outputs_of, clip, names)) for clip in np.split(clips, len(clips))]
        outputs = Outputs(*map(np.concatenate, zip(*results)))
        check_finite(*outputs)
        return outputs

    def state(self, rows: Sequence[Row[BufferedState]]) -> BufferedState:
        """See `Backend`."""
        state = BufferedState(self._buffers, len(rows))
        for index, row in enumerate(rows):
            if row is not None:
                state.copy_row(index, *row)
        return state

    def step(self, frames: Sequence[Array], state: BufferedState) -> Outputs:
        """See `Backend`."""
        # Taken out in one operation: a step in another thread needs its own.
        buffers = self._spare.pop(state.rows, None) or StepBuffers(self._buffers, self.spec, state.rows, self.features)
        for row, frame in enumerate(frames):
            buffers.frames[row] = frame
        self._sessions.run(
            state.rows, lambda session: session.run_with_iobinding(self._binding(session, state, buffers))
        )
        probabilities, features = buffers.outputs
        check_finite(probabilities, features)
        outputs = Outputs(probabilities.copy(), None if features is None else features.copy())
        state.advance(buffers)
        self._spare = {state.rows: buffers}
        return outputs

    def _binding(self, session: Any, state: BufferedState, buffers: StepBuffers) -> Any:
        """The buffers that a step reads and writes.

        While one state steps again and again, its buffers come back to their places, and so do the bindings.
        """
        if session.get_providers()[0] != CPU:
            # Binding an input copies it to the provider's device; later changes of our buffer would not arrive.
            return self._new_binding(session, state, buffers)
        bindings = buffers.bindings_of(session, state)
        binding = bindings.get(state.places)
        if binding is None:
            binding = bindings[state.places] = self._new_binding(session, state, buffers)
        return binding

    def _new_binding(self, session: Any, state: BufferedState, buffers: StepBuffers) -> Any:
        binding = session.io_binding()
        binding.bind_ortvalue_input(FRAMES, buffers.frames_value)
        for name, value in zip((PROBABILITIES, FEATURES), buffers.output_values):
            binding.bind_ortvalue_output(name, value)
        for spec in self._buffers:
            for index in range(spec.depth):
                binding.bind_ortvalue_input(f"{STATE}{spec.name}.{index}", state.value(spec, index))
            binding.bind_ortvalue_output(f"{NEXT}{spec.name}", buffers.written[spec.depth].values[spec.name])
        return binding


def _outputs_of(clip: Array, names: Sequence[str], session: Any) -> List[Array]:
    outputs: List[Array] = session.run(names, {FRAMES: clip})
    return outputs


def _check_signature(session: Any, metadata: BundleMetadata, buffers: Sequence[BufferSpec]) -> None:
    """Raise ModelError for a graph that is not the one that its metadata describes."""
    spec, side = metadata.spec, metadata.spec.image_size
    expected = [side, side, 3] if spec.is_continual else [spec.window, side, side, 3]
    inputs: Dict[str, Any] = {node.name: node for node in session.get_inputs()}
    outputs: Dict[str, Any] = {node.name: node for node in session.get_outputs()}
    wanted = {PROBABILITIES: spec.num_classes, **({FEATURES: metadata.features} if metadata.features else {})}
    next_states = {f"{NEXT}{buffer.name}" for buffer in buffers}
    missing = sorted({FRAMES} - set(inputs)) + sorted({*wanted, *next_states} - set(outputs))
    if missing or spec.is_continual != bool(buffers):
        named = missing or [*wanted]
        raise ModelError(f"a {spec.name} bundle needs other inputs and outputs than this file has: {named}")
    if inputs[FRAMES].type != "tensor(uint8)" or list(inputs[FRAMES].shape[1:]) != expected:
        found = f"{inputs[FRAMES].type} {inputs[FRAMES].shape}"
        raise ModelError(f"a {spec.name} bundle takes uint8 frames of (batch, {expected}), this file takes {found}")
    for name, count in wanted.items():
        if list(outputs[name].shape[1:]) != [count]:
            raise ModelError(
                f"the graph gives {name} of shape {outputs[name].shape}, its metadata says {count}; export it again"
            )
