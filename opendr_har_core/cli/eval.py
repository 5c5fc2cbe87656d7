"""`opendr-har eval`: evaluate a network on labelled clips."""

from __future__ import annotations

import argparse
import json
from typing import Any

from opendr_har_core.cli.config_file import add_config
from opendr_har_core.cli.datasets import add_data_options, open_dataset
from opendr_har_core.cli.options import WEIGHTS, add_file, add_folder, add_job, add_network, add_settings, require
from opendr_har_core.cli.output import Result
from opendr_har_core.training.settings import TrainingSettings

EXAMPLE = "best.ckpt --data clips/test"


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "eval",
        help="evaluate a network on labelled clips",
        description="Accuracy of weights (.pth, .pyth, or a checkpoint of training) on clips.",
        examples=(
            EXAMPLE,
            "best.ckpt --data clips/test --report eval.json --picture confusion.png",
            "weights.pth --data clips/test --labels my_classes.csv --size s --lookahead full --stepwise",
            "--config eval.yaml",
        ),
        run=run,
        extra="train",
    )
    add_file(parser, "checkpoint", suffixes=WEIGHTS, nargs="?", help="weight file, .pth, .pyth or .ckpt")
    add_folder(parser, "--data", metavar="PATH", help="folder with a folder per class, or a CSV")
    add_network(parser)
    add_settings(parser, TrainingSettings, names=("batch_size",), batch_size=16)
    parser.add_argument("--steps", type=int, metavar="N", help="only so many batches")
    parser.add_argument(
        "--stepwise", action="store_true", help="frame by frame, as cox3d runs on a stream; always without lookahead"
    )
    add_file(parser, "--report", suffixes=("json",), metavar="FILE", help="write the numbers there, JSON")
    add_file(parser, "--picture", suffixes=("png",), metavar="FILE", help="write the confusion matrix there, .png")
    add_data_options(parser, "the checkpoint's, else see --data")
    add_config(parser)


def run(options: argparse.Namespace) -> Result:
    """Evaluate and report."""
    require(options, "checkpoint", "data", example=f"example: opendr-har eval {EXAMPLE}")
    from opendr_har_core.cli.network import chosen_network, described
    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.networks.checkpoints import load_weights
    from opendr_har_core.training.evaluate import evaluate

    blueprint, facts = chosen_network(options, options.checkpoint)
    labels = LabelMap.read_csv(options.labels) if options.labels else None
    if facts is not None:
        facts.check(labels=labels)
        labels = facts.labels
    dataset = open_dataset(options.data, ClipSpec.of(blueprint.config), labels, options, train=False)
    network = blueprint.build(len(dataset.labels))
    load_weights(network, options.checkpoint)
    options.out.note(f"evaluating {options.checkpoint} as {described(network.spec)} on {dataset.report} ...")
    with options.out.progress("evaluating", "clips") as progress:
        report = evaluate(
            network,
            dataset,
            batch_size=options.batch_size,
            steps=options.steps,
            num_workers=options.num_workers,
            device=options.device,
            stepwise=options.stepwise or None,
            listener=progress,
        )
    return _result(report, dataset, options)


def _result(report: Any, dataset: Any, options: argparse.Namespace) -> Result:
    lines = [f"{dataset.report}", *(f"  {label}: {share:.3f}" for label, share in report.per_class.items())]
    lines.append(
        f"{report.count} clips: accuracy {report.accuracy:.3f}, top-5 {report.top5:.3f}, loss {report.loss:.3f}"
    )
    if options.report:
        from opendr_har_core.storage.atomic import atomic_path

        with atomic_path(options.report) as temporary:
            temporary.write_text(json.dumps(report.to_dict(), indent=1), encoding="utf-8")
    if options.picture:
        from opendr_har_core.training.evaluate import confusion_picture

        confusion_picture(report.confusion, list(dataset.labels), options.picture)
    return Result("\n".join(lines) + "\n", {"data": str(dataset.report), **report.to_dict()})
