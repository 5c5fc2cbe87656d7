"""`opendr-har export`: a weight file into a bundle that robots run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import CLIP, CONTINUAL

SIZES = ("xs", "s", "m", "l")
EXAMPLE = "example: opendr-har export x3d_s.pyth cox3d_s.onnx --network cox3d --size s"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "export",
        help="turn a weight file into a bundle",
        description="Turn X3D weights (SlowFast, OpenDR, PyTorchVideo or MMAction2 keys) into one .onnx bundle.",
        epilog=EXAMPLE,
    )
    parser.add_argument("checkpoint", help="weight file, .pth or .pyth")
    parser.add_argument("bundle", help="file to write, .onnx")
    parser.add_argument("--network", choices=(CLIP, CONTINUAL), default=CONTINUAL, help="clips or stream (default)")
    parser.add_argument("--size", choices=SIZES, default="s", help="which X3D the weights are of (default: s)")
    parser.add_argument("--window", type=int, help="steps that cox3d averages over (default: the clip length)")
    parser.add_argument("--labels", metavar="CSV", help="class names, id,name (default: Kinetics-400)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Load, export, say what was written."""
    try:
        from opendr_har_core.export import export_bundle
        from opendr_har_core.networks.checkpoints import load_weights
        from opendr_har_core.networks.config import x3d_config
        from opendr_har_core.networks.cox3d import CoX3D
        from opendr_har_core.networks.x3d import X3D
    except ImportError as error:
        raise ConfigError(f"exporting needs torch and onnx ({error}); pip install 'opendr_har_ros[train]'") from None
    labels = LabelMap.read_csv(options.labels) if options.labels else LabelMap.kinetics400()
    config = x3d_config(options.size)
    if options.network == CONTINUAL:
        network: X3D = CoX3D(config, len(labels), options.window)
    elif options.window is not None:
        raise ConfigError(f"--window is {options.window}, but only cox3d has a window; leave it out for x3d")
    else:
        network = X3D(config, len(labels))
    digest = load_weights(network, options.checkpoint)
    source = Path(options.checkpoint).name
    path = export_bundle(network, options.bundle, labels, source=source, weights_sha256=digest)
    sys.stdout.write(f"{path}: {network.spec.name}, {len(labels)} classes, {path.stat().st_size / 1e6:.1f} MB\n")
