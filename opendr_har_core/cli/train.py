"""`opendr-har train`: clips of one's own actions into a bundle that robots run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from opendr_har_core.cli.augmentation import Augmentation, add_augmentation
from opendr_har_core.cli.config_file import add_config
from opendr_har_core.cli.datasets import add_data_options, open_dataset
from opendr_har_core.cli.options import WEIGHTS, add_file, add_folder, add_job, add_network, file_values, require
from opendr_har_core.cli.output import INTERRUPTED, Output, Result
from opendr_har_core.cli.train_progress import FORMS, TEXT, JsonProgress, TextProgress, json_progress
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap

if TYPE_CHECKING:
    from opendr_har_core.networks.choice import Blueprint
    from opendr_har_core.networks.x3d import X3D
    from opendr_har_core.training.fit import FitReport
    from opendr_har_core.training.settings import TrainingSettings

EXAMPLE = "--data clips/train --val clips/val --base x3d_s.pyth --size s --output mine.onnx"

# Settings of training that are flags; their types and meanings are those of TrainingSettings.
WHOLE = (
    ("epochs", "passes over the data"),
    ("steps", "updates of the weights in all"),
    ("batch_size", "clips that a process takes at a time"),
    ("accumulate", "batches that make one update"),
    ("warmup_steps", "updates over which the learning rate rises"),
    ("early_stopping_patience", "end after so many epochs without a lower loss"),
    ("checkpoint_every_steps", "write a checkpoint every so many updates"),
    ("resume_step", "go on from the checkpoint of that step"),
    ("seed", "the same seed gives the same result"),
    ("devices", "processes on this machine"),
    ("num_nodes", "machines"),
)
REAL = (
    ("lr", "peak learning rate"),
    ("backbone_lr_factor", "share of it for all layers but the classifier"),
    ("momentum", "of sgd"),
    ("weight_decay", "weight decay"),
    ("label_smoothing", "share of the target spread over all classes"),
)
CHOICES = (
    ("optimizer", ("adam", "adamw", "sgd"), "how the weights are updated"),
    ("lr_schedule", ("", "cosine", "step", "plateau"), "how the learning rate falls"),
    ("freeze", ("none", "last_stage", "head"), "last_stage: only that and the head learn; head: only the classifier"),
    ("precision", ("32-true", "bf16-mixed", "16-mixed"), "of the computations"),
    ("keep", ("best", "last"), "which epoch's weights are exported"),
)
SWITCHES = (
    ("freeze_batch_norm", "keep the running statistics, for small batches"),
    ("class_weights", "weigh rare classes up"),
    ("channels_last", "memory layout for the tensor cores of a GPU"),
    ("pin_memory", "for faster copies to a GPU"),
)
TEXTS = (
    ("checkpoint_folder", "FOLDER", "where checkpoints are written (default: mine_checkpoints for --output mine.onnx)"),
    ("logging_path", "FOLDER", "for TensorBoard and CSV logs"),
    ("strategy", "NAME", "how Lightning spreads the work, such as ddp"),
)


def add_parser(jobs: Any) -> None:
    """Add this job to the command line."""
    parser = add_job(
        jobs,
        "train",
        help="train a network on clips of your own",
        description="Train X3D or CoX3D, from pretrained weights or from none, and write a bundle.",
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
    add_folder(parser, "--val", metavar="PATH", help="the same, of videos to validate with")
    base = "pretrained weights, .pth, .pyth or a checkpoint of training (default: random ones)"
    add_file(parser, "--base", suffixes=WEIGHTS, metavar="FILE", help=base)
    add_network(parser)
    add_file(parser, "--output", suffixes=("onnx",), metavar="FILE", help="bundle to write, .onnx")
    what = "JSON to write with what was run and what came of it"
    add_file(parser, "--report", suffixes=("json",), metavar="FILE", help=what)
    parser.add_argument("--resume", action="store_true", help="go on from last.ckpt in the folder of checkpoints")
    parser.add_argument("--progress", choices=FORMS, default=TEXT, help="json: one object a line, for programs")
    add_data_options(parser)
    _add_setting_options(parser)
    add_augmentation(parser)
    add_config(parser)


def _add_setting_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training", "defaults are those of TrainingSettings")
    absent = argparse.SUPPRESS
    for names, kind in ((WHOLE, int), (REAL, float)):
        for name, meaning in names:
            group.add_argument(_flag(name), type=kind, default=absent, metavar="N", help=meaning)
    for name, choices, meaning in CHOICES:
        group.add_argument(_flag(name), choices=choices, default=absent, help=meaning)
    for name, meaning in SWITCHES:
        group.add_argument(_flag(name), action="store_true", default=absent, help=meaning)
    for name, metavar, meaning in TEXTS:
        group.add_argument(_flag(name), default=absent, metavar=metavar, help=meaning)


def run(options: argparse.Namespace) -> Optional[Result]:
    """Train, export, say what was run and what came of it."""
    if options.progress == TEXT:
        return _run(options, TextProgress(options.out.quiet, options.out.json))
    if options.json:
        raise ConfigError("--progress json prints JSON already, --json another kind; leave one of them out")
    with json_progress() as progress:
        result = _run(options, progress)
    return replace(result, text="")


def _run(options: argparse.Namespace, progress: Union[TextProgress, JsonProgress]) -> Result:
    _check_files(options)
    from opendr_har_core.cli.network import TRAINED, chosen_network
    from opendr_har_core.training.fit import fit

    settings = _settings(options)
    blueprint, _ = chosen_network(options, _beginning(options, settings), TRAINED)
    augmentation = Augmentation(options, blueprint.config.image_size)
    run = {**_described(options, blueprint, settings), "augmentation": augmentation.described}
    progress.begins(run)
    train, val = _datasets(options, blueprint, augmentation)
    network, digest = _network(options, blueprint, train.labels, settings.seed)
    progress.found(train.report, None if val is None else val.report, run)
    report = fit(network, train, val, settings, progress.listener)
    return _finish(options, network, train.labels, settings, report, digest, progress, run)


def _check_files(options: argparse.Namespace) -> None:
    """What would otherwise be found out after hours of training."""
    require(options, "data", "output", example=f"example: opendr-har train {EXAMPLE}")
    output = Path(options.output)
    if output.suffix != ".onnx":
        raise ConfigError(f"--output is {output}, expected a file named *.onnx")
    for path in [output, *([Path(options.report)] if options.report else [])]:
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"{path} can't be written: make the folder {path.parent}, or choose another one")


def _settings(options: argparse.Namespace) -> TrainingSettings:
    from opendr_har_core.training.settings import TrainingSettings

    names = {field.name for field in fields(TrainingSettings)}
    values = {name: value for name, value in vars(options).items() if name in names}
    if "steps" in values:
        values.setdefault("epochs", None)
    if not values.get("checkpoint_folder"):
        output = Path(options.output)
        values["checkpoint_folder"] = str(output.with_name(f"{output.stem}_checkpoints"))
    bar = options.progress == TEXT and sys.stderr.isatty() and not options.quiet
    settings = TrainingSettings.from_dict({"progress_bar": bar, **values})
    return _resumed(settings, options.out) if options.resume else settings


def _resumed(settings: TrainingSettings, out: Output) -> TrainingSettings:
    """Where to go on; a run that was stopped before its first checkpoint, or a mistyped folder, begins anew aloud."""
    from opendr_har_core.training.checkpoint import LAST, last_step

    folder = str(settings.checkpoint_folder)
    step = last_step(folder)
    if step:
        out.note(f"going on from {Path(folder) / LAST}, step {step}")
    else:
        out.warn(
            f"--resume found no {LAST} in {folder}: training begins anew; give --checkpoint-folder if it is another"
        )
    return replace(settings, resume_step=step)


def _beginning(options: argparse.Namespace, settings: TrainingSettings) -> Optional[str]:
    """The file whose weights training goes on from, or starts from."""
    from opendr_har_core.training.checkpoint import path_of_step

    if settings.resume_step:
        return str(path_of_step(str(settings.checkpoint_folder), settings.resume_step))
    base: Optional[str] = options.base
    return base


def _datasets(options: argparse.Namespace, blueprint: Blueprint, augmentation: Augmentation) -> Tuple[Any, Any]:
    from opendr_har_core.datasets.clips import ClipSpec

    clip = ClipSpec.of(blueprint.config)
    given = LabelMap.read_csv(options.labels) if options.labels else None
    train = open_dataset(options.data, clip, given, options, train=True, transform=augmentation)
    augmentation.settle(train.labels)
    val = open_dataset(options.val, clip, train.labels, options, train=False) if options.val else None
    return train, val


def _network(
    options: argparse.Namespace, blueprint: Blueprint, labels: LabelMap, seed: int
) -> Tuple[X3D, Optional[str]]:
    """The network to train and the digest of the weights that it starts from."""
    import torch

    from opendr_har_core.networks.checkpoints import load_weights

    torch.manual_seed(seed)
    network = blueprint.build(len(labels))
    digest = load_weights(network, options.base, new_head=True, labels=labels) if options.base else None
    return network, digest


def _described(options: argparse.Namespace, blueprint: Blueprint, settings: TrainingSettings) -> Dict[str, Any]:
    given = {name: getattr(options, name) for name in ("data", "val", "base", "labels", "output", "cache")}
    return {**given, **blueprint.to_dict(), "settings": settings.to_dict()}


def _finish(
    options: argparse.Namespace,
    network: X3D,
    labels: LabelMap,
    settings: TrainingSettings,
    report: FitReport,
    digest: Optional[str],
    progress: Union[TextProgress, JsonProgress],
    run: Dict[str, Any],
) -> Result:
    from opendr_har_core.bundles.export import export_bundle
    from opendr_har_core.cli.network import described
    from opendr_har_core.storage.atomic import atomic_path
    from opendr_har_core.training.fit import is_first_process

    if not is_first_process():
        return Result()  # one writes for all
    progress.trained(report)
    counts: Dict[str, Any] = {
        "steps": report.steps,
        "best_accuracy": report.best_accuracy,
        "best_loss": report.best_loss,
    }
    if report.cancelled:
        advice = f"go on with --checkpoint-folder {settings.checkpoint_folder} --resume"
        values = {**counts, "checkpoints": list(report.checkpoints)}
        return Result("", values, INTERRUPTED, f"stopped after {report.steps} steps; {advice}")
    source = f"trained on {Path(options.data).name} for {report.steps} steps from {_origin(options, digest)}"
    path = export_bundle(network, options.output, labels, source=source)
    if options.report:
        content = {"run": run, "history": list(report.history)}
        with atomic_path(options.report) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    description = f"{described(network.spec)}, {len(labels)} classes, {path.stat().st_size / 1e6:.1f} MB"
    progress.wrote(path, description, report)
    spec = network.spec
    what = {"model": spec.name, "lookahead": spec.lookahead, "window": spec.window, "classes": len(labels)}
    values = {**file_values(path), **what, **counts}
    return Result(f"{path}: {description}\n", values)


def _origin(options: argparse.Namespace, digest: Optional[str]) -> str:
    return f"{Path(options.base).name} (sha256 {digest[:12]})" if digest else "random weights"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
