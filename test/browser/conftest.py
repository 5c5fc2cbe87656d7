"""A real browser, the system's Chromium, and a page that is served from this process."""

from __future__ import annotations

import shutil

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium():
    """A running browser; its client holds this thread's event loop, which tests of other modules need."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(
        (found for found in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if found), None
    )
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, "--disable-sync"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    """Open tabs: tab(url, **context) -> page; what the page's console complains of fails the test."""
    opened, complaints = [], []

    def open_tab(url, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_tab
    for context in opened:
        context.close()
    assert not complaints
