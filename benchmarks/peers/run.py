"""Ours against the original OpenDR learners and PyTorchVideo: alternating in one run, as ratios of medians.

python benchmarks/peers/run.py [FIGURE ...] [--rounds 10] [--calls 3] [--patience 5] [--threads N]
    [--peers [NAME ...]] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Dict, List

from compare import ALL_PEERS, Row, memory, speeds, start_up
from material import make_material
from process import PeerError, Worker

from opendr_har_core.benchmarking.machine import processor, versions
from opendr_har_core.storage.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[2]
SPEEDS = ("cox3d-s", "cox3d-m", "cox3d-l", "x3d-xs", "x3d-s", "x3d-m", "x3d-l")
MEMORY, START = "memory", "start"
FIGURES = (*SPEEDS, MEMORY, START)
TERMINATED = 143
# What the peers import while they infer, in current releases; torch is the one that this project trains with.
NEEDED = (
    "torch==2.13.0",
    "numpy",
    "pyyaml",
    "tqdm",
    "joblib",
    "onnxruntime",
    "opencv-python-headless",
    "av",
    "fvcore",
    "pytorch-lightning",
)
# Their own requirements pin releases of 2021 and 2022, so they are installed without dependencies: on the same torch
# as ours, code is compared with code.
PEERS = (
    "opendr-toolkit-engine==3.0.0",
    "opendr-toolkit-activity-recognition==3.0.0",
    "continual-inference==1.2.4",
    "pytorchvideo==0.1.5",
)


def main() -> int:
    """Measure and print; returns the exit code."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # leaves the `with` blocks, which end the workers
    peers_python = ready_python(options.venv) if options.peers else Path(sys.executable)
    report: Dict[str, Any] = {
        "processor": processor(),
        "versions": versions(),
        "peers": PEERS,
        "options": vars(options),
    }
    failed = False
    with tempfile.TemporaryDirectory(prefix="peers") as folder:
        for figure in options.figures or FIGURES:
            try:
                report[figure] = run_figure(figure, partial(Worker, peers_python=peers_python), Path(folder), options)
            except PeerError as error:
                failed = True
                sys.stderr.write(f"{figure}: {error}\n")
    if options.json:
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"some of {FIGURES} (default: all)")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each participant")
    parser.add_argument("--calls", type=int, default=3, help="least number of timed calls in a turn")
    parser.add_argument("--patience", type=float, default=5, help="seconds to wait before a turn for a quiet machine")
    parser.add_argument("--threads", type=int, help="threads of each participant (default: all cores)")
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
        parser.error("--rounds, --calls and --threads must be 1 or more")
    return options


def run_figure(figure: str, start: Any, folder: Path, options: argparse.Namespace) -> List[Row]:
    """Measure one figure and print its rows."""
    start = partial(start, folder=folder)
    threads = options.threads or os.cpu_count() or 1
    material = make_material(figure if figure in SPEEDS else "cox3d-s", folder, options.shared, threads)
    if figure == MEMORY:
        rows = memory(material, start, options.peers)
    elif figure == START:
        rows = start_up(material, start, options.peers)
    else:
        rows = speeds(figure, material, start, options.rounds, options.calls, options.patience, options.peers)
    for row in rows:
        sys.stdout.write(described(figure, row) + "\n")
    sys.stdout.flush()
    return rows


def described(figure: str, row: Row) -> str:
    """A row as text."""
    if figure == MEMORY:
        return f"memory   {row['participant']:<25} peak {row['peak_mb']:6.0f} MB, {row['growth_mb']:+.2f} MB per step"
    if figure == START:
        times = f"imports {row['imported_sec']:5.2f} s, first step {row['first_result_sec']:5.2f} s"
        return f"start    {row['participant']:<25} {times}"
    same = "not the same network"
    if row["difference"] is not None:
        same = f"probabilities within {row['difference']:.0e}, their logarithms within {row['log_difference']:.0e}"
    return (
        f"{figure:<8} {row['ours']:<25} {row['ours_ms']:8.2f} ms   {row['peer']:<24} {row['peer_ms']:8.2f} ms   "
        f"ratio {row['ratio']:6.2f} ({row['low']:.2f} .. {row['high']:.2f})   quiet {row['quiet']}/{row['rounds']}\n"
        f"{'CPU':>34} {row['ours_cpu_ms']:8.2f} ms   {'':<24} {row['peer_cpu_ms']:8.2f} ms   "
        f"ratio {row['cpu_ratio']:6.2f}   {row['weights']} weights, {same}"
    )


def ready_python(folder: Path) -> Path:
    """The interpreter of the peers' virtual environment in `folder`, created on first use (1.5 GB).

    Raises subprocess.CalledProcessError where a package can't be installed.
    """
    python = folder / "bin" / "python"
    marker, wanted = folder / ".ready", "\n".join((*NEEDED, *PEERS))
    if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return python
    sys.stderr.write(f"setting up {folder} ...\n")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *NEEDED], check=True)
    subprocess.run([*install, "--no-deps", *PEERS], check=True)
    marker.write_text(wanted, encoding="utf-8")
    return python


if __name__ == "__main__":
    sys.exit(main())
