"""Runs one target over many inputs in a process whose memory is limited, and says what came of each.

The parent watches the clock, the child watches its own memory, files and what it is asked to execute. A child that dies
or hangs is a finding about the input that it had; the next child goes on after it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional

HERE = Path(__file__).resolve().parent
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What one input may cost.

    Attributes:
        seconds: of time; the child is killed after that.
        megabytes: by which the child's address space may grow.
        peak_megabytes: by which its memory in use may grow before that counts as a finding.
    """

    seconds: float = 20.0
    megabytes: int = 2048
    peak_megabytes: float = 700.0


@dataclass
class Report:
    """What came of a run.

    Attributes:
        target: name of the target.
        tried: number of inputs.
        outcomes: how many were "refused" with a HarError, and "used".
        findings: what should not have been, each with the number of its input.
        slowest_sec, peak_mb: of any input.
    """

    target: str
    tried: int = 0
    outcomes: Counter = field(default_factory=Counter)
    findings: List[Dict[str, Any]] = field(default_factory=list)
    slowest_sec: float = 0.0
    peak_mb: float = 0.0

    def line(self) -> str:
        """For people."""
        came = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return (
            f"{self.target}: {self.tried} inputs, {came}, {len(self.findings)} findings, "
            f"slowest {self.slowest_sec:.2f} s, memory +{self.peak_mb:.0f} MB"
        )


def run(target: str, inputs: int, seed: int, folder: Path, limits: Optional[Limits] = None, first: int = 0) -> Report:
    """Try the inputs `first` to `first + inputs - 1` of the target in children, working below `folder`."""
    limits = limits or Limits()
    report = Report(target)
    index, end = first, first + inputs
    while index < end:
        index = _child(report, target, seed, index, end, folder, limits)
        if len(report.findings) >= 200:
            break
    return report


def _child(report: Report, target: str, seed: int, index: int, end: int, folder: Path, limits: Limits) -> int:
    """Run one child until it ends; returns the number of the next input."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "cage_child.py"), target, str(seed), str(index), str(end), str(folder)]
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    log = (folder.parent / f"{folder.name}.stderr").open("w+b")
    process = subprocess.Popen(
        [*command, str(limits.megabytes)], stdout=subprocess.PIPE, stderr=log, env=environment, cwd=folder
    )
    watch = _Watch(process, limits.seconds)
    ready = False
    with log:
        for line in process.stdout or ():
            watch.restart()
            event = json.loads(line)
            ready = True
            if "ready" not in event:
                _take(report, event, limits)
                index = event["index"] + 1
        watch.stop()
        if process.wait() != 0:
            log.seek(0)
            words = log.read()[-3000:].decode("utf-8", "replace")
            if not ready:
                raise RuntimeError(f"the target {target} does not start: {words}")
            kind = "hang" if watch.expired else f"died with {process.returncode}"
            report.findings.append({"index": index, "kind": kind, "what": words})
            report.tried += 1
            return index + 1
    return index


def _take(report: Report, event: Dict[str, Any], limits: Limits) -> None:
    report.tried += 1
    report.slowest_sec = max(report.slowest_sec, event["seconds"])
    report.peak_mb = max(report.peak_mb, event["megabytes"])
    if event["outcome"] in ("refused", "used"):
        report.outcomes[event["outcome"]] += 1
        if event["megabytes"] > limits.peak_megabytes:
            report.findings.append({"index": event["index"], "kind": "memory", "what": event})
    else:
        report.findings.append({"index": event["index"], "kind": event["outcome"], "what": event["what"]})


class _Watch:
    """Kills a process that says nothing for too long; it gets more time to start."""

    def __init__(self, process: subprocess.Popen, seconds: float) -> None:
        self.expired = False
        self._process = process
        self._seconds = seconds
        self._timer: Optional[threading.Timer] = None
        self.restart(60.0)

    def restart(self, extra: float = 0.0) -> None:
        self.stop()
        self._timer = threading.Timer(self._seconds + extra, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _kill(self) -> None:
        self.expired = True
        self._process.kill()
