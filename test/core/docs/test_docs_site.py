"""The site that `make docs` builds: no warning, nothing loaded from other sites."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

for package in ("torch", "lightning", "myst_parser", "furo"):
    pytest.importorskip(package)
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]*?(?:src|srcset)=\"([^\"]+)\"|<link[^>]*?href=\"([^\"]+)\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """{path: text} of the HTML pages. Sphinx fails on dead links and anchors, and on pages in no table of contents."""
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return {path: path.read_text() for path in folder.rglob("*.html")}


def test_the_site_loads_nothing_from_other_sites(site):
    assert len(site) > 25
    missing = [
        (path.name, link)
        for path, text in site.items()
        for link in (first or second for first, second in LOADED.findall(text))
        if urlsplit(link).netloc or not (path.parent / urlsplit(link).path).exists()
    ]
    assert missing == []
