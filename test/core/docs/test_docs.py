"""The pages: their code compiles, their data parses, their links resolve, their tables match the declarations."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import opendr_har_core

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md")])
FENCE = re.compile(r"^(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)|<(?:img|source)[^>]+(?:src|srcset)=\"([^\"]+)\"")
OURS = ("opendr_har_core", "opendr_har_ros")
page_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page, language):
    return [fence["text"] for fence in FENCE.finditer(page.read_text()) if fence["language"].strip() == language]


def anchors(page):
    """The anchors of a page's headings, as git hosts and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def missing_imports(code):
    """Modules and names that the code imports and that do not exist; uninstalled packages of others do not count."""
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        for module in [node.module] if isinstance(node, ast.ImportFrom) else names:
            top = module.split(".")[0]
            if top in OURS or importlib.util.find_spec(top) is not None:
                found = importlib.import_module(module)
                if isinstance(node, ast.ImportFrom):
                    yield from (f"{module}.{name}" for name in names if not hasattr(found, name))


@page_by_page
def test_code_and_data_of_a_page_are_valid(page):
    assert [name for code in blocks(page, "python") for name in missing_imports(code)] == []
    for text in blocks(page, "json"):
        for line in [text] if text.splitlines()[0].rstrip() in ("{", "[") else text.splitlines():
            json.loads(line)
    if blocks(page, "yaml"):
        yaml = pytest.importorskip("yaml")
        assert all(yaml.safe_load(text) is not None for text in blocks(page, "yaml"))
    assert "```" not in FENCE.sub("", page.read_text())  # each block ends


@page_by_page
def test_links_and_pictures_lead_to_files_and_headings(page):
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
    dead = []
    for link in (first or second for first, second in LINK.findall(prose)):
        if re.match(r"\w+:", link):  # another site
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_dead = not target.exists() or ROOT not in (target, *target.parents)
        if is_dead or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_public_name_is_in_the_api_reference():
    text = (DOCS / "api.md").read_text()
    described = set(re.findall(r"autoclass:: opendr_har_core\.(?:\w+\.)*(\w+)$", text, re.MULTILINE))
    if re.search(r"automodule:: opendr_har_core\.errors$", text, re.MULTILINE):
        described.add("HarError")
    assert sorted(set(opendr_har_core.__all__) - described - {"__version__"}) == []


def test_tables_of_settings_match_the_declarations():
    command = [sys.executable, str(DOCS / "settings_tables.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
