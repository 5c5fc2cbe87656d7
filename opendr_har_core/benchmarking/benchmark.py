"""Benchmark of models on this machine, each in a process of its own, and comparison of two bundles."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from opendr_har_core.benchmarking import ONNX, TORCH, BenchmarkSettings
from opendr_har_core.benchmarking.energy import SensorError, find_meter
from opendr_har_core.benchmarking.machine import Machine, available_bytes, process_memory
from opendr_har_core.benchmarking.timing import Comparison, Job, Timing, compare, evaluation, input_shape, time_calls
from opendr_har_core.bundles.graph_cost import graph_cost
from opendr_har_core.errors import ConfigError
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path

if TYPE_CHECKING:
    from opendr_har_core.networks.x3d import X3D

FORMAT_VERSION = 3
RANDOM = "random weights"
# Doubling the batch has to gain at least this much to be worth its latency and memory.
LEAST_GAIN = 1.02
# Share of the available memory that a batch may take, so that none pushes the machine into swapping.
SHARE_OF_MEMORY = 0.8
CPU = ("cpu", "cpuexecutionprovider")
OUT_OF_MEMORY = "the process ended without a result, as when the system runs out of memory"
INSTALL = "pip install 'opendr_har_ros[train]', or benchmark a bundle with --model FILE.onnx"


@dataclass(frozen=True)
class Model:
    """A model on a runtime.

    Attributes:
        name: such as "cox3d_s".
        runtime: "torch" or "onnx".
        place: path of a bundle, or for PyTorch the published name of a network.
        source: where its weights come from.
        input_shape: of the uint8 input of one evaluation.
        parameters, multiply_adds: of one evaluation of the exported graph; None where they can't be counted: without
            the `onnx` package, and in tuned bundles.
    """

    name: str
    runtime: str
    place: str
    source: str
    input_shape: Tuple[int, ...]
    parameters: Optional[int]
    multiply_adds: Optional[int]


@dataclass(frozen=True)
class Figures:
    """Measurements of one model on one runtime.

    Attributes:
        provider: the device or library that computes.
        weights_bytes: size of the bundle, or of the network's tensors.
        peak_rss_bytes: peak memory of the process at batch 1; None where the system does not report it.
        timing: at batch 1.
        throughput: evaluations per second by batch, from the median time of a call.
        joules: of an evaluation at batch 1, with those of the idle machine; None where no sensor can be read.
        sensor: its name, or why there is none.
    """

    provider: str
    weights_bytes: int
    peak_rss_bytes: Optional[int]
    timing: Timing
    throughput: Mapping[int, float]
    joules: Optional[float]
    sensor: str


@dataclass(frozen=True)
class Row:
    """One model: its figures, or the reason why there are none."""

    model: Model
    figures: Optional[Figures] = None
    failure: str = ""


@dataclass(frozen=True)
class Report:
    """A whole benchmark, or the comparison of two rows without figures; `seconds` is the time for each figure."""

    machine: Machine
    seconds: float
    rows: Tuple[Row, ...]
    comparison: Optional[Comparison] = None
    format_version: int = FORMAT_VERSION


def benchmark(settings: BenchmarkSettings, progress: Optional[Callable[[str], None]] = None) -> Report:
    """Measure the published networks, or the bundle if there is one; `progress` is called with a line about each.

    A measurement that fails becomes a row with the reason. Raises ConfigError, ModelError or BackendError where
    nothing can be measured. Call it from a module that a new process can import (`if __name__ == "__main__"`).
    """
    with TemporaryDirectory(prefix="opendr_har_benchmark_") as folder:
        models = [bundle_model(settings.model)] if settings.model else []
        for name in settings.models:
            models += published_models(name, settings.runtimes, Path(folder))
        machine = Machine()
        rows: List[Row] = []
        for model in models:
            if progress:
                progress(f"measuring {model.name} on {model.runtime} ...")
            rows.append(measured_row(model, settings))
    return Report(machine, settings.seconds, tuple(rows))


def compare_bundles(first: str, second: str, settings: BenchmarkSettings) -> Report:
    """Time two bundles alternately at batch 1; raises ModelError, BackendError or ConfigError."""
    jobs = [evaluation(Recognizer.open(path, settings.providers, settings.threads)) for path in (first, second)]
    machine, rows = Machine(), tuple(Row(bundle_model(path)) for path in (first, second))
    return Report(machine, settings.seconds, rows, compare(jobs[0], jobs[1], settings.seconds))


def bundle_model(path: str) -> Model:
    """A bundle on ONNX Runtime, by its path or the name of a packaged model; raises ModelError."""
    recognizer, place = Recognizer.open(path), bundle_path(path)
    spec = recognizer.spec
    parameters, multiply_adds = graph_cost(place) or (None, None)
    return Model(spec.name, ONNX, str(place), recognizer.source, input_shape(spec), parameters, multiply_adds)


def published_models(name: str, runtimes: Sequence[str], folder: Path) -> List[Model]:
    """A published network on each of the runtimes; its bundle is written into `folder`. Raises ConfigError."""
    network = random_network(name)
    try:
        from opendr_har_core.bundles.export import export_bundle
    except ImportError as error:
        raise ConfigError(f"{name} has to be exported, which needs onnx ({error}); {INSTALL}") from None
    model = bundle_model(str(export_bundle(network, folder / f"{name}.onnx", source=RANDOM)))
    return [
        model if runtime == ONNX else Model(**{**asdict(model), "runtime": TORCH, "place": name})
        for runtime in runtimes
    ]


def random_network(name: str) -> X3D:
    """The published network called `name` with random weights; raises ConfigError without PyTorch."""
    try:
        from opendr_har_core.networks.config import x3d_config
        from opendr_har_core.networks.cox3d import CoX3D
        from opendr_har_core.networks.x3d import X3D
    except ImportError as error:
        raise ConfigError(f"{name} needs torch, to be built with random weights ({error}); {INSTALL}") from None
    architecture, size = name.split("_")
    return (X3D if architecture == "x3d" else CoX3D)(x3d_config(size))


def measured_row(model: Model, settings: BenchmarkSettings) -> Row:
    """Measure one model in a new process, so that the memory is the model's own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        try:
            return Row(model, process.submit(measure, model, settings).result())
        except BrokenProcessPool:
            return Row(model, failure=OUT_OF_MEMORY)
        except Exception as error:
            return Row(model, failure=str(error))


def measure(model: Model, settings: BenchmarkSettings) -> Figures:
    """Measure a model in this process; raises ModelError, BackendError or ConfigError."""
    if model.runtime == TORCH:
        import torch

        from opendr_har_core.backends.torch import TorchBackend

        if settings.threads:
            torch.set_num_threads(settings.threads)
        network = random_network(model.place)
        weights_bytes = sum(value.numel() * value.element_size() for value in network.state_dict().values())
        recognizer = Recognizer(TorchBackend(network))
    else:
        weights_bytes = Path(model.place).stat().st_size
        recognizer = Recognizer.open(model.place, settings.providers, settings.threads)
    job = evaluation(recognizer)
    timing = time_calls(job, settings.seconds)
    peak = peak_bytes()  # before larger batches are tried
    on_gpu = model.runtime == ONNX and (settings.providers or CPU)[0].lower() not in CPU
    joules, sensor = energy_use(job, settings.seconds, on_gpu)
    throughput = throughput_by_batch(partial(evaluation, recognizer), settings.seconds, settings.largest_batch)
    return Figures(recognizer.provider, weights_bytes, peak, timing, throughput, joules, sensor)


def peak_bytes() -> Optional[int]:
    """Peak resident memory of this process; None where the system does not report it."""
    memory = process_memory()
    return memory.peak_bytes if memory else None


def throughput_by_batch(
    job_of: Callable[[int], Job],
    seconds: float,
    largest: int,
    *,
    timer: Callable[[Job, float], Timing] = time_calls,
    peak: Callable[[], Optional[int]] = peak_bytes,
    available: Callable[[], Optional[int]] = available_bytes,
) -> Dict[int, float]:
    """Evaluations per second in batches of 1, 2, 4, ... up to `largest`; `job_of` returns the job for a batch.

    Stops at a batch that gains nothing, or where the next one might not fit into memory.
    """
    per_sec: Dict[int, float] = {}
    before, batch = peak() or 0, 1
    while True:
        per_sec[batch] = batch / timer(job_of(batch), seconds).median_sec
        gains = batch == 1 or per_sec[batch] >= LEAST_GAIN * per_sec[batch // 2]
        grown, free = (peak() or 0) - before, available()
        fits = free is None or grown <= SHARE_OF_MEMORY * free  # the next batch may take as much again
        batch *= 2
        if not gains or not fits or batch > largest:
            return per_sec


def energy_use(job: Job, seconds: float, on_gpu: bool = False) -> Tuple[Optional[float], str]:
    """(joules of a call of `job`, name of the sensor), or (None, why there is none)."""
    try:
        meter = find_meter(on_gpu=on_gpu)
        calls, began, end = 0, time.perf_counter(), meter.begin()
        while calls == 0 or time.perf_counter() - began < seconds:
            job()
            calls += 1
        return end() / calls, meter.name
    except SensorError as error:
        return None, str(error)
