"""`opendr-har train`: train a network on your own clips and write a bundle."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

from opendr_har_core.cli.augmentation import Augmentation, add_augmentation
from opendr_har_core.cli.config_file import add_config
from opendr_har_core.cli.datasets import add_data_options, open_dataset
from opendr_har_core.cli.options import (
    WEIGHTS,
    add_file,
    add_folder,
    add_job,
    add_network,
    add_settings,
    file_values,
    require,
)
from opendr_har_core.cli.output import INTERRUPTED, Output, Result
from opendr_har_core.cli.train_progress import (
    CANCELLED,
    DONE,
    EXPORTING,
    FORMS,
    STARTING,
    TEXT,
    Report,
    json_report,
    text_report,
)
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.settings import settings_of
from opendr_har_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from opendr_har_core.networks.choice import NetworkChoice
    from opendr_har_core.networks.x3d import X3D
    from opendr_har_core.training.fit import FitReport

EXAMPLE = "--data clips/train --val clips/val --base x3d_s.pyth --size s --output mine.onnx"

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
            EXAMPLE,
            "--data clips/train --output mine.onnx --epochs 20 --freeze last_stage --flip never --colour 0.4",
            "--config train.yaml --lr 3e-4",
            "--data clips/train --output mine.onnx --resume",
        ),
        run=run,
        extra="train",
    )
    add_folder(parser, "--data", metavar="PATH", help="folder with a folder of videos per class, or a CSV")
    add_folder(parser, "--val", metavar="PATH", help="the same, with validation videos")
    base = "pretrained weights, .pth, .pyth or .ckpt (default: random weights)"
    add_file(parser, "--base", suffixes=WEIGHTS, metavar="FILE", help=base)
    add_network(parser)
    add_file(parser, "--output", suffixes=("onnx",), metavar="FILE", help="bundle to write, .onnx")
    what = "write options, settings and the numbers of each epoch there, JSON"
    add_file(parser, "--report", suffixes=("json",), metavar="FILE", help=what)
    parser.add_argument("--resume", action="store_true", help="resume from last.ckpt in the checkpoint folder")
    parser.add_argument("--progress", choices=FORMS, default=TEXT, help="json: one object a line, for programs")
    add_data_options(parser)
    add_settings(parser, TrainingSettings, title="training", names=FLAGS, epochs=None)
    add_augmentation(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> Optional[Result]:
    """Train and export."""
    if options.progress == TEXT:
        return _run(options, text_report(options.out.quiet, options.out.json))
    if options.json:
        raise ConfigError("--progress json and --json print different JSON lines; leave one of them out")
    with json_report() as report:
        result = _run(options, report)
    return replace(result, text="")


def _run(options: argparse.Namespace, tell: Report) -> Result:
    _check_files(options)
    from opendr_har_core.cli.network import TRAINED, chosen_network
    from opendr_har_core.training.fit import fit

    settings = _settings(options)
    blueprint, _ = chosen_network(options, _beginning(options, settings), TRAINED)
    augmentation = Augmentation(options, blueprint.config.image_size)
    run = {**_described(options, blueprint, settings), "augmentation": augmentation.described}
    tell({"state": STARTING, "run": run})
    train, val = _datasets(options, blueprint, augmentation)
    network, digest = _network(options, blueprint, train.labels, settings.seed)
    tell({"state": STARTING, "training": str(train.report), "validation": None if val is None else str(val.report)})
    report = fit(network, train, val, settings, lambda update: tell(asdict(update)))
    return _finish(options, network, train.labels, settings, report, digest, tell, run)


def _check_files(options: argparse.Namespace) -> None:
    """Find out before hours of training whether its results can be written."""
    require(options, "data", "output", example=f"example: opendr-har train {EXAMPLE}")
    output = Path(options.output)
    if output.suffix != ".onnx":
        raise ConfigError(f"--output is {output}, expected a file named *.onnx")
    for path in [output, *([Path(options.report)] if options.report else [])]:
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"{path} can't be written: make the folder {path.parent}, or choose another one")


def _settings(options: argparse.Namespace) -> TrainingSettings:
    values = {item.name: getattr(options, item.name) for item in settings_of(TrainingSettings) if item.name in options}
    if not options.steps and not options.epochs:
        values["epochs"] = TrainingSettings.epochs
    if not options.checkpoint_folder:
        output = Path(options.output)
        values["checkpoint_folder"] = str(output.with_name(f"{output.stem}_checkpoints"))
    bar = options.progress == TEXT and sys.stderr.isatty() and not options.quiet
    settings = TrainingSettings.from_dict({"progress_bar": bar, **values})
    return _resumed(settings, options.out) if options.resume else settings


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


def _beginning(options: argparse.Namespace, settings: TrainingSettings) -> Optional[str]:
    """The file whose weights training resumes or starts from."""
    from opendr_har_core.training.checkpoint import path_of_step

    if settings.resume_step:
        return str(path_of_step(str(settings.checkpoint_folder), settings.resume_step))
    base: Optional[str] = options.base
    return base


def _datasets(options: argparse.Namespace, blueprint: NetworkChoice, augmentation: Augmentation) -> Tuple[Any, Any]:
    from opendr_har_core.datasets.clips import ClipSpec

    clip = ClipSpec.of(blueprint.config)
    given = LabelMap.read_csv(options.labels) if options.labels else None
    train = open_dataset(options.data, clip, given, options, train=True, transform=augmentation)
    augmentation.settle(train.labels)
    val = open_dataset(options.val, clip, train.labels, options, train=False) if options.val else None
    return train, val


def _network(
    options: argparse.Namespace, blueprint: NetworkChoice, labels: LabelMap, seed: int
) -> Tuple[X3D, Optional[str]]:
    """The network to train and the digest of the weights that it starts from."""
    import torch

    from opendr_har_core.networks.checkpoints import load_weights

    torch.manual_seed(seed)
    network = blueprint.build(len(labels))
    digest = load_weights(network, options.base, new_head=True, labels=labels) if options.base else None
    return network, digest


def _described(options: argparse.Namespace, blueprint: NetworkChoice, settings: TrainingSettings) -> Dict[str, Any]:
    given = {name: getattr(options, name) for name in ("data", "val", "base", "labels", "output", "cache")}
    return {**given, **blueprint.to_dict(), "settings": settings.to_dict()}


def _finish(
    options: argparse.Namespace,
    network: X3D,
    labels: LabelMap,
    settings: TrainingSettings,
    report: FitReport,
    digest: Optional[str],
    tell: Report,
    run: Dict[str, Any],
) -> Result:
    from opendr_har_core.bundles.export import export_bundle
    from opendr_har_core.cli.network import described
    from opendr_har_core.storage.atomic import atomic_path
    from opendr_har_core.training.fit import is_first_process

    if not is_first_process():
        return Result()  # only the first process writes
    best = {"best_accuracy": report.best_accuracy, "best_loss": report.best_loss}
    counts: Dict[str, Any] = {"steps": report.steps, **best}
    if report.cancelled:
        tell({"state": CANCELLED, "step": report.steps, **best, "checkpoints": list(report.checkpoints)})
        advice = f"continue with --checkpoint-folder {settings.checkpoint_folder} --resume"
        values = {**counts, "checkpoints": list(report.checkpoints)}
        return Result("", values, INTERRUPTED, f"stopped after {report.steps} steps; {advice}")
    tell({"state": EXPORTING})
    source = f"trained on {Path(options.data).name} for {report.steps} steps from {_origin(options, digest)}"
    path = export_bundle(network, options.output, labels, source=source)
    if options.report:
        content = {"run": run, "history": list(report.history)}
        with atomic_path(options.report) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    description = f"{described(network.spec)}, {len(labels)} classes, {path.stat().st_size / 1e6:.1f} MB"
    tell({"state": DONE, "step": report.steps, **best, "output": str(path.resolve()), "description": description})
    spec = network.spec
    what = {"model": spec.name, "lookahead": spec.lookahead, "window": spec.window, "classes": len(labels)}
    values = {**file_values(path), **what, **counts}
    return Result(f"{path}: {description}\n", values)


def _origin(options: argparse.Namespace, digest: Optional[str]) -> str:
    return f"{Path(options.base).name} (sha256 {digest[:12]})" if digest else "random weights"
