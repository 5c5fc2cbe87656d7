"""What an examination finds: facts, and findings with what to do about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Tuple

Fact = Tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """Something that needs attention.

    Attributes:
        what: what is wrong.
        do: what to do about it.
    """

    what: str
    do: str


@dataclass(frozen=True)
class Section:
    """One part of the examination.

    Attributes:
        title: what was looked at.
        facts: names and values.
        findings: what needs attention.
    """

    title: str
    facts: Tuple[Fact, ...]
    findings: Tuple[Finding, ...] = ()


def to_dict(sections: Tuple[Section, ...]) -> Dict[str, Any]:
    """The whole as JSON-ready values; `ok` is whether nothing needs attention."""
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
    """The whole for people: facts by section, each followed by what needs attention."""
    lines = []
    for section in sections:
        width = max((len(name) for name, _ in section.facts), default=0)
        lines += [section.title, *(f"  {name:<{width}}  {value}" for name, value in section.facts)]
        for finding in section.findings:
            lines += [f"  ! {finding.what}", f"    -> {finding.do}"]
        lines.append("")
    return "\n".join(lines)
