"""Benchmark and agreement reports as text tables."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional, Sequence, Tuple

from opendr_har_core.benchmarking.agreement import AgreementReport, ModelAgreement
from opendr_har_core.benchmarking.machine import Machine
from opendr_har_core.benchmarking.models import ONNX
from opendr_har_core.benchmarking.suite import ComparisonReport, Report, Row

MEGA, GIGA = 1e6, 1e9
UNKNOWN = "-"
CPU = "CPUExecutionProvider"
GAP = "  "
# Average number of running processes above which the machine counts as busy.
BUSY = 0.5
NOTES = """\
One evaluation: a CoX3D steps one frame, an X3D classifies one clip; cropped uint8 frames in, probabilities out.
Published networks have random weights here: their time does not depend on the values.
GMAC: 1e9 multiply-adds of convolutions and linear layers, the 'FLOPs' of the X3D paper; GFLOP counts each as 2.
GMAC and parameters are those of the exported graph: normalisations are folded, channels may be padded."""
NOT_COUNTED = "-: counting a bundle's cost takes the onnx package and a bundle that is not tuned."
AGREEMENT_NOTES = """\
same stamp: predictions with the same best label as the clip network's at the same time.
same moment: the same, each compared with the clip network's prediction about the same moment, `delay` earlier.
score: mean score of the label that the clip network settles on for a video.
first label: from the first frame of a video to the first label.
new label: from the cut between two videos to the first label that the clip network settles on for the second one;
stable: until that label stays for a second. Medians; a label that never comes counts as infinitely late."""
NO_SPLICES = "No splices: give two or more videos for which the clip network settles on different labels."

# (title, text of a cell)
Column = Tuple[str, Callable[[Any], str]]


def report_text(report: Report) -> str:
    """All tables of a benchmark, below a description of the machine."""
    measured = [row for row in report.rows if row.figures is not None]
    counted = [NOT_COUNTED] if any(row.model.multiply_adds is None for row in report.rows) else []
    matmul = report.machine.matmul_gflops
    of_matmul: Column = ("of matrix rate", lambda row: _percent(achieved_gflops(row), matmul))
    remarks = dict.fromkeys(row.figures.energy_remark for row in measured if row.figures and not row.figures.energy)
    with_energy = [row for row in measured if row.figures and row.figures.energy]
    energy = [_table(ENERGY, with_energy)] if with_energy else []
    parts = [
        machine_text(report.machine),
        NOTES,
        f"Each figure took {report.seconds:g} s; each model ran in its own process.",
        "Table 1: size\n\n" + "\n".join([_table(SIZE, report.rows), *counted]),
        "Table 2: speed at batch 1\n\n" + _table((*SPEED, of_matmul), measured),
        "Table 3: throughput at the best batch\n\n" + _table(THROUGHPUT, measured),
        "Table 4: energy at batch 1\n\n" + "\n".join([*energy, *remarks]),
    ]
    failures = [f"{row.model.name} on {row.runtime}: {row.failure}" for row in report.rows if row.figures is None]
    if failures:
        parts.append("Not measured\n\n" + "\n".join(failures))
    return "\n\n".join(parts) + "\n"


def machine_text(machine: Machine) -> str:
    """The machine, its matrix rate, and a warning where it was busy."""
    threads = "the runtime's default" if machine.threads == 0 else str(machine.threads)
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items() if version)
    lines = [
        f"{machine.processor} ({machine.architecture}), {machine.usable_cores} of {machine.cores} cores usable, "
        f"threads: {threads}; {machine.system}; {versions}",
        f"Matrix rate (float32, 2048 x 2048, ONNX Runtime): {_number(machine.matmul_gflops, 1)} GFLOP/s",
    ]
    if machine.load is not None and machine.load >= BUSY:
        lines.append(f"Load {machine.load:.1f} beforehand: other programs were running, so all times are longer.")
    return "\n".join(lines)


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
        _table(VIDEOS, report.videos),
        _table(AGREEMENT, report.models),
        _table(REACTION, report.models),
        AGREEMENT_NOTES,
        *([] if report.splices else [NO_SPLICES]),
    ]
    return "\n\n".join(parts) + "\n"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of text, two spaces apart; the first line is the header."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = [GAP.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([texts[0], GAP.join("-" * width for width in widths), *texts[1:]])


def achieved_gflops(row: Row) -> Optional[float]:
    """1e9 operations per second at batch 1, from the median time; None where the model's cost is unknown."""
    if row.model.multiply_adds is None or row.figures is None:
        return None
    return 2 * row.model.multiply_adds / row.figures.timing.median_sec / GIGA


def _table(columns: Sequence[Column], rows: Iterable[Any]) -> str:
    return aligned([[title for title, _ in columns], *([cell(row) for _, cell in columns] for row in rows)])


def _runtime(row: Row) -> str:
    """The runtime, or the execution provider where that is not the processor's."""
    provider = row.figures.provider if row.figures else ""
    is_device = row.runtime == ONNX and provider not in ("", CPU)
    return provider.replace("ExecutionProvider", " (onnx)") if is_device else row.runtime


def _spread(row: Any) -> str:
    return f"{1 / row.figures.timing.p90_sec:.2f}..{1 / row.figures.timing.p10_sec:.2f}"


def _tried(row: Any) -> str:
    return ", ".join(f"{batch}: {per_sec:.2f}" for batch, per_sec in row.figures.throughput.tried)


def _lookahead(model: ModelAgreement) -> str:
    return model.spec.lookahead if model.spec.is_continual else UNKNOWN


def _number(value: Optional[float], digits: int, unit: float = 1) -> str:
    return UNKNOWN if value is None else f"{value / unit:.{digits}f}"


def _seconds(value: Optional[float]) -> str:
    return UNKNOWN if value is None else f"{value:.1f} s"


def _percent(value: Optional[float], whole: Optional[float]) -> str:
    return UNKNOWN if value is None or whole is None else f"{value / whole:.0%}"


NAMED: Tuple[Column, ...] = (("model", lambda row: row.model.name), ("runtime", _runtime))
SIZE: Tuple[Column, ...] = (
    *NAMED,
    ("input (uint8)", lambda row: "x".join(map(str, row.model.input_shape))),
    ("GMAC", lambda row: _number(row.model.multiply_adds, 3, GIGA)),
    ("GFLOP", lambda row: _number(row.model.multiply_adds, 3, GIGA / 2)),
    ("parameters", lambda row: UNKNOWN if row.model.parameters is None else f"{row.model.parameters:,}"),
    ("weights MB", lambda row: _number(row.figures and row.figures.weights_bytes, 1, MEGA)),
    ("peak RSS MB", lambda row: _number(row.figures and row.figures.peak_rss_bytes, 0, MEGA)),
)
SPEED: Tuple[Column, ...] = (
    *NAMED,
    ("evals/s", lambda row: f"{1 / row.figures.timing.median_sec:.2f}"),
    ("p10..p90", _spread),
    ("median ms", lambda row: f"{row.figures.timing.median_sec * 1e3:.2f}"),
    ("CPU s/eval", lambda row: f"{row.figures.timing.cpu_sec:.4f}"),
    ("GFLOP/s", lambda row: _number(achieved_gflops(row), 1)),
)
THROUGHPUT: Tuple[Column, ...] = (
    *NAMED,
    ("best batch", lambda row: str(row.figures.throughput.batch)),
    ("evals/s", lambda row: f"{row.figures.throughput.per_sec:.2f}"),
    ("tried (batch: evals/s)", _tried),
    ("stopped by", lambda row: row.figures.throughput.stopped_by),
)
ENERGY: Tuple[Column, ...] = (
    *NAMED,
    ("J/eval", lambda row: f"{row.figures.energy.joules:.3f}"),
    ("above idle", lambda row: f"{row.figures.energy.joules_above_idle:.3f}"),
    ("idle W", lambda row: f"{row.figures.energy.idle_watts:.1f}"),
    ("sensor", lambda row: row.figures.energy.sensor),
)
VIDEOS: Tuple[Column, ...] = (
    ("video", lambda item: item.video),
    ("the clip network settles on", lambda item: item.label or "no label"),
    ("in", lambda item: f"{item.share:.0%}"),
)
AGREEMENT: Tuple[Column, ...] = (
    ("model", lambda model: model.model),
    ("network", lambda model: model.spec.name),
    ("lookahead", _lookahead),
    ("window", lambda model: str(model.spec.window)),
    ("delay", lambda model: _seconds(model.spec.delay_sec)),
    ("same stamp", lambda model: f"{model.same_stamp:.1%}"),
    ("same moment", lambda model: f"{model.same_moment:.1%}"),
    ("score", lambda model: _number(model.probability, 2)),
)
REACTION: Tuple[Column, ...] = (
    ("model", lambda model: model.model),
    ("first label", lambda model: _seconds(model.first_label_sec)),
    ("new label", lambda model: _seconds(model.reactions.median_sec)),
    ("slowest", lambda model: _seconds(model.reactions.slowest_sec)),
    ("stable", lambda model: _seconds(model.reactions.stable_median_sec)),
    ("named", lambda model: f"{model.reactions.named} of {model.reactions.splices}"),
    ("ms per step", lambda model: f"{1000 * model.cost.step_sec:.1f}"),
    ("CPU s per s of video", lambda model: f"{model.cost.cpu_sec:.3f}"),
    ("MB per stream", lambda model: _number(model.cost.stream_bytes, 1, MEGA)),
)
