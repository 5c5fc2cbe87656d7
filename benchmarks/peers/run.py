"""Ours beside its peers: the original OpenDR learners and PyTorchVideo, by turns in one run, as ratios of medians.

python benchmarks/peers/run.py [FIGURE ...] [--rounds 10] [--calls 3] [--patience 5] [--threads N] [--peers [NAME ...]]
    [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Dict, List
from venv import PEERS, ready_python

from compare import ALL_PEERS, Comparison, compare
from footprint import Footprint, StartUp, footprints, start_ups
from material import OURS, Workshop
from process import PeerError, Worker

from opendr_har_core.storage.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[2]
SPEEDS = ("cox3d-s", "cox3d-m", "cox3d-l", "x3d-xs", "x3d-s", "x3d-m", "x3d-l")
MEMORY, START = "memory", "start"
FIGURES = (*SPEEDS, MEMORY, START)
START_ROUNDS = 5
TERMINATED = 143


def main() -> int:
    """Measure and print; returns the exit code."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # leaves the `with` blocks, which end the workers
    peers_python = ready_python(options.venv) if options.peers else Path(sys.executable)
    report: Dict[str, Any] = {"machine": machine(), "peers": PEERS, "options": vars(options), "load_before": load()}
    failed: List[str] = []
    with tempfile.TemporaryDirectory(prefix="peers") as folder:
        start = partial(start_worker, peers_python, Path(folder))
        shop = Workshop(Path(folder), options.shared, options.threads, os.cpu_count() or 1)
        for figure in options.figures or FIGURES:
            try:
                report[figure] = run_figure(figure, shop, start, options)
            except PeerError as error:
                failed.append(figure)
                sys.stderr.write(f"{figure}: {error}\n")
    report["load_after"] = load()
    say(f"load average {report['load_before']} -> {report['load_after']}: read only rows with quiet rounds")
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"which to measure (default all): {FIGURES}")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each participant")
    parser.add_argument("--calls", type=int, default=3, help="timed calls in a turn, at least")
    parser.add_argument("--patience", type=float, default=5, help="seconds to wait before a turn for a quiet machine")
    parser.add_argument("--threads", type=int, help="threads of everyone (default: all cores)")
    parser.add_argument(
        "--peers", nargs="*", choices=ALL_PEERS, default=ALL_PEERS, metavar="NAME", help=f"some of {ALL_PEERS}, or none"
    )
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-peers", help="where the peers are installed")
    shared = Path(os.environ.get("HAR_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--shared", type=Path, default=shared, help="folder of real weights and clips")
    options = parser.parse_args()
    unknown = sorted(set(options.figures) - set(FIGURES))
    if unknown:
        parser.error(f"no such figure: {unknown}; expected some of {FIGURES}")
    if options.rounds < 1 or options.calls < 1 or (options.threads is not None and options.threads < 1):
        parser.error("--rounds, --calls and --threads must be one or more")
    return options


def start_worker(peers_python: Path, folder: Path, name: str) -> Worker:
    """A worker in the environment where its participant lives."""
    log = folder / f"{name}.log"
    if name.startswith(OURS):
        return Worker(name, Path(sys.executable), log, foreign=False)
    return Worker(name, peers_python, log, foreign=True)


def run_figure(figure: str, shop: Workshop, start: Any, options: argparse.Namespace) -> List[Dict[str, Any]]:
    """Measure one figure and print its rows."""
    if figure == MEMORY:
        return [show_footprint(row) for row in footprints(shop.material("cox3d", "s"), start, options.peers)]
    if figure == START:
        return [
            show_start_up(row) for row in start_ups(shop.material("cox3d", "s"), start, START_ROUNDS, options.peers)
        ]
    network, size = figure.split("-")
    material = shop.material(network, size)
    rows = compare(figure, material, start, options.rounds, options.calls, options.patience, options.peers)
    return [show_comparison(row) for row in rows]


def show_comparison(row: Comparison) -> Dict[str, Any]:
    """Print a peer beside ours."""
    agree = "not the same for both"
    if row.difference is not None:
        agree = f"max difference of probabilities {row.difference:.0e}, of their logarithms {row.log_difference:.0e}"
    say(
        f"{row.figure:<8} {row.ours:<25} {row.ours_ms:8.2f} ms   {row.peer:<24} {row.peer_ms:8.2f} ms   "
        f"ratio {row.ratio:6.2f} ({row.low:.2f} .. {row.high:.2f})   quiet {row.quiet}/{row.rounds}"
    )
    say(
        f"{'CPU':>34} {row.ours_cpu_ms:8.2f} ms   {'':<24} {row.peer_cpu_ms:8.2f} ms   ratio {row.cpu_ratio:6.2f}"
        f"   {row.weights} weights, {agree}"
    )
    return asdict(row)


def show_footprint(row: Footprint) -> Dict[str, Any]:
    """Print the memory of a process."""
    say(
        f"memory   {row.participant:<25} peak {row.peak_mb:6.0f} MB after {row.steps} steps of CoX3D-S, "
        f"{row.growth_mb:+.2f} MB a step"
    )
    return asdict(row)


def show_start_up(row: StartUp) -> Dict[str, Any]:
    """Print how long a process takes."""
    say(
        f"start    {row.participant:<25} imports done after {row.imported_sec:5.2f} s, "
        f"first step of CoX3D-S after {row.first_result_sec:5.2f} s"
    )
    return asdict(row)


def machine() -> Dict[str, Any]:
    """What the numbers were measured on."""
    names = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    cpu = names[0].partition(":")[2].strip() if names else platform.machine()
    return {"cpu": cpu, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}


def load() -> List[float]:
    """How busy the machine is: load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def say(line: str) -> None:
    """Print at once, since the next line can take minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
