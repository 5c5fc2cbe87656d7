"""One participant in a process of its own: JSON lines in, JSON lines out.

{"do": "load"}                            import what the participant needs
{"do": "setup", "task": {...}, "warm": n} build the model, make n calls -> the last one's probabilities
{"do": "run", "calls": n, "seconds": s}   one call to wake up, then time at least n calls and s seconds -> seconds
                                          of each, CPU seconds of a call, others' share of the machine meanwhile,
                                          memory
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Dict, List

from quiet import OthersWatch

OURS = ("ours", "Ours")  # in all its forms
PARTICIPANTS = {
    "original": ("original", "Original"),
    "original, gradients off": ("original", "OriginalWithoutGradients"),
    "pytorchvideo": ("pytorchvideo", "PyTorchVideo"),
}
RELEASE_ABOVE_MB = 9000
MOST_CALLS = 200


def serve(name: str) -> None:
    """Answer requests until the input ends."""
    # Libraries print; the replies get a descriptor of their own, and all prints go to the error stream.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as replies:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        participant: Any = None
        for line in sys.stdin:
            request = json.loads(line)
            if request["do"] == "load":
                module, cls = PARTICIPANTS.get(name, OURS)
                participant = getattr(importlib.import_module(module), cls)()
                reply: Dict[str, Any] = memory_mb()
            elif request["do"] == "setup":
                reply = setup(participant, request)
            else:
                reply = run(participant, request)
            replies.write(json.dumps(reply) + "\n")
            replies.flush()


def setup(participant: Any, request: Dict[str, Any]) -> Dict[str, Any]:
    """A model that is warm, and what it says."""
    participant.setup(request["task"])
    probabilities = None
    for _ in range(request["warm"]):
        probabilities = participant.warm()
    return {"probabilities": None if probabilities is None else [float(p) for p in probabilities]}


def run(participant: Any, request: Dict[str, Any]) -> Dict[str, Any]:
    """Seconds of single calls, and memory afterwards."""
    if memory_mb()["rss_mb"] > RELEASE_ABOVE_MB:
        participant.release()
    participant.call()  # the other participants had the caches
    watch, cpu_start = OthersWatch(), process_time()
    seconds: List[float] = []
    while len(seconds) < request["calls"] or (sum(seconds) < request["seconds"] and len(seconds) < MOST_CALLS):
        start = perf_counter()
        participant.call()
        seconds.append(perf_counter() - start)
    cpu = (process_time() - cpu_start) / len(seconds)
    return {"seconds": seconds, "cpu": cpu, "others": watch.share(), **memory_mb()}


def memory_mb() -> Dict[str, float]:
    """Resident memory of this process now and at its peak."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    kilobytes = {name: int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM")}
    return {"rss_mb": kilobytes["VmRSS"] * 1024 / 1e6, "peak_mb": kilobytes["VmHWM"] * 1024 / 1e6}


if __name__ == "__main__":
    serve(sys.argv[1])
