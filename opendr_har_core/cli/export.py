"""`opendr-har export`: turn a weight file into a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from opendr_har_core.cli.config_file import add_config
from opendr_har_core.cli.options import (
    WEIGHTS,
    add_bundle_output,
    add_file,
    add_job,
    add_labels,
    add_network,
    bundle_output,
    file_values,
    require,
)
from opendr_har_core.cli.output import Result

EXAMPLE = "x3d_s.pyth cox3d_s.onnx --network cox3d --size s"


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "export",
        help="turn a weight file into a bundle",
        description="Turn X3D weights (SlowFast, OpenDR, PyTorchVideo or MMAction2 keys, or a checkpoint of training) "
        "into one .onnx bundle.",
        examples=(
            EXAMPLE,
            "best.ckpt --output mine.onnx",
            "best.ckpt --output mine_window4.onnx --window 4",
            "--config export.yaml",
        ),
        run=run,
        extra="train",
    )
    add_file(parser, "checkpoint", suffixes=WEIGHTS, nargs="?", help="weight file, .pth, .pyth or .ckpt")
    add_bundle_output(parser, "bundle")
    add_network(parser)
    add_labels(parser, "the checkpoint's, else Kinetics-400")
    what = "origin and licence of the weights, stored in the bundle (default: the file's name)"
    parser.add_argument("--source", metavar="TEXT", help=what)
    add_config(parser)


def run(options: argparse.Namespace) -> Result:
    """Write the bundle and report what it holds."""
    require(options, "checkpoint", example=f"example: opendr-har export {EXAMPLE}")
    target = bundle_output(options, "bundle", example=f"opendr-har export {EXAMPLE}")
    from opendr_har_core.bundles.export import export_bundle
    from opendr_har_core.cli.network import chosen_network, described
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.networks.checkpoints import load_weights

    blueprint, facts = chosen_network(options, options.checkpoint)
    given = LabelMap.read_csv(options.labels) if options.labels else None
    if facts is not None:
        facts.check(labels=given)
    labels = given or (LabelMap.kinetics400() if facts is None else facts.labels)
    network = blueprint.build(len(labels))
    digest = load_weights(network, options.checkpoint)
    source = options.source or Path(options.checkpoint).name
    path = export_bundle(network, target or "", labels, source=source, weights_sha256=digest)
    spec = network.spec
    values = {
        **file_values(path),
        "model": spec.name,
        "lookahead": spec.lookahead,
        "window": spec.window,
        "classes": len(labels),
        "weights_sha256": digest,
    }
    return Result(f"{path}: {described(spec)}, {len(labels)} classes, {path.stat().st_size / 1e6:.1f} MB\n", values)
