"""An agreement report as tables."""

from __future__ import annotations

from typing import List, Optional

from opendr_har_core.benchmarking.agreement import AgreementReport, ModelAgreement
from opendr_har_core.benchmarking.tables import UNKNOWN, aligned

MEGA = 1e6
NOTES = """\
same stamp: predictions with the same best label as the clip network's at the same time.
same moment: the same, each compared with the clip network's prediction about the same moment, `delay` earlier.
score: mean score of the label that the clip network settles on for a video.
first label: from the first frame of a video to the first label.
new label: from the cut from one video to another until the label that the clip network settles on for the second;
stable: until that label stays for a second. Medians; a label that never comes counts as infinitely late."""


def agreement_text(report: AgreementReport) -> str:
    """What people read of a report."""
    videos = f"{len(report.videos)} video" + ("s" if len(report.videos) > 1 else "")
    parts = [
        f"Clip network: {report.reference}. {videos}, {report.seconds:g} s of each, {report.splices} splices.",
        aligned([_VIDEO_HEAD, *_video_rows(report)]),
        aligned([_AGREEMENT_HEAD, *map(_agreement_row, report.models)]),
        aligned([_REACTION_HEAD, *map(_reaction_row, report.models)]),
        NOTES,
    ]
    if not report.splices:
        parts.append("No splices: give two or more videos for which the clip network settles on different labels.")
    return "\n\n".join(parts) + "\n"


_VIDEO_HEAD = ["video", "the clip network settles on", "in"]
_AGREEMENT_HEAD = ["model", "network", "lookahead", "window", "delay", "same stamp", "same moment", "score"]
_REACTION_HEAD = [
    "model",
    "first label",
    "new label",
    "slowest",
    "stable",
    "named",
    "ms per step",
    "CPU s per s of video",
    "MB per stream",
]


def _video_rows(report: AgreementReport) -> List[List[str]]:
    return [[item.video, item.label or "no label", f"{item.share:.0%}"] for item in report.videos]


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
        UNKNOWN if model.probability is None else f"{model.probability:.2f}",
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
        f"{cost.stream_bytes / MEGA:.1f}",
    ]


def _seconds(value: Optional[float]) -> str:
    return UNKNOWN if value is None else f"{value:.1f} s"
