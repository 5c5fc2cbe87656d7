"""What `opendr-har live` can play: a file in a loop, a webcam, or drawn figures."""

from __future__ import annotations

from itertools import cycle
from typing import Callable, Iterator

import numpy as np

from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_at

# One figure throughout, whose actions are well in view; drawing costs a few milliseconds a frame.
DRAWN_SEED, DRAWN_FPS, DRAWN_SEC = 25, 15.0, 5.0


def drawn_figures(_is_stopped: Callable[[], bool]) -> Iterator[Frame]:
    """All actions in turn, without end."""
    start = 0.0
    for action in cycle(ACTIONS):
        times = np.arange(round(DRAWN_SEC * DRAWN_FPS)) / DRAWN_FPS
        for frame in render_at(action, times.tolist(), seed=DRAWN_SEED):
            yield Frame(frame.rgb, round(start * NANOSECONDS) + frame.stamp_ns)
        start += DRAWN_SEC
