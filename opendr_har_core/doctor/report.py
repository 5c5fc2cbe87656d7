"""Sections of facts and findings, as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Tuple

Fact = Tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """A problem, and what to do about it."""

    what: str
    do: str


@dataclass(frozen=True)
class Section:
    """One part of the report: facts as (name, value), and findings."""

    title: str
    facts: Tuple[Fact, ...]
    findings: Tuple[Finding, ...] = ()


def to_dict(sections: Tuple[Section, ...]) -> Dict[str, Any]:
    """The report as JSON-ready values; `ok` is whether there are no findings."""
    return {
        "ok": not any(section.findings for section in sections),
        "sections": [{"title": section.title, "facts": dict(section.facts)} for section in sections],
        "findings": [
            {"section": section.title, "what": finding.what, "do": finding.do}
            for section in sections
            for finding in section.findings
        ],
    }


def to_text(sections: Tuple[Section, ...]) -> str:
    """The report as text: each section's facts, followed by its findings."""
    lines = []
    for section in sections:
        width = max((len(name) for name, _ in section.facts), default=0)
        lines += [section.title, *(f"  {name:<{width}}  {value}" for name, value in section.facts)]
        for finding in section.findings:
            lines += [f"  ! {finding.what}", f"    -> {finding.do}"]
        lines.append("")
    return "\n".join(lines)
