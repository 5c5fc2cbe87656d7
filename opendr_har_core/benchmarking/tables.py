"""A benchmark as text: OpenDR's tables, for this machine."""

from __future__ import annotations

from typing import Iterable, List, Optional, Sequence

from opendr_har_core.benchmarking.models import ONNX
from opendr_har_core.benchmarking.report import ComparisonReport, Figures, Machine, Model, Report, Row

MEGA, GIGA = 1e6, 1e9
UNKNOWN = "-"
CPU = "CPUExecutionProvider"
GAP = "  "
# Processes running beforehand: less is a machine that does nothing much.
BUSY = 0.5
NOTES = (
    "One evaluation: a CoX3D steps one frame, an X3D classifies one clip; cropped uint8 frames in, probabilities out.",
    "Published models have random weights here: their time does not depend on the values.",
    "GMAC: 1e9 multiply-adds of convolutions and linear layers, the 'FLOPs' of the X3D paper; GFLOP counts 2 for each.",
)


def report_text(report: Report) -> str:
    """All tables, with what was measured where above them."""
    measured = [row for row in report.rows if row.figures is not None]
    parts = [
        machine_text(report.machine),
        "\n".join(NOTES),
        f"Each figure took {report.seconds:g} s, each model ran in a process of its own.",
        _titled("Table 1: size", size_table(report.rows)),
        _titled("Table 2: speed at batch 1", speed_table(measured, report.machine)),
        _titled("Table 3: throughput at the best batch", throughput_table(measured)),
        _titled("Table 4: energy at batch 1", energy_text(measured)),
    ]
    failures = [f"{row.model.name} on {row.runtime}: {row.failure}" for row in report.rows if row.figures is None]
    if failures:
        parts.append(_titled("Not measured", "\n".join(failures)))
    return "\n\n".join(parts) + "\n"


def machine_text(machine: Machine) -> str:
    """What and how fast the machine is, and whether it had other work."""
    threads = "the runtime's choice" if machine.threads is None else str(machine.threads)
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items() if version)
    return (
        f"{machine.processor} ({machine.architecture}), {machine.usable_cores} of {machine.cores} cores usable, "
        f"threads: {threads}; {machine.system}; {versions}\n"
        f"Matrix rate (float32, 2048 x 2048, ONNX Runtime): {machine.matmul_gflops:.1f} GFLOP/s{_load(machine)}"
    )


def size_table(rows: Iterable[Row]) -> str:
    """Input, cost and memory of every model."""
    lines = [["model", "runtime", "input (uint8)", "GMAC", "GFLOP", "parameters", "weights MB", "peak RSS MB"]]
    for row in rows:
        macs = row.model.multiply_adds
        lines.append(
            [
                *_named(row),
                "x".join(str(side) for side in row.model.input_shape),
                _number(macs, GIGA, 3),
                _number(None if macs is None else 2 * macs, GIGA, 3),
                UNKNOWN if row.model.parameters is None else f"{row.model.parameters:,}",
                _number(row.figures.weights_bytes if row.figures else None, MEGA, 1),
                _number(row.figures.peak_rss_bytes if row.figures else None, MEGA, 0),
            ]
        )
    return "\n".join([aligned(lines), *_counting_notes(rows)])


def speed_table(rows: Iterable[Row], machine: Machine) -> str:
    """Evaluations per second, one at a time, and what share of the matrix rate that is."""
    lines = [["model", "runtime", "evals/s", "p10..p90", "median ms", "CPU s/eval", "GFLOP/s", "of matrix rate"]]
    for row in rows:
        if row.figures is None:
            continue
        timing, rate = row.figures.timing, achieved_gflops(row.model, row.figures)
        lines.append(
            [
                *_named(row),
                f"{1 / timing.median_sec:.2f}",
                f"{1 / timing.p90_sec:.2f}..{1 / timing.p10_sec:.2f}",
                f"{timing.median_sec * 1e3:.2f}",
                f"{timing.cpu_sec:.4f}",
                _number(rate, 1, 1),
                UNKNOWN if rate is None else f"{rate / machine.matmul_gflops:.0%}",
            ]
        )
    return aligned(lines)


def throughput_table(rows: Iterable[Row]) -> str:
    """Evaluations per second at every batch tried."""
    lines = [["model", "runtime", "best batch", "evals/s", "tried (batch: evals/s)", "stopped by"]]
    for row in rows:
        if row.figures is None:
            continue
        best = row.figures.throughput
        tried = ", ".join(f"{batch}: {per_sec:.2f}" for batch, per_sec in best.tried)
        lines.append([*_named(row), str(best.batch), f"{best.per_sec:.2f}", tried, best.stopped_by])
    return aligned(lines)


def energy_text(rows: Iterable[Row]) -> str:
    """Joules per evaluation, and why there are none."""
    lines = [["model", "runtime", "J/eval", "above idle", "idle W", "sensor"]]
    remarks: List[str] = []
    for row in rows:
        if row.figures is None:
            continue
        energy = row.figures.energy
        if energy is None:
            remarks.append(row.figures.energy_remark)
            continue
        joules = [f"{energy.joules:.3f}", f"{energy.joules_above_idle:.3f}", f"{energy.idle_watts:.1f}"]
        lines.append([*_named(row), *joules, energy.sensor])
    found = [aligned(lines)] if len(lines) > 1 else []
    return "\n".join([*found, *dict.fromkeys(remarks)])


def comparison_text(report: ComparisonReport, first: str, second: str) -> str:
    """Two bundles in turn; `first` and `second` are what the user calls them."""
    result = report.comparison
    lines = [["bundle", "model", "median ms", "evals/s"]]
    models = (report.first, report.second)
    for index, (place, model) in enumerate(zip((first, second), models)):
        median = result.median_sec[index]
        lines.append([place, model.name, f"{median * 1e3:.3f}", f"{1 / median:.2f}"])
    return "\n\n".join(
        [
            machine_text(report.machine),
            aligned(lines),
            f"{first} is {result.ratio:.3f} times as fast as {second} (p10..p90 of the rounds "
            f"{result.ratio_p10:.3f}..{result.ratio_p90:.3f}); faster in {result.first_faster} of {result.rounds} "
            f"rounds of {result.calls} calls each, in turn at batch 1.\n",
        ]
    )


def achieved_gflops(model: Model, figures: Figures) -> Optional[float]:
    """1e9 operations per second at batch 1, by the median; None where the model's cost is not known."""
    if model.multiply_adds is None:
        return None
    return 2 * model.multiply_adds / figures.timing.median_sec / GIGA


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of text, two spaces apart; the first line is the head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = [GAP.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([texts[0], GAP.join("-" * width for width in widths), *texts[1:]])


def _load(machine: Machine) -> str:
    """A warning where other work slows the machine down, and so everything that is measured."""
    if machine.load is None or machine.load < BUSY:
        return ""
    return f"\nLoad {machine.load:.1f} beforehand: other work was running, and all times are longer for it."


def _counting_notes(rows: Iterable[Row]) -> List[str]:
    notes = ["The cost is that of the graph: normalisations are folded, channels padded."]
    if any(row.model.multiply_adds is None for row in rows):
        notes.append("-: counting the cost takes the onnx package and a bundle that is not tuned.")
    return notes


def _named(row: Row) -> List[str]:
    """The model and what ran it; the processor goes without saying."""
    provider = row.figures.provider if row.figures else ""
    elsewhere = row.runtime == ONNX and provider not in ("", CPU)
    return [row.model.name, provider.replace("ExecutionProvider", " (onnx)") if elsewhere else row.runtime]


def _number(value: Optional[float], unit: float, digits: int) -> str:
    return UNKNOWN if value is None else f"{value / unit:.{digits}f}"


def _titled(title: str, text: str) -> str:
    return f"{title}\n\n{text}"
