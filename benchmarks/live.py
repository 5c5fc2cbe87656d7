"""What the live page takes from the recognizer: the same frames with no viewer, with one and with three, in turns.

python benchmarks/live.py [--model default] [--seconds 4] [--rounds 8] [--fps 30]

A camera of 640x480 at `--fps` Hz; every frame is labelled. Viewers are connections of another process that take all
they are sent. A row is the median over the rounds of: milliseconds of a step (image to label), and processor time of
the recognizing process, both also as ratios to the round's own 'no viewer'.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Dict, List, Tuple

import numpy as np

from opendr_har_core import Frame, Recognizer
from opendr_har_core.live.schema import model_facts
from opendr_har_core.live.server import LiveServer
from opendr_har_core.live.settings import LiveSettings
from opendr_har_core.live.state import Board
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.label_pipeline import Labelling
from opendr_har_core.streaming.postprocess import FilterSettings
from opendr_har_core.synthetic.scene import render_at

VIEWERS = (0, 1, 3)
SETTLE_SEC = 0.7
WATCH = """
import asyncio, sys, aiohttp
async def watch():
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{sys.argv[1]}/ws") as socket:
        async for _ in socket: pass
asyncio.run(watch())
"""


def main() -> None:
    """Measure in turns, print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--fps", type=float, default=30.0)
    options = parser.parse_args()
    recognizer = Recognizer.open(options.model)
    stream = recognizer.stream("every_frame")
    board = Board("a camera", model_facts(stream))
    server = LiveServer(LiveSettings(port=0), board)
    port = server.start()
    images = [frame.rgb for frame in render_at("walking", list(np.arange(30) / 10), (480, 640), seed=25)]
    labelling = Labelling(stream, FilterSettings())
    found: Dict[int, List[Tuple[float, float]]] = {viewers: [] for viewers in VIEWERS}
    for turn in range(options.rounds):
        for viewers in VIEWERS if turn % 2 else VIEWERS[::-1]:
            watching = [subprocess.Popen([sys.executable, "-c", WATCH, str(port)]) for _ in range(viewers)]
            time.sleep(SETTLE_SEC)
            found[viewers].append(play(board, labelling, images, options.fps, options.seconds))
            for process in watching:
                process.kill()
                process.wait()
    server.stop()
    base = np.array(found[0])
    for viewers, rows in found.items():
        (step, cpu), ratios = np.median(rows, axis=0), np.median(np.array(rows) / base, axis=0)
        sys.stdout.write(
            f"{viewers} viewers: {step:.2f} ms a step (x{ratios[0]:.3f}), {cpu:.1%} of a core (x{ratios[1]:.3f})\n"
        )


def play(
    board: Board, labelling: Labelling, images: List[np.ndarray], fps: float, seconds: float
) -> Tuple[float, float]:
    """(median milliseconds of a step, processor time as a share of a core)."""
    steps, start, used = [], time.monotonic(), time.process_time()
    for index in range(round(fps * seconds)):
        time.sleep(max(0.0, start + index / fps - time.monotonic()))
        began = time.perf_counter()
        frame = Frame(images[index % len(images)], round(index / fps * NANOSECONDS))
        board.picture(frame)
        shown, _ = labelling.push(frame)
        if shown is not None:
            board.labels(shown.top)
        steps.append((time.perf_counter() - began) * 1000)
    return float(np.median(steps[5:])), (time.process_time() - used) / (time.monotonic() - start)


if __name__ == "__main__":
    main()
