"""Benchmark and agreement reports as text tables."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional, Sequence, Tuple

from opendr_har_core.benchmarking import ONNX
from opendr_har_core.benchmarking.agreement import AgreementReport
from opendr_har_core.benchmarking.benchmark import Report, Row
from opendr_har_core.benchmarking.machine import Machine

MEGA, GIGA = 1e6, 1e9
UNKNOWN = "-"
CPU = "CPUExecutionProvider"
GAP = "  "
# Average number of running processes above which the machine counts as busy.
BUSY = 0.5
NOTES = """\
One evaluation: a CoX3D steps one frame, an X3D classifies one clip; cropped uint8 frames in, probabilities out.
Published networks have random weights here: their time does not depend on the values.
GMAC: 1e9 multiply-adds of convolutions and linear layers, the 'FLOPs' of the X3D paper.
GMAC and parameters are those of the exported graph: normalisations are folded, channels may be padded.
They are unknown (-) without the onnx package and for tuned bundles."""
AGREEMENT_NOTES = """\
same stamp: predictions with the same best label as the clip network's at the same time.
same moment: the same, each compared with the clip network's prediction about the same moment, `delay` earlier.
score: mean score of the label that the clip network settles on for a video.
first label: from the first frame of a video to the first label.
new label: from the cut between two videos to the first label that the clip network settles on for the second one;
stable: until that label stays for a second. Medians; a label that never comes counts as infinitely late."""

# (title, text of a cell)
Column = Tuple[str, Callable[[Any], str]]


def report_text(report: Report) -> str:
    """All tables of a benchmark, below a description of the machine."""
    measured = [row for row in report.rows if row.figures is not None]
    failures = [f"{row.model.name} on {row.model.runtime}: {row.failure}" for row in report.rows if not row.figures]
    parts = [
        machine_text(report.machine),
        NOTES,
        f"Each figure took {report.seconds:g} s; each model ran in its own process.",
        "Table 1: size\n\n" + table(SIZE, report.rows),
        "Table 2: speed at batch 1\n\n" + table(SPEED, measured),
        "Table 3: throughput at the best batch\n\n" + table(THROUGHPUT, measured),
        "Table 4: energy at batch 1\n\n" + table(ENERGY, measured),
        *(["Not measured\n\n" + "\n".join(failures)] if failures else []),
    ]
    return "\n\n".join(parts) + "\n"


def machine_text(machine: Machine) -> str:
    """The machine, and a warning where it was busy."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items() if version)
    cores = f"{machine.usable_cores} of {machine.cores} cores usable"
    text = f"{machine.processor}, {cores}; {machine.system}; {versions}"
    if machine.load is not None and machine.load >= BUSY:
        text += f"\nLoad {machine.load:.1f} beforehand: other programs were running, so all times are longer."
    return text


def comparison_text(report: Report, first: str, second: str) -> str:
    """Two bundles that took turns; `first` and `second` are the names that the user gave."""
    result: Any = report.comparison
    rows = zip((first, second), report.rows, result.median_sec)
    conclusion = (
        f"{first} is {result.ratio:.3f} times as fast as {second} (p10..p90 of {result.rounds} rounds "
        f"{result.ratio_p10:.3f}..{result.ratio_p90:.3f}), alternating, at batch 1.\n"
    )
    return "\n\n".join([machine_text(report.machine), table(COMPARISON, rows), conclusion])


def agreement_text(report: AgreementReport) -> str:
    """All tables of an agreement report."""
    videos = f"{len(report.videos)} video" + ("s" if len(report.videos) > 1 else "")
    parts = [
        f"Clip network: {report.reference}. {videos}, {report.seconds:g} s of each, {report.splices} splices.",
        table(VIDEOS, report.videos),
        table(AGREEMENT, report.models),
        table(REACTION, report.models),
        AGREEMENT_NOTES,
    ]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[Column], rows: Iterable[Any]) -> str:
    """Rows as columns of text, two spaces apart, below a header."""
    lines = [[title for title, _ in columns], *([cell(row) for _, cell in columns] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    texts = [GAP.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([texts[0], GAP.join("-" * width for width in widths), *texts[1:]])


def number(value: Optional[float], digits: int, unit: float = 1) -> str:
    """A number in units, or "-" for None."""
    return UNKNOWN if value is None else f"{value / unit:.{digits}f}"


def _seconds(value: Optional[float]) -> str:
    return UNKNOWN if value is None else f"{value:.1f} s"


def _runtime(row: Row) -> str:
    """The runtime, or the execution provider where that is not the processor's."""
    provider = row.figures.provider if row.figures else ""
    is_device = row.model.runtime == ONNX and provider not in ("", CPU)
    return provider.replace("ExecutionProvider", " (onnx)") if is_device else row.model.runtime


def _best(row: Any) -> Any:
    return max(row.figures.throughput.items(), key=lambda item: item[1])


def _tried(row: Any) -> str:
    return ", ".join(f"{batch}: {per_sec:.2f}" for batch, per_sec in row.figures.throughput.items())


NAMED: Tuple[Column, ...] = (("model", lambda row: row.model.name), ("runtime", _runtime))
SIZE: Tuple[Column, ...] = (
    *NAMED,
    ("input (uint8)", lambda row: "x".join(map(str, row.model.input_shape))),
    ("GMAC", lambda row: number(row.model.multiply_adds, 3, GIGA)),
    ("parameters", lambda row: UNKNOWN if row.model.parameters is None else f"{row.model.parameters:,}"),
    ("weights MB", lambda row: number(row.figures and row.figures.weights_bytes, 1, MEGA)),
    ("peak RSS MB", lambda row: number(row.figures and row.figures.peak_rss_bytes, 0, MEGA)),
)
SPEED: Tuple[Column, ...] = (
    *NAMED,
    ("evals/s", lambda row: f"{1 / row.figures.timing.median_sec:.2f}"),
    ("p10..p90", lambda row: f"{1 / row.figures.timing.p90_sec:.2f}..{1 / row.figures.timing.p10_sec:.2f}"),
    ("median ms", lambda row: f"{row.figures.timing.median_sec * 1e3:.2f}"),
    ("CPU s/eval", lambda row: f"{row.figures.timing.cpu_sec:.4f}"),
)
THROUGHPUT: Tuple[Column, ...] = (
    *NAMED,
    ("best batch", lambda row: str(_best(row)[0])),
    ("evals/s", lambda row: f"{_best(row)[1]:.2f}"),
    ("tried (batch: evals/s)", _tried),
)
ENERGY: Tuple[Column, ...] = (
    *NAMED,
    ("J/eval", lambda row: number(row.figures.joules, 3)),
    ("sensor", lambda row: row.figures.sensor),
)
COMPARISON: Tuple[Column, ...] = (
    ("bundle", lambda row: row[0]),
    ("model", lambda row: row[1].model.name),
    ("median ms", lambda row: f"{row[2] * 1e3:.3f}"),
    ("evals/s", lambda row: f"{1 / row[2]:.2f}"),
)
VIDEOS: Tuple[Column, ...] = (
    ("video", lambda item: item.video),
    ("the clip network settles on", lambda item: item.label or "no label"),
    ("in", lambda item: f"{item.share:.0%}"),
)
AGREEMENT: Tuple[Column, ...] = (
    ("model", lambda model: model.model),
    ("network", lambda model: model.spec.name),
    ("lookahead", lambda model: model.spec.lookahead if model.spec.is_continual else UNKNOWN),
    ("window", lambda model: str(model.spec.window)),
    ("delay", lambda model: _seconds(model.spec.delay_sec)),
    ("same stamp", lambda model: f"{model.same_stamp:.1%}"),
    ("same moment", lambda model: f"{model.same_moment:.1%}"),
    ("score", lambda model: number(model.probability, 2)),
)
REACTION: Tuple[Column, ...] = (
    ("model", lambda model: model.model),
    ("first label", lambda model: _seconds(model.first_label_sec)),
    ("new label", lambda model: _seconds(model.reactions.median_sec)),
    ("slowest", lambda model: _seconds(model.reactions.slowest_sec)),
    ("stable", lambda model: _seconds(model.reactions.stable_median_sec)),
    ("named", lambda model: f"{model.reactions.named} of {model.reactions.splices}"),
    ("ms per step", lambda model: f"{1000 * model.step_sec:.1f}"),
    ("CPU s per s of video", lambda model: f"{model.cpu_sec:.3f}"),
)
