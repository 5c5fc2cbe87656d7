"""`opendr-har eval`: how often a network is right on labelled clips."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from opendr_har_core.cli.datasets import add_data_options, open_dataset
from opendr_har_core.cli.export import SIZES
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import CLIP, CONTINUAL

EXAMPLE = "example: opendr-har eval best.ckpt --data clips/test --labels my_classes.csv --size s --stepwise"


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = jobs.add_parser(
        "eval",
        help="evaluate a network on labelled clips",
        description="Accuracy of weights (.pth, .pyth, or a checkpoint of training) on clips.",
        epilog=EXAMPLE,
    )
    parser.add_argument("checkpoint", help="weight file, .pth, .pyth or .ckpt")
    parser.add_argument("--data", required=True, metavar="PATH", help="folder with a folder per class, or a CSV")
    parser.add_argument("--network", choices=(CLIP, CONTINUAL), default=CONTINUAL, help="default: cox3d")
    parser.add_argument("--size", choices=SIZES, default="s", help="default: s")
    parser.add_argument("--window", type=int, metavar="N", help="steps that cox3d averages over")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="default: 16")
    parser.add_argument("--steps", type=int, metavar="N", help="only so many batches")
    parser.add_argument("--stepwise", action="store_true", help="frame by frame, as cox3d runs on a stream")
    parser.add_argument("--json", metavar="FILE", help="write the report there")
    parser.add_argument("--picture", metavar="FILE", help="write the confusion matrix there, .png")
    add_data_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Load, evaluate, print."""
    try:
        from opendr_har_core.datasets.clips import ClipSpec
        from opendr_har_core.networks.checkpoints import load_weights
        from opendr_har_core.networks.config import x3d_config
        from opendr_har_core.networks.cox3d import CoX3D
        from opendr_har_core.networks.x3d import X3D
        from opendr_har_core.training.evaluate import evaluate
    except ImportError as error:
        raise ConfigError(f"evaluation needs torch and more ({error}); pip install 'opendr_har_ros[train]'") from None
    config = x3d_config(options.size)
    given = LabelMap.read_csv(options.labels) if options.labels else None
    dataset = open_dataset(options.data, ClipSpec.of(config), given, options, train=False)
    classes = len(dataset.labels)
    network = CoX3D(config, classes, options.window) if options.network == CONTINUAL else X3D(config, classes)
    load_weights(network, options.checkpoint)
    report = evaluate(
        network,
        dataset,
        batch_size=options.batch_size,
        steps=options.steps,
        num_workers=options.num_workers,
        device=options.device,
        stepwise=options.stepwise,
    )
    _show(report, dataset, options)


def _show(report: Any, dataset: Any, options: argparse.Namespace) -> None:
    lines = [f"{dataset.report}", *(f"  {label}: {share:.3f}" for label, share in report.per_class.items())]
    lines.append(
        f"{report.count} clips: accuracy {report.accuracy:.3f}, top-5 {report.top5:.3f}, loss {report.loss:.3f}"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    if options.json:
        from opendr_har_core.files import atomic_path

        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps(report.to_dict(), indent=1), encoding="utf-8")
    if options.picture:
        from opendr_har_core.training.plots import confusion_picture

        confusion_picture(report.confusion, list(dataset.labels), options.picture)
