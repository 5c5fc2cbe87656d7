"""Write the tables of settings in the documentation from their declarations; --check only compares.

A table stands between `<!-- flags of MODULE.CLASS -->` (or `settings of`, for plain names) and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import List

from opendr_har_core.settings import Setting, settings_of

DOCS = Path(__file__).parent
MARKED = re.compile(r"(<!-- (flags|settings) of ([\w.]+)\.(\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def row(item: Setting, name: str) -> str:
    """The line of a setting."""
    default = " ".join(item.default) if item.many else item.default
    shown = f"`{str(default).lower() if item.kind is bool else default}`" if default not in (None, "") else ""
    allowed = ", ".join(f"`{choice}`" for choice in item.choices if choice) or f"{item.range} {item.unit}".strip()
    text = item.help.replace("<", "\\<")  # else Markdown takes it for HTML
    return f"| `{name}` | {shown} | {allowed} | {text} |\n"


def table(match: re.Match[str]) -> str:
    """The marker with its table."""
    start, kind, module, declaration = match.groups()
    heading = "option" if kind == "flags" else "setting"
    rows = [f"| {heading} | default | allowed | description |\n", "| --- | --- | --- | --- |\n"]
    for item in settings_of(getattr(import_module(module), declaration)):
        rows.append(row(item, item.flag if kind == "flags" else item.name))
    return start + "".join(rows)


def outdated() -> List[Path]:
    """Pages whose tables differ from the declarations."""
    return [page for page in sorted(DOCS.glob("**/*.md")) if MARKED.sub(table, page.read_text()) != page.read_text()]


if __name__ == "__main__":
    pages = outdated()
    if "--check" in sys.argv:
        sys.exit(f"run python docs/settings_tables.py to update {[page.name for page in pages]}" if pages else 0)
    for page in pages:
        page.write_text(MARKED.sub(table, page.read_text()))
