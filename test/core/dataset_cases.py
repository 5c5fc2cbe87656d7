"""Small videos and spies that the tests of datasets share."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip

CLIP = ClipSpec(frames=4, stride=6, train_fps=30.0, image_size=48)


def draw(path, action="walking", seconds=1.5, fps=30.0, seed=0):
    """A small video of a drawn figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, render_clip(action, seconds, fps, (60, 80), seed), fps)


def cut(path, share=0.5):
    """Lose the end of a file, as an interrupted copy does."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
