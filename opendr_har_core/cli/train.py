"""`opendr-har train`: train a network on your own clips and write a bundle."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opendr_har_core.cli.options import (
    WEIGHTS,
    add_bundle_output,
    add_data,
    add_job,
    add_network,
    add_settings,
    check_writable,
    chosen_network,
    export_result,
    given_labels,
    open_dataset,
    read_settings,
    write_json,
)
from opendr_har_core.cli.output import INTERRUPTED, Output, Result
from opendr_har_core.datasets.augmentation import AugmentationSettings
from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import settings_of
from opendr_har_core.spec import TRAINING_LOOKAHEAD
from opendr_har_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from opendr_har_core.training.callbacks import Update

# States in the lines of JSON, before that of the result; docs/training.md lists their entries.
STARTING, EPOCH_END, EXPORTING = "starting", "epoch_end", "exporting"
# Not flags of their own: `loss` has one choice, the others depend on the data or the terminal.
NO_FLAG = ("loss", "drop_last", "progress_bar", "num_workers", "device")
FLAGS = [item.name for item in settings_of(TrainingSettings) if item.name not in NO_FLAG]


def add_parser(jobs: Any) -> None:
    """Add this subcommand."""
    parser = add_job(
        jobs,
        "train",
        help="train a network on your own clips",
        description="Train X3D or CoX3D, from pretrained or random weights, and write a bundle.",
        examples=(
            "--data clips/train --val clips/val --base x3d_s.pyth --size s --output mine.onnx",
            "--data clips/train --output mine.onnx --epochs 20 --freeze last_stage --flip never --colour 0.4",
            "--data clips/train --output mine.onnx --resume",
        ),
        run=run,
        extra="train",
    )
    add_data(parser)
    parser.add_argument("--val", metavar="PATH", help="the same, with validation videos")
    parser.add_argument("--base", metavar="FILE", help=f"pretrained weights, a {WEIGHTS} (default: random weights)")
    add_network(parser)
    add_bundle_output(parser)
    what = "write options, settings and the numbers of each epoch there, JSON"
    parser.add_argument("--report", metavar="FILE", help=what)
    parser.add_argument("--resume", action="store_true", help="resume from last.ckpt in the checkpoint folder")
    add_settings(parser, TrainingSettings, title="training", names=FLAGS, epochs=None)
    add_settings(parser, AugmentationSettings, title="augmentation")


def run(options: argparse.Namespace) -> Result:
    """Train and export."""
    out: Output = options.out
    if any(os.environ.get(name, "0") != "0" for name in ("RANK", "LOCAL_RANK")):
        out.json, out.quiet = False, True  # of several processes that train together, the first one reports
    if Path(options.output).suffix != ".onnx":
        raise ConfigError(f"--output is {options.output}, expected a file named *.onnx")
    check_writable(options.output, *([options.report] if options.report else []))
    import torch

    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.networks.checkpoints import load_weights
    from opendr_har_core.training.checkpoint import path_of_step
    from opendr_har_core.training.fit import fit, is_first_process

    settings, augmentation = _settings(options), read_settings(options, AugmentationSettings)
    step, folder = settings.resume_step, str(settings.checkpoint_folder)
    beginning = str(path_of_step(folder, step)) if step else options.base
    blueprint, _ = chosen_network(options, beginning, TRAINING_LOOKAHEAD)
    given = {name: getattr(options, name) for name in ("data", "val", "base", "labels", "output", "cache")}
    given = {**given, **blueprint.to_dict(), "settings": asdict(settings), "augmentation": asdict(augmentation)}
    out.event({"state": STARTING, "run": given}, json.dumps({"run": given}, indent=1) + "\n")

    clip = ClipSpec.of(blueprint.config)
    train = open_dataset(options.data, clip, given_labels(options), options, train=True)
    train.transform = augmentation.transform(clip.image_size, train.labels)
    val = open_dataset(options.val, clip, train.labels, options, train=False) if options.val else None
    reports = {name: str(data.report) for name, data in (("training", train), ("validation", val)) if data is not None}
    text = "".join(f"{name}: {report}\n" for name, report in reports.items())
    out.event({"state": STARTING, "validation": None, **reports}, text)

    torch.manual_seed(settings.seed)
    network = blueprint.build(len(train.labels))
    origin = "random weights"
    if options.base:
        digest = load_weights(network, options.base, new_head=True, labels=train.labels)
        origin = f"{Path(options.base).name} (sha256 {digest[:12]})"
    report = fit(network, train, val, settings, lambda update: out.event(asdict(update), epoch_text(update)))
    if not is_first_process():
        return Result()  # only the first process writes
    counts = {"step": report.steps, "best_accuracy": report.best_accuracy, "best_loss": report.best_loss}
    if report.cancelled:
        error = f"stopped after {report.steps} steps; continue with --checkpoint-folder {folder} --resume"
        return Result("", {**counts, "checkpoints": report.checkpoints}, INTERRUPTED, error)
    out.event({"state": EXPORTING})
    source = f"trained on {Path(options.data).name} for {report.steps} steps from {origin}"
    result = export_result(network, options.output, train.labels, source=source)
    if options.report:
        write_json(options.report, {"run": given, "history": report.history})
    return replace(result, values={**result.values, **counts})


def epoch_text(update: Update) -> str:
    """A line about an epoch that ends, or "" for the updates within it."""
    if update.state != EPOCH_END:
        return ""
    names = {"train_loss": "loss", "train_accuracy": "accuracy", "val_loss": "val_loss", "val_accuracy": "val_accuracy"}
    values = {name: getattr(update, key) for name, key in names.items()}
    parts = [f"{name} {value:.3f}" for name, value in values.items() if value is not None]
    return f"epoch {update.epoch}, step {update.step}: {', '.join(parts)}\n"


def _settings(options: argparse.Namespace) -> TrainingSettings:
    """The settings that the flags give; without --steps and --epochs, the default number of epochs."""
    values = {name: getattr(options, name) for name in (*FLAGS, "num_workers", "device")}
    if not options.steps and not options.epochs:
        values["epochs"] = TrainingSettings.epochs
    if not options.checkpoint_folder:
        output = Path(options.output)
        values["checkpoint_folder"] = str(output.with_name(f"{output.stem}_checkpoints"))
    out: Output = options.out
    settings = TrainingSettings(progress_bar=sys.stderr.isatty() and not (out.json or out.quiet), **values)
    return _resumed(settings, out) if options.resume else settings


def _resumed(settings: TrainingSettings, out: Output) -> TrainingSettings:
    """Resume from the last checkpoint; without one (or with a mistyped folder), start from scratch with a warning."""
    from opendr_har_core.training.checkpoint import LAST, last_step

    folder = str(settings.checkpoint_folder)
    step = last_step(folder)
    if step:
        out.note(f"resuming from {Path(folder) / LAST}, step {step}")
    else:
        out.warn(
            f"--resume finds no {LAST} in {folder}, so training starts from scratch; is it another --checkpoint-folder?"
        )
    return replace(settings, resume_step=step)
