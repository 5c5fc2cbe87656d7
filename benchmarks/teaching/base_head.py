"""Gives a packaged bundle what teaching needs: the means of its classes, and features of people who do nothing.

python benchmarks/teaching/footage.py --base default --output features_default.npz
python benchmarks/teaching/base_head.py default features_default.npz --output default.onnx

Both come from synthetic clips. The scores of the bundle stay the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Sequence

import numpy as np
from footage import Clip, read_clips

from opendr_har_core import Recognizer
from opendr_har_core.bundles.head import GRAPH, Head
from opendr_har_core.bundles.rewrite import write_with_head
from opendr_har_core.streaming.recognizer import bundle_path

ROWS = 32


def carried(clips: Sequence[Clip]) -> np.ndarray:
    """The features of synthetic people who do nothing that a bundle carries."""
    idle = np.concatenate([clip.features for clip in clips if clip.group == "idle"]).astype(np.float32)
    return idle[np.linspace(0, len(idle) - 1, ROWS).round().astype(int)]


def main() -> None:
    """Write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="bundle whose features these are")
    parser.add_argument("features", type=Path, help="file that footage.py wrote")
    parser.add_argument("--output", type=Path, required=True, help=".onnx")
    options = parser.parse_args()
    labels = Recognizer.open(options.base).base_labels
    clips = read_clips(options.features)
    background = carried(clips)
    classes = [[clip.features for clip in clips if clip.group == "synthetic" and clip.kind == name] for name in labels]
    means, owners = np.zeros((0, background.shape[1]), np.float32), ()
    if all(classes):
        means, owners = np.stack([np.concatenate(rows).mean(axis=0) for rows in classes]), (GRAPH,) * len(classes)
    directions = np.zeros((0, background.shape[1]), np.float32)
    head = Head(labels, means, owners, directions, kept=len(labels), background=background)
    write_with_head(bundle_path(options.base), head, options.output)


if __name__ == "__main__":
    main()
