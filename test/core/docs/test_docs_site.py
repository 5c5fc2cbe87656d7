"""The site as it is built: links and anchors lead somewhere, pages are reached, nothing is loaded from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("myst_parser")
pytest.importorskip("furo")

ROOT = Path(__file__).resolve().parents[3]
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "srcset")}
# Made by Sphinx, and led to from the search field and nowhere else.
OF_SPHINX = {"genindex.html", "search.html", "py-modindex.html"}


class Page(HTMLParser):
    """What a page has that others can link to, and what it links to and loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif tag == "a" and name == "href":
                self.links.append(value)
            elif (tag, name) in LOADED:
                self.loaded.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """{path: Page} of the whole site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return {path: Page(path) for path in folder.rglob("*.html")}


def targets(path, links):
    """(link, file, anchor) of those that stay within the site."""
    for link in links:
        parts = urlsplit(link)
        if not parts.scheme and not parts.netloc:
            yield link, (path.parent / unquote(parts.path)).resolve() if parts.path else path, unquote(parts.fragment)


def test_every_link_and_anchor_leads_somewhere(site):
    dead = []
    for path, page in site.items():
        for link, target, anchor in targets(path, page.links):
            missing = anchor and anchor not in site[target].anchors if target in site else not target.exists()
            if missing:
                dead.append(f"{path.name}: {link}")
    assert dead == []


def test_every_page_can_be_reached_from_the_first(site):
    (first,) = [path for path in site if path.name == "index.html"]
    seen, coming = set(), [first]
    while coming:
        path = coming.pop()
        seen.add(path)
        coming += [target for _, target, _ in targets(path, site[path].links) if target in site and target not in seen]
    lost = {path.name for path in set(site) - seen}
    assert lost <= OF_SPHINX
    assert len(site) > 25


def test_nothing_is_loaded_from_elsewhere(site):
    missing = [
        (path.name, link)
        for path, page in site.items()
        for link in page.loaded
        if urlsplit(link).netloc or not (path.parent / unquote(urlsplit(link).path)).exists()
    ]
    assert missing == []


def test_links_to_other_sites_are_listed_and_not_fetched(site, record_property):
    links = {link for page in site.values() for link in page.links if urlsplit(link).netloc}
    record_property("external_links", " ".join(sorted(links)))
    assert [link for link in links if urlsplit(link).scheme != "https"] == []
