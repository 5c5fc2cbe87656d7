"""Benchmark and agreement reports as text tables."""

from __future__ import annotations

from typing import Iterable, List, Optional, Sequence, Tuple

from opendr_har_core.benchmarking.agreement import AgreementReport, ModelAgreement
from opendr_har_core.benchmarking.machine import Machine
from opendr_har_core.benchmarking.measure import Figures
from opendr_har_core.benchmarking.models import ONNX, Model
from opendr_har_core.benchmarking.suite import ComparisonReport, Report, Row

MEGA, GIGA = 1e6, 1e9
UNKNOWN = "-"
CPU = "CPUExecutionProvider"
GAP = "  "
# Average number of running processes above which the machine counts as busy.
BUSY = 0.5
NOTES = (
    "One evaluation: a CoX3D steps one frame, an X3D classifies one clip; cropped uint8 frames in, probabilities out.",
    "Published networks have random weights here: their time does not depend on the values.",
    "GMAC: 1e9 multiply-adds of convolutions and linear layers, the 'FLOPs' of the X3D paper; GFLOP counts each as 2.",
    "GMAC and parameters are those of the exported graph: normalisations are folded, channels may be padded.",
)
NOT_COUNTED = "-: counting a bundle's cost takes the onnx package and a bundle that is not tuned."
AGREEMENT_NOTES = """\
same stamp: predictions with the same best label as the clip network's at the same time.
same moment: the same, each compared with the clip network's prediction about the same moment, `delay` earlier.
score: mean score of the label that the clip network settles on for a video.
first label: from the first frame of a video to the first label.
new label: from the cut between two videos to the first label that the clip network settles on for the second one;
stable: until that label stays for a second. Medians; a label that never comes counts as infinitely late."""
NO_SPLICES = "No splices: give two or more videos for which the clip network settles on different labels."


def report_text(report: Report) -> str:
    """All tables of a benchmark, below a description of the machine."""
    measured = [row for row in report.rows if row.figures is not None]
    parts = [
        machine_text(report.machine),
        "\n".join(NOTES),
        f"Each figure took {report.seconds:g} s; each model ran in its own process.",
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
    """The machine, its matrix rate, and a warning where it was busy."""
    threads = "the runtime's default" if machine.threads is None else str(machine.threads)
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items() if version)
    lines = [
        f"{machine.processor} ({machine.architecture}), {machine.usable_cores} of {machine.cores} cores usable, "
        f"threads: {threads}; {machine.system}; {versions}",
        f"Matrix rate (float32, 2048 x 2048, ONNX Runtime): {_number(machine.matmul_gflops, 1, 1)} GFLOP/s",
    ]
    if machine.load is not None and machine.load >= BUSY:
        lines.append(f"Load {machine.load:.1f} beforehand: other programs were running, so all times are longer.")
    return "\n".join(lines)


def size_table(rows: Iterable[Row]) -> str:
    """Input, cost and memory of every model."""
    lines = [["model", "runtime", "input (uint8)", "GMAC", "GFLOP", "parameters", "weights MB", "peak RSS MB"]]
    for row in rows:
        model, figures = row.model, row.figures
        lines.append(
            [
                *_named(row),
                "x".join(str(side) for side in model.input_shape),
                _number(model.multiply_adds, GIGA, 3),
                _number(model.multiply_adds, GIGA / 2, 3),
                UNKNOWN if model.parameters is None else f"{model.parameters:,}",
                _number(figures.weights_bytes if figures else None, MEGA, 1),
                _number(figures.peak_rss_bytes if figures else None, MEGA, 0),
            ]
        )
    notes = [NOT_COUNTED] if any(row.model.multiply_adds is None for row in rows) else []
    return "\n".join([aligned(lines), *notes])


def speed_table(rows: Iterable[Row], machine: Machine) -> str:
    """Evaluations per second, one at a time, and their share of the matrix rate."""
    lines = [["model", "runtime", "evals/s", "p10..p90", "median ms", "CPU s/eval", "GFLOP/s", "of matrix rate"]]
    for row, figures in _measured(rows):
        timing, rate = figures.timing, achieved_gflops(row.model, figures)
        is_known = rate is not None and machine.matmul_gflops is not None
        lines.append(
            [
                *_named(row),
                f"{1 / timing.median_sec:.2f}",
                f"{1 / timing.p90_sec:.2f}..{1 / timing.p10_sec:.2f}",
                f"{timing.median_sec * 1e3:.2f}",
                f"{timing.cpu_sec:.4f}",
                _number(rate, 1, 1),
                f"{(rate or 0) / (machine.matmul_gflops or 1):.0%}" if is_known else UNKNOWN,
            ]
        )
    return aligned(lines)


def throughput_table(rows: Iterable[Row]) -> str:
    """Evaluations per second at every batch that was tried."""
    lines = [["model", "runtime", "best batch", "evals/s", "tried (batch: evals/s)", "stopped by"]]
    for row, figures in _measured(rows):
        best = figures.throughput
        tried = ", ".join(f"{batch}: {per_sec:.2f}" for batch, per_sec in best.tried)
        lines.append([*_named(row), str(best.batch), f"{best.per_sec:.2f}", tried, best.stopped_by])
    return aligned(lines)


def energy_text(rows: Iterable[Row]) -> str:
    """Joules per evaluation, or the reason why there are none."""
    lines = [["model", "runtime", "J/eval", "above idle", "idle W", "sensor"]]
    remarks: List[str] = []
    for row, figures in _measured(rows):
        energy = figures.energy
        if energy is None:
            remarks.append(figures.energy_remark)
            continue
        joules = [f"{energy.joules:.3f}", f"{energy.joules_above_idle:.3f}", f"{energy.idle_watts:.1f}"]
        lines.append([*_named(row), *joules, energy.sensor])
    return "\n".join([*([aligned(lines)] if len(lines) > 1 else []), *dict.fromkeys(remarks)])


def comparison_text(report: ComparisonReport, first: str, second: str) -> str:
    """Two bundles that took turns; `first` and `second` are the names that the user gave."""
    result = report.comparison
    lines = [["bundle", "model", "median ms", "evals/s"]]
    for place, model, median in zip((first, second), (report.first, report.second), result.median_sec):
        lines.append([place, model.name, f"{median * 1e3:.3f}", f"{1 / median:.2f}"])
    conclusion = (
        f"{first} is {result.ratio:.3f} times as fast as {second} (p10..p90 of the rounds "
        f"{result.ratio_p10:.3f}..{result.ratio_p90:.3f}); faster in {result.first_faster} of {result.rounds} "
        f"rounds of {result.calls} calls each, alternating, at batch 1.\n"
    )
    return "\n\n".join([machine_text(report.machine), aligned(lines), conclusion])


def agreement_text(report: AgreementReport) -> str:
    """All tables of an agreement report."""
    videos = f"{len(report.videos)} video" + ("s" if len(report.videos) > 1 else "")
    parts = [
        f"Clip network: {report.reference}. {videos}, {report.seconds:g} s of each, {report.splices} splices.",
        aligned(
            [
                ["video", "the clip network settles on", "in"],
                *([item.video, item.label or "no label", f"{item.share:.0%}"] for item in report.videos),
            ]
        ),
        aligned(
            [
                ["model", "network", "lookahead", "window", "delay", "same stamp", "same moment", "score"],
                *map(_agreement_row, report.models),
            ]
        ),
        aligned(
            [
                [
                    "model",
                    "first label",
                    "new label",
                    "slowest",
                    "stable",
                    "named",
                    "ms per step",
                    "CPU s per s of video",
                    "MB per stream",
                ],
                *map(_reaction_row, report.models),
            ]
        ),
        AGREEMENT_NOTES,
        *([] if report.splices else [NO_SPLICES]),
    ]
    return "\n\n".join(parts) + "\n"


def achieved_gflops(model: Model, figures: Figures) -> Optional[float]:
    """1e9 operations per second at batch 1, from the median time; None where the model's cost is unknown."""
    if model.multiply_adds is None:
        return None
    return 2 * model.multiply_adds / figures.timing.median_sec / GIGA


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of text, two spaces apart; the first line is the header."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = [GAP.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([texts[0], GAP.join("-" * width for width in widths), *texts[1:]])


def _agreement_row(model: ModelAgreement) -> List[str]:
    spec = model.spec
    return [
        model.model,
        spec.name,
        spec.lookahead if spec.is_continual else UNKNOWN,
        str(spec.window),
        _seconds(spec.delay_sec),
        f"{model.same_stamp:.1%}",
        f"{model.same_moment:.1%}",
        _number(model.probability, 1, 2),
    ]


def _reaction_row(model: ModelAgreement) -> List[str]:
    reactions, cost = model.reactions, model.cost
    return [
        model.model,
        _seconds(model.first_label_sec),
        _seconds(reactions.median_sec),
        _seconds(reactions.slowest_sec),
        _seconds(reactions.stable_median_sec),
        f"{reactions.named} of {reactions.splices}",
        f"{1000 * cost.step_sec:.1f}",
        f"{cost.cpu_sec:.3f}",
        _number(cost.stream_bytes, MEGA, 1),
    ]


def _measured(rows: Iterable[Row]) -> List[Tuple[Row, Figures]]:
    return [(row, row.figures) for row in rows if row.figures is not None]


def _named(row: Row) -> List[str]:
    """The model and its runtime, or the execution provider where that is not the processor's."""
    provider = row.figures.provider if row.figures else ""
    is_device = row.runtime == ONNX and provider not in ("", CPU)
    return [row.model.name, provider.replace("ExecutionProvider", " (onnx)") if is_device else row.runtime]


def _number(value: Optional[float], unit: float, digits: int) -> str:
    return UNKNOWN if value is None else f"{value / unit:.{digits}f}"


def _seconds(value: Optional[float]) -> str:
    return UNKNOWN if value is None else f"{value:.1f} s"


def _titled(title: str, text: str) -> str:
    return f"{title}\n\n{text}"
