"""Measures one model on one runtime in a process of its own: `python -m opendr_har_core.benchmarking.worker`.

So its memory is its own, and no other runtime's threads are about. The request comes as JSON on standard input, the
figures go as JSON to standard output.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional, Tuple

from opendr_har_core.benchmarking.energy import survey
from opendr_har_core.benchmarking.energy_use import energy_use
from opendr_har_core.benchmarking.memory import peak_rss_bytes
from opendr_har_core.benchmarking.models import TORCH, random_network
from opendr_har_core.benchmarking.report import Figures
from opendr_har_core.benchmarking.runners import OpenBundle
from opendr_har_core.benchmarking.throughput import LARGEST_BATCH, Opened, best_throughput
from opendr_har_core.benchmarking.timing import time_calls
from opendr_har_core.errors import HarError

CPU = ("cpu", "cpuexecutionprovider")


@dataclass(frozen=True)
class Request:
    """What to measure, and how.

    Attributes:
        runtime: "torch" or "onnx".
        place: a published name for "torch", the path of a bundle for "onnx".
        seconds: time for each figure.
        threads, providers: as `Recognizer.open` takes them; PyTorch has no providers.
        largest_batch: none larger is tried.
        root: the folder that holds `sys`, where energy sensors are looked for.
    """

    runtime: str
    place: str
    seconds: float
    threads: Optional[int] = None
    providers: Optional[Tuple[str, ...]] = None
    largest_batch: int = LARGEST_BATCH
    root: str = "/"

    @property
    def on_gpu(self) -> bool:
        """Whether something else than the processor computes."""
        return self.runtime != TORCH and bool(self.providers) and str((self.providers or CPU)[0]).lower() not in CPU


def measure(request: Request) -> Figures:
    """All figures of one model; the peak of memory is read before larger batches are tried."""
    model, weights_bytes = _opened(request)
    runner = model.runner()
    timing = time_calls(runner.run, request.seconds)
    peak = peak_rss_bytes()
    energy, remark = energy_use(runner.run, request.seconds, survey(request.root, request.on_gpu))
    throughput = best_throughput(model, request.seconds, request.largest_batch)
    return Figures(runner.provider, weights_bytes, peak, timing, throughput, energy, remark)


def _opened(request: Request) -> Tuple[Opened, int]:
    """The open model and the bytes of its weights."""
    if request.runtime == TORCH:
        network = random_network(request.place)
        from opendr_har_core.benchmarking.torch_runners import OpenNetwork

        tensors = network.state_dict().values()
        return OpenNetwork(network, request.threads), sum(item.numel() * item.element_size() for item in tensors)
    return OpenBundle(request.place, request.providers, request.threads), Path(request.place).stat().st_size


def main() -> int:
    """Read a request, measure, write the figures; 1 and one line on standard error where that failed."""
    try:
        figures = measure(Request(**json.load(sys.stdin)))
    except HarError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
