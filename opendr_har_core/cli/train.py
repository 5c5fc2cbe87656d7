"""`opendr-har train`: clips of one's own actions into a bundle that robots run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from opendr_har_core.cli.datasets import add_data_options, open_dataset
from opendr_har_core.cli.export import SIZES
from opendr_har_core.cli.train_progress import FORMS, JSON, TEXT, JsonProgress, TextProgress, json_progress
from opendr_har_core.errors import ConfigError, HarError
from opendr_har_core.labels import LabelMap
from opendr_har_core.spec import CLIP, CONTINUAL

if TYPE_CHECKING:
    from opendr_har_core.networks.x3d import X3D
    from opendr_har_core.training.fit import FitReport
    from opendr_har_core.training.settings import TrainingSettings

EXAMPLE = "example: opendr-har train --data clips/train --val clips/val --base x3d_s.pyth --size s --output mine.onnx"
NEEDS = "training needs more than inference"

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
    parser = jobs.add_parser(
        "train",
        help="train a network on clips of your own",
        description="Train X3D or CoX3D, from pretrained weights or from none, and write a bundle.",
        epilog=EXAMPLE,
    )
    parser.add_argument("--config", metavar="YAML", help="file with any of these options; flags go before it")
    parser.add_argument("--data", metavar="PATH", help="folder with a folder of videos per class, or a CSV")
    parser.add_argument("--val", metavar="PATH", help="the same, of videos to validate with")
    parser.add_argument("--base", metavar="FILE", help="pretrained weights, .pth or .pyth (default: random ones)")
    parser.add_argument("--network", choices=(CLIP, CONTINUAL), default=CONTINUAL, help="default: cox3d")
    parser.add_argument("--size", choices=SIZES, default="s", help="default: s")
    parser.add_argument("--window", type=int, metavar="N", help="steps that cox3d averages over")
    parser.add_argument("--output", metavar="FILE", help="bundle to write, .onnx")
    parser.add_argument("--report", metavar="FILE", help="JSON to write with what was run and what came of it")
    parser.add_argument("--resume", action="store_true", help="go on from last.ckpt in the folder of checkpoints")
    parser.add_argument("--progress", choices=FORMS, default=TEXT, help="json: one object a line, for programs")
    add_data_options(parser)
    _add_setting_options(parser)
    # Defaults apply after the file of --config, so that a flag that was given can be told from one that was not.
    defaults = {action.dest: action.default for action in parser._actions if action.dest != "help"}
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    parser.set_defaults(run=run, defaults=defaults)


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


def run(options: argparse.Namespace) -> None:
    """Train, export, say what was run and what came of it."""
    options = _with_config(options)
    if options.progress == JSON:
        with json_progress() as progress:
            _run(options, progress)
    else:
        _run(options, TextProgress())


def _run(options: argparse.Namespace, progress: Union[TextProgress, JsonProgress]) -> None:
    _check_files(options)
    try:
        from opendr_har_core.training.fit import fit
    except ImportError as error:
        raise ConfigError(f"{NEEDS} ({error}); pip install 'opendr_har_ros[train]'") from None
    settings = _settings(options)
    described = _described(options, settings)
    progress.begins(described)
    train, val = _datasets(options)
    network, digest = _network(options, train.labels, settings.seed)
    progress.found(train.report, None if val is None else val.report, described)
    report = fit(network, train, val, settings, progress.listener)
    _finish(options, network, train.labels, settings, report, digest, progress)


def _check_files(options: argparse.Namespace) -> None:
    """What would otherwise be found out after hours of training."""
    for name in ("data", "output"):
        if not getattr(options, name):
            raise ConfigError(f"--{name} is missing; {EXAMPLE}")
    output = Path(options.output)
    if output.suffix != ".onnx":
        raise ConfigError(f"--output is {output}, expected a file named *.onnx")
    for path in [output, *([Path(options.report)] if options.report else [])]:
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"{path} can't be written: make the folder {path.parent}, or choose another one")


def _with_config(options: argparse.Namespace) -> argparse.Namespace:
    """The flags, the file's values for those that were not given, and the defaults of the rest."""
    given = vars(options)
    defaults = given.pop("defaults")
    values = _read_config(given["config"]) if "config" in given else {}
    strays = sorted(set(values) - set(defaults) | set(values) & {"config"})
    if strays:
        raise ConfigError(f"{given['config']} has the options {strays}, expected some of {sorted(defaults)}")
    used = {name: value for name, value in defaults.items() if value is not argparse.SUPPRESS}
    merged = argparse.Namespace(**{**used, **values, **given})
    for name, allowed in (("network", (CLIP, CONTINUAL)), ("progress", FORMS)):
        if getattr(merged, name) not in allowed:
            raise ConfigError(f"{name} is {getattr(merged, name)!r}, expected one of {list(allowed)}")
    return merged


def _read_config(path: str) -> Dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]

        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except ImportError as error:
        raise ConfigError(f"--config needs PyYAML ({error}); pip install 'opendr_har_ros[train]'") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"can't read the configuration {path}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}, expected lines such as 'epochs: 10'")
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def _settings(options: argparse.Namespace) -> TrainingSettings:
    from opendr_har_core.training.checkpoint import last_step
    from opendr_har_core.training.settings import TrainingSettings

    names = {field.name for field in fields(TrainingSettings)}
    values = {name: value for name, value in vars(options).items() if name in names}
    if "steps" in values:
        values.setdefault("epochs", None)
    if not values.get("checkpoint_folder"):
        output = Path(options.output)
        values["checkpoint_folder"] = str(output.with_name(f"{output.stem}_checkpoints"))
    bar = options.progress == TEXT and sys.stderr.isatty()
    settings = TrainingSettings.from_dict({"progress_bar": bar, **values})
    return replace(settings, resume_step=last_step(str(settings.checkpoint_folder))) if options.resume else settings


def _datasets(options: argparse.Namespace) -> Tuple[Any, Any]:
    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.networks.config import x3d_config

    clip = ClipSpec.of(x3d_config(options.size))
    given = LabelMap.read_csv(options.labels) if options.labels else None
    train = open_dataset(options.data, clip, given, options, train=True)
    val = open_dataset(options.val, clip, train.labels, options, train=False) if options.val else None
    return train, val


def _network(options: argparse.Namespace, labels: LabelMap, seed: int) -> Tuple[X3D, Optional[str]]:
    """The network to train and the digest of the weights that it starts from."""
    import torch

    from opendr_har_core.networks.checkpoints import load_weights
    from opendr_har_core.networks.config import x3d_config
    from opendr_har_core.networks.cox3d import CoX3D
    from opendr_har_core.networks.x3d import X3D

    torch.manual_seed(seed)
    config = x3d_config(options.size)
    if options.network == CONTINUAL:
        network: X3D = CoX3D(config, len(labels), options.window)
    elif options.window is not None:
        raise ConfigError(f"--window is {options.window}, but only cox3d has a window; leave it out for x3d")
    else:
        network = X3D(config, len(labels))
    digest = load_weights(network, options.base, new_head=True) if options.base else None
    return network, digest


def _described(options: argparse.Namespace, settings: TrainingSettings) -> Dict[str, Any]:
    names = ("data", "val", "base", "network", "size", "window", "labels", "output", "cache")
    return {**{name: getattr(options, name) for name in names}, "settings": settings.to_dict()}


def _finish(
    options: argparse.Namespace,
    network: X3D,
    labels: LabelMap,
    settings: TrainingSettings,
    report: FitReport,
    digest: Optional[str],
    progress: Union[TextProgress, JsonProgress],
) -> None:
    from opendr_har_core.export import export_bundle
    from opendr_har_core.files import atomic_path
    from opendr_har_core.training.fit import is_first_process

    if not is_first_process():
        return  # one writes for all
    progress.trained(report)
    if report.cancelled:
        advice = f"go on with --checkpoint-folder {settings.checkpoint_folder} --resume"
        raise HarError(f"stopped after {report.steps} steps; {advice}")
    source = f"trained on {Path(options.data).name} for {report.steps} steps from {_origin(options, digest)}"
    path = export_bundle(network, options.output, labels, source=source)
    if options.report:
        content = {"run": _described(options, settings), "history": list(report.history)}
        with atomic_path(options.report) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    progress.wrote(path, f"{network.spec.name}, {len(labels)} classes, {size}", report)


def _origin(options: argparse.Namespace, digest: Optional[str]) -> str:
    return f"{Path(options.base).name} (sha256 {digest[:12]})" if digest else "random weights"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
