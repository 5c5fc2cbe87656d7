"""The pages: code in them compiles and names what there is, data in them parses, links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import shutil
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


def blocks(language):
    """(page:line, text) of every block of a language."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for fence in FENCE.finditer(text):
            if fence["language"].strip() == language:
                line = text[: fence.start()].count("\n") + 2
                found.append(pytest.param(fence["text"], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


def prose(page):
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page):
    """The anchors of a page's headings, as git hosts and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("code", blocks("python"))
def test_python_compiles_and_what_it_imports_is_there(code):
    tree = ast.parse(code)
    compile(tree, "page", "exec")
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module]
        for module in modules:
            top = module.split(".")[0]
            if top not in OURS and importlib.util.find_spec(top) is None:
                continue  # another project's that is not installed here
            found = importlib.import_module(module)
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert [name for name in names if not hasattr(found, name)] == [], module


@pytest.mark.parametrize("text", blocks("json"))
def test_json_parses_whole_or_line_by_line(text):
    lines = text.strip().splitlines()
    if lines[0].rstrip() in ("{", "["):
        lines = [text]
    assert [json.loads(line) for line in lines]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_parses(text):
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(text) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_to_files_and_headings(page):
    dead = []
    for link in (first or second for first, second in LINK.findall(prose(page))):
        if re.match(r"\w+:", link):  # another site
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_dead = not target.exists() or ROOT not in (target, *target.parents)
        if is_dead or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_block_of_code_ends():
    assert [page.name for page in PAGES if re.search(r"^```", FENCE.sub("", page.read_text()), re.MULTILINE)] == []


def test_every_page_is_in_the_table_of_contents():
    listed = set()
    for fence in FENCE.finditer((DOCS / "index.md").read_text()):
        assert fence["language"].strip() == "{toctree}"
        for entry in re.findall(r"^([\w*/-]+)$", fence["text"], re.MULTILINE):
            found = sorted(DOCS.glob(f"{entry}.md"))
            assert found, f"no page {entry}"
            listed.update(found)
    missing = {page for page in PAGES if DOCS in page.parents} - listed - {DOCS / "index.md"}
    assert sorted(page.name for page in missing) == []


def test_every_public_name_is_in_the_api_reference():
    text = (DOCS / "api.md").read_text()
    described = set(re.findall(r"autoclass:: opendr_har_core\.(?:\w+\.)*(\w+)$", text, re.MULTILINE))
    if re.search(r"automodule:: opendr_har_core\.errors$", text, re.MULTILINE):
        described.add("HarError")
    assert sorted(set(opendr_har_core.__all__) - described - {"__version__"}) == []


def build(folder, page):
    """Sphinx's exit code and what it says of a site of one page that is configured as ours is."""
    (folder / "docs").mkdir()
    shutil.copy(DOCS / "conf.py", folder / "docs")
    shutil.copytree(DOCS / "static", folder / "docs" / "static")
    (folder / "beside.py").write_text("")
    (folder / "docs" / "index.md").write_text(f"# Page\n\n## Part\n\n{page}\n")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "docs", "site"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("link", ["nowhere.md", "#nothing", "../nowhere.py"])
def test_the_site_is_not_built_with_a_dead_link(tmp_path, link):
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    code, said = build(tmp_path, f"[dead]({link})")
    assert code != 0
    assert "myst.xref_missing" in said


def test_the_site_names_files_that_are_no_pages(tmp_path):
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    assert build(tmp_path, "[this](../beside.py) and [part](#part)") == (0, "")
    html = (tmp_path / "site" / "index.html").read_text()
    assert re.search(r"this \(<code[^>]*><span class=\"pre\">beside.py</span></code> in the repository\)", html)
    assert 'href="#part"' in html
