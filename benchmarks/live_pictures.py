"""Pictures of the live page in a real Chromium, for the documentation.

python benchmarks/live_pictures.py docs/images

The page shows drawn figures and the packaged model, for half a minute; needs playwright and the system's Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from opendr_har_core import Recognizer
from opendr_har_core.live.player import Player
from opendr_har_core.live.schema import model_facts
from opendr_har_core.live.server import LiveServer
from opendr_har_core.live.settings import LiveSettings
from opendr_har_core.live.sources import drawn_figures
from opendr_har_core.live.state import Board
from opendr_har_core.streaming.label_pipeline import Labelling
from opendr_har_core.streaming.postprocess import FilterSettings

VIEWS = {
    "live_desktop": {"viewport": {"width": 1280, "height": 960}, "color_scheme": "light"},
    "live_dark": {"viewport": {"width": 1280, "height": 960}, "color_scheme": "dark"},
    "live_phone": {"viewport": {"width": 390, "height": 1180}, "color_scheme": "light", "is_mobile": True},
}
WATCHED_SEC = 33.0
# An action that the model is sure of, rather than the moment between two.
SURE = """() => parseInt(document.querySelector("#bars .score")?.textContent ?? "0") > 85
    && document.getElementById("label").textContent.startsWith("no ") === false"""


def main() -> None:
    """Serve, watch, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    recognizer = Recognizer.open("default")
    stream = recognizer.stream()
    board = Board("drawn figures", model_facts(stream))
    server = LiveServer(LiveSettings(port=0), board)
    port = server.start()
    filtering = FilterSettings(smoothing_sec=0.5, threshold=0.4, min_duration_sec=0.4)
    player = Player("drawn figures", drawn_figures, Labelling(stream, filtering), board, is_paced=True)
    player.start()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        pages = {}
        for name, options in VIEWS.items():
            pages[name] = browser.new_context(**options).new_page()
            pages[name].goto(f"http://127.0.0.1:{port}/")
        time.sleep(WATCHED_SEC)
        for name, page in pages.items():
            page.bring_to_front()
            page.wait_for_function(SURE, timeout=60_000)
            page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=80)
        browser.close()
    player.stop()
    server.stop()


if __name__ == "__main__":
    main()
