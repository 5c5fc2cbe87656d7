"""`opendr-har export`: turn a weight file into a bundle."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from opendr_har_core.cli.options import (
    WEIGHTS,
    add_bundle_output,
    add_job,
    add_labels,
    add_network,
    chosen_network,
    export_result,
    given_labels,
)
from opendr_har_core.cli.output import Result


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "export",
        help="turn a weight file into a bundle",
        description="Turn X3D weights (SlowFast, OpenDR, PyTorchVideo or MMAction2 keys, or a checkpoint of training) "
        "into one .onnx bundle.",
        examples=(
            "x3d_s.pyth --output cox3d_s.onnx --network cox3d --size s",
            "best.ckpt --output mine.onnx",
            "best.ckpt --output mine_window4.onnx --window 4",
        ),
        run=run,
        extra="train",
    )
    parser.add_argument("checkpoint", help=WEIGHTS)
    add_bundle_output(parser)
    add_network(parser)
    add_labels(parser, "the checkpoint's, else Kinetics-400")
    what = "origin and licence of the weights, stored in the bundle (default: the file's name)"
    parser.add_argument("--source", metavar="TEXT", help=what)


def run(options: argparse.Namespace) -> Result:
    """Write the bundle and report what it holds."""
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.networks.checkpoints import load_weights

    blueprint, facts = chosen_network(options, options.checkpoint)
    labels = given_labels(options)
    if facts is not None:
        facts.check(labels=labels)
        labels = labels or facts.labels
    labels = labels or LabelMap.kinetics400()
    network = blueprint.build(len(labels))
    digest = load_weights(network, options.checkpoint)
    source = options.source or Path(options.checkpoint).name
    result = export_result(network, options.output, labels, source=source, weights_sha256=digest)
    return replace(result, values={**result.values, "weights_sha256": digest})
