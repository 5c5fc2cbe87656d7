"""`opendr-har eval`: evaluate a network on labelled clips."""

from __future__ import annotations

import argparse
from typing import Any

from opendr_har_core.cli.options import (
    WEIGHTS,
    add_data,
    add_job,
    add_network,
    add_settings,
    chosen_network,
    described,
    given_labels,
    open_dataset,
    write_json,
)
from opendr_har_core.cli.output import Result
from opendr_har_core.training.settings import TrainingSettings


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "eval",
        help="evaluate a network on labelled clips",
        description="Accuracy of weights (.pth, .pyth, or a checkpoint of training) on clips.",
        examples=(
            "best.ckpt --data clips/test",
            "best.ckpt --data clips/test --report eval.json --picture confusion.png",
            "weights.pth --data clips/test --labels my_classes.csv --size s --lookahead full --stepwise",
        ),
        run=run,
        extra="train",
    )
    parser.add_argument("checkpoint", help=WEIGHTS)
    add_data(parser, "the checkpoint's, else see --data")
    add_network(parser)
    add_settings(parser, TrainingSettings, names=("batch_size",), batch_size=16)
    parser.add_argument("--steps", type=int, metavar="N", help="only so many batches")
    parser.add_argument(
        "--stepwise", action="store_true", help="frame by frame, as cox3d runs on a stream; always without lookahead"
    )
    parser.add_argument("--report", metavar="FILE", help="write the numbers there, JSON")
    parser.add_argument("--picture", metavar="FILE", help="write the confusion matrix there, .png")


def run(options: argparse.Namespace) -> Result:
    """Evaluate and report."""
    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.networks.checkpoints import load_weights
    from opendr_har_core.training.evaluate import confusion_picture, evaluate

    blueprint, facts = chosen_network(options, options.checkpoint)
    labels = given_labels(options)
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
    if options.report:
        write_json(options.report, report.to_dict())
    if options.picture:
        confusion_picture(report.confusion, list(dataset.labels), options.picture)
    lines = [f"{dataset.report}", *(f"  {label}: {share:.3f}" for label, share in report.per_class.items())]
    total = f"{report.count} clips: accuracy {report.accuracy:.3f}, top-5 {report.top5:.3f}, loss {report.loss:.3f}"
    return Result("\n".join([*lines, total, ""]), {"data": str(dataset.report), **report.to_dict()})
