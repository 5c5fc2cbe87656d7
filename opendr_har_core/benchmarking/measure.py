"""Measurement of one model: time, memory, throughput and energy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Callable, List, Optional, Tuple

from opendr_har_core.benchmarking.energy.meter import EnergyMeter, SensorError
from opendr_har_core.benchmarking.energy.sensors import SENSORS, find_meter
from opendr_har_core.benchmarking.memory import available_bytes, process_memory
from opendr_har_core.benchmarking.models import NAMES, RUNTIMES, TORCH, evaluation, open_network, random_network
from opendr_har_core.benchmarking.timing import Job, Timing, time_calls
from opendr_har_core.errors import ConfigError
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path

LARGEST_BATCH = 64
# Doubling the batch has to gain at least this much to be worth its latency and memory.
LEAST_GAIN = 1.02
# Share of the available memory that a batch may take, so that none pushes the machine into swapping.
SHARE_OF_MEMORY = 0.8
NO_GAIN, NO_MEMORY, LARGEST = "no gain", "memory", "largest batch"
CPU = ("cpu", "cpuexecutionprovider")


@dataclass(frozen=True)
class Settings:
    """What to benchmark; raises ConfigError for values out of range.

    Attributes:
        names: published networks, with random weights.
        bundle: path of a bundle, or name of a packaged model, or None.
        runtimes: "torch", "onnx" or both, for the published networks; bundles run on ONNX Runtime only.
        seconds: time for each figure.
        threads: within one evaluation; 0 for the runtime's default.
        providers: execution providers of ONNX Runtime, best first; None for the processor.
        largest_batch: no larger batch is tried.
    """

    names: Tuple[str, ...] = NAMES
    bundle: Optional[str] = None
    runtimes: Tuple[str, ...] = RUNTIMES
    seconds: float = 2.0
    threads: int = 0
    providers: Optional[Tuple[str, ...]] = None
    largest_batch: int = LARGEST_BATCH

    def __post_init__(self) -> None:
        for given, known in ((self.names, NAMES), (self.runtimes, RUNTIMES)):
            unknown = [name for name in given if name not in known]
            if unknown:
                raise ConfigError(f"can't benchmark {unknown}, expected some of {', '.join(known)}")
        if not 0 < self.seconds < float("inf"):
            raise ConfigError(f"seconds is {self.seconds}, expected a time above zero")
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}, expected 1 or more, or 0 for the runtime's default")
        if self.largest_batch < 1:
            raise ConfigError(f"the largest batch is {self.largest_batch}, expected 1 or more")


@dataclass(frozen=True)
class Throughput:
    """Effect of batching.

    Attributes:
        batch: the best one.
        per_sec: evaluations per second at that batch, from the median time of a call.
        tried: all batches tried, with their evaluations per second.
        stopped_by: why no larger batch was tried: "no gain", "memory" or "largest batch".
    """

    batch: int
    per_sec: float
    tried: Tuple[Tuple[int, float], ...]
    stopped_by: str


@dataclass(frozen=True)
class EnergyUse:
    """Energy at batch 1.

    Attributes:
        sensor: name of the sensor.
        joules: per evaluation, including what the idle machine uses.
        joules_above_idle: per evaluation, beyond what the idle machine uses.
        idle_watts: power of the idle machine.
    """

    sensor: str
    joules: float
    joules_above_idle: float
    idle_watts: float


@dataclass(frozen=True)
class Figures:
    """Measurements of one model on one runtime.

    Attributes:
        provider: the device or library that computes.
        weights_bytes: size of the bundle, or of the network's tensors.
        peak_rss_bytes: peak memory of the process at batch 1; None where the system does not report it.
        timing: at batch 1.
        throughput: at the best batch.
        energy: None where no sensor can be read; `energy_remark` says why.
    """

    provider: str
    weights_bytes: int
    peak_rss_bytes: Optional[int]
    timing: Timing
    throughput: Throughput
    energy: Optional[EnergyUse]
    energy_remark: str


def measure(runtime: str, place: str, settings: Settings) -> Figures:
    """Measure the model of a `Subject`; call it in a new process, so that the memory is the model's own.

    Raises ModelError, BackendError or ConfigError.
    """
    if runtime == TORCH:
        network = random_network(place)
        weights_bytes = sum(value.numel() * value.element_size() for value in network.state_dict().values())
        recognizer = open_network(network, settings.threads)
    else:
        weights_bytes = bundle_path(place).stat().st_size
        recognizer = Recognizer.open(place, settings.providers, settings.threads)
    job = evaluation(recognizer)
    timing = time_calls(job, settings.seconds)
    peak = peak_bytes()  # before larger batches are tried
    provider = (settings.providers or CPU)[0]
    meter, remarks = find_meter(on_gpu=runtime != TORCH and provider.lower() not in CPU)
    energy, remark = energy_use(job, settings.seconds, meter, remarks)
    throughput = best_throughput(partial(evaluation, recognizer), settings.seconds, settings.largest_batch)
    return Figures(recognizer.provider, weights_bytes, peak, timing, throughput, energy, remark)


def peak_bytes() -> Optional[int]:
    """Peak resident memory of this process; None where the system does not report it."""
    memory = process_memory()
    return memory.peak_bytes if memory else None


def best_throughput(
    job_of: Callable[[int], Job],
    seconds: float,
    largest: int = LARGEST_BATCH,
    *,
    timer: Callable[[Job, float], Timing] = time_calls,
    peak: Callable[[], Optional[int]] = peak_bytes,
    available: Callable[[], Optional[int]] = available_bytes,
) -> Throughput:
    """Try batches 1, 2, 4, ... up to `largest` for `seconds` each; `job_of` returns the job for a batch.

    Stops at a batch that gains nothing, or where the next one might not fit into memory.
    """
    tried: List[Tuple[int, float]] = []
    before = peak()
    batch = 1
    while True:
        tried.append((batch, batch / timer(job_of(batch), seconds).median_sec))
        now = peak()
        growth = now - before if before is not None and now is not None else 0
        reason = _reason_to_stop(tried, largest, growth, available())
        if reason:
            best, per_sec = max(tried, key=lambda item: item[1])
            return Throughput(best, per_sec, tuple(tried), reason)
        batch *= 2


def energy_use(
    job: Job, seconds: float, meter: Optional[EnergyMeter], remarks: Tuple[str, ...] = ()
) -> Tuple[Optional[EnergyUse], str]:
    """(energy, ""): idle for `seconds`, then run `job` for `seconds`; or (None, the reason why there is none)."""
    if meter is None:
        return None, "; ".join((f"no readable energy sensor (looked for {SENSORS})", *remarks))
    try:
        idle_joules, idle_sec, _ = _metered(lambda: time.sleep(seconds), 0, meter)
        job()
        joules, elapsed, calls = _metered(job, seconds, meter)
    except SensorError as error:
        return None, str(error)
    idle_watts = idle_joules / idle_sec
    return EnergyUse(meter.name, joules / calls, (joules - idle_watts * elapsed) / calls, idle_watts), ""


def _metered(job: Job, seconds: float, meter: EnergyMeter) -> Tuple[float, float, int]:
    """(joules, elapsed seconds, calls) of calling `job` for `seconds`, at least once."""
    calls = 0
    meter.start()
    began = time.perf_counter()
    while calls == 0 or time.perf_counter() - began < seconds:
        job()
        calls += 1
    elapsed = time.perf_counter() - began
    return meter.stop(), elapsed, calls


def _reason_to_stop(
    tried: List[Tuple[int, float]], largest: int, growth: int, available: Optional[int]
) -> Optional[str]:
    """`growth` is the memory that the batches took so far; the next batch may take as much again."""
    if len(tried) > 1 and tried[-1][1] < LEAST_GAIN * tried[-2][1]:
        return NO_GAIN
    if 2 * tried[-1][0] > largest:
        return LARGEST
    if available is not None and growth > SHARE_OF_MEMORY * available:
        return NO_MEMORY
    return None
