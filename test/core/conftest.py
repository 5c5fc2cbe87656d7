"""Fixtures of the core's tests."""

from __future__ import annotations

import struct

import pytest
from stream_cases import ArithmeticBackend

from opendr_har_core.streaming.recognizer import Recognizer


@pytest.fixture(params=["x3d", "cox3d"])
def backend(request):
    return ArithmeticBackend(request.param, warm_up=2 if request.param == "x3d" else 5)


@pytest.fixture
def recognizer(backend):
    return Recognizer(backend)


@pytest.fixture
def set_display_matrix():
    """Say in an MP4 file that its picture is shown turned: set_display_matrix(path, (a, b, c, d)).

    Column x and row y of a stored pixel are shown at (a x + c y, b x + d y), plus an offset.
    """

    def write(path, matrix):
        a, b, c, d = (number << 16 for number in matrix)
        content = bytearray(path.read_bytes())
        # ISO/IEC 14496-12, 8.3.2: after its name a track header has 40 bytes before the matrix.
        struct.pack_into(">5i", content, content.index(b"tkhd") + 4 + 40, a, b, 0, c, d)
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def serve_page():
    """Start servers of the live page: serve_page(teaching=None, **settings) -> (state, port)."""
    pytest.importorskip("aiohttp")
    from opendr_har_core.live.access import LiveSettings
    from opendr_har_core.live.server import LiveServer
    from opendr_har_core.live.state import LiveState, ModelInfo
    from opendr_har_core.live.teaching import TeachingControl

    started = []

    def start(teaching=None, **settings):
        state = LiveState("a camera", ModelInfo("a model"))
        control = TeachingControl(teaching, state) if teaching else None
        server = LiveServer(LiveSettings(port=0, **settings), state, control)
        port = server.start()
        started.append(server)
        return state, port

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A folder with two short videos of each of two actions, for tests that train and evaluate."""
    from training_cases import ACTIONS

    from opendr_har_core.media.video import write_video
    from opendr_har_core.synthetic.scene import render_clip

    folder = tmp_path_factory.mktemp("data") / "clips"
    for action in ACTIONS:
        (folder / action).mkdir(parents=True)
        for seed in range(2):
            write_video(folder / action / f"{seed}.mp4", render_clip(action, 1.5, 15.0, (72, 96), seed), 15.0)
    return folder
