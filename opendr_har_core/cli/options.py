"""The options that jobs share: the same name for the same thing everywhere.

Choices are written out here, as most of the modules that know them load NumPy or more, and a shell that completes a
word waits for the parser. `test_cli_vocabulary.py` holds them to be the same.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple

from opendr_har_core.cli.completion import DEFAULT, bundles, completed, files, folders
from opendr_har_core.errors import ConfigError
from opendr_har_core.spec import CLIP, CONTINUAL, LOOKAHEADS, TRAINING_LOOKAHEAD

if TYPE_CHECKING:
    from opendr_har_core.streaming.postprocess import FilterSettings

SIZES = ("xs", "s", "m", "l")
SAMPLINGS = ("stamps", "every_frame", "dense")
WARM_STARTS = ("none", "repeat")
DEVICES = ("cpu", "cuda")
VIDEOS = ("mp4", "avi", "mkv", "webm", "mov", "m4v", "mpg", "mpeg")
WEIGHTS = ("pth", "pyth", "ckpt")
EXAMPLES = "examples:\n"


class Formatter(argparse.HelpFormatter):
    """Wraps descriptions, and leaves examples as they are written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(EXAMPLES):
            return textwrap.indent(text, indent)
        return super()._fill_text(text, width, indent)


def add_job(
    jobs: Any, name: str, *, help: str, description: str, examples: Sequence[str], run: Any
) -> argparse.ArgumentParser:
    """A job's parser, with --json and --quiet, and with examples below its help."""
    epilog = EXAMPLES + "".join(f"  opendr-har {name} {example}".rstrip() + "\n" for example in examples)
    parser: argparse.ArgumentParser = jobs.add_parser(
        name, help=help, description=description, epilog=epilog, formatter_class=Formatter
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print JSON, an object a line, the result last")
    parser.add_argument("--quiet", action="store_true", help="no progress and no notes, errors only")
    return parser


def add_model(
    parser: argparse.ArgumentParser,
    default: Optional[str] = DEFAULT,
    help: str = "bundle, .onnx, or a packaged model: continual, default, kinetics400 (default: default)",
) -> None:
    """--model."""
    completed(parser.add_argument("--model", default=default, metavar="MODEL", help=help), bundles)


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """--device, or --providers, and --threads: what a bundle runs on."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--device", choices=DEVICES, help="where the model runs (default: cpu)")
    where.add_argument("--providers", nargs="+", metavar="NAME", help="or providers of ONNX Runtime, best first")
    parser.add_argument("--threads", type=int, metavar="N", help="within one evaluation (default: fits the machine)")


def providers(options: argparse.Namespace) -> Optional[Tuple[str, ...]]:
    """What `add_runtime`'s options ask for; None for the default."""
    if options.providers:
        return tuple(options.providers)
    return None if options.device in (None, "cpu") else (options.device, "cpu")


def add_network(parser: argparse.ArgumentParser) -> None:
    """--network, --size, --window and --lookahead: which network to make of weights; see `cli.network`."""
    group = parser.add_argument_group("network", "defaults: what a checkpoint of training says, else these")
    group.add_argument("--network", choices=(CLIP, CONTINUAL), help="clips or stream (default: cox3d)")
    group.add_argument("--size", choices=SIZES, help="which X3D (default: s)")
    group.add_argument("--window", type=int, metavar="N", help="steps that cox3d averages over (default: a clip's)")
    group.add_argument(
        "--lookahead",
        choices=LOOKAHEADS,
        help="of cox3d: full waits for later frames, so that labels are late; none is about the newest frame "
        f"(default: {TRAINING_LOOKAHEAD} for what is trained and for xs, else full)",
    )


def add_labels(parser: argparse.ArgumentParser, default: str) -> None:
    """--labels."""
    labels = parser.add_argument("--labels", metavar="CSV", help=f"class names, id,name (default: {default})")
    completed(labels, files("csv"))


def add_file(parser: Any, *names: str, suffixes: Sequence[str] = (), **values: Any) -> argparse.Action:
    """An option or argument that is a file with one of these suffixes."""
    return completed(parser.add_argument(*names, **values), files(*suffixes))


def add_folder(parser: Any, *names: str, **values: Any) -> argparse.Action:
    """An option or argument that is a folder."""
    return completed(parser.add_argument(*names, **values), folders)


def add_recognizer(parser: argparse.ArgumentParser, top_k: int, *aliases: str) -> None:
    """How a stream is sampled and its labels are calmed down; the names and defaults of the node's parameters."""
    options = parser.add_argument_group("as the recognizer's parameters")
    options.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default=SAMPLINGS[0],
        help="frames to look at: those at the training rate, all for one history, or all for several (default: stamps)",
    )
    options.add_argument(
        "--warm-start",
        choices=WARM_STARTS,
        default=WARM_STARTS[0],
        help="'repeat' gives provisional labels from the first frame on, as if it had stood still (default: none)",
    )
    options.add_argument(
        "--min-frames",
        type=int,
        metavar="N",
        help="a model without lookahead labels from so many sampled frames on, provisionally until its window is full",
    )
    options.add_argument("--max-gap-sec", type=float, default=2.0, metavar="S", help="default: 2")
    options.add_argument("--top-k", *aliases, type=int, default=top_k, metavar="K", help=f"default: {top_k}")
    options.add_argument("--threshold", type=float, default=0.0, metavar="P", help="default: 0")
    options.add_argument("--hysteresis", type=float, default=0.0, metavar="P", help="default: 0")
    options.add_argument("--no-activity-label", default="no activity", metavar="L", help="default: no activity")
    options.add_argument("--smoothing", type=float, default=0.0, metavar="S", help="default: 0")
    options.add_argument("--min-duration-sec", type=float, default=0.0, metavar="S", help="default: 0")


def stream_settings(options: argparse.Namespace) -> Dict[str, Any]:
    """What `add_recognizer`'s options say of the stream, as arguments of `Recognizer.stream`."""
    values = {name: getattr(options, name) for name in ("sampling", "max_gap_sec", "warm_start", "min_frames")}
    return {name: value for name, value in values.items() if value is not None}


def filter_settings(options: argparse.Namespace) -> FilterSettings:
    """What `add_recognizer`'s options say of the labels; raises ConfigError."""
    from opendr_har_core.streaming.postprocess import FilterSettings

    return FilterSettings(
        top_k=options.top_k,
        smoothing_sec=options.smoothing,
        threshold=options.threshold,
        hysteresis=options.hysteresis,
        no_activity_label=options.no_activity_label,
        min_duration_sec=options.min_duration_sec,
    )


def file_values(path: Path) -> Any:
    """What --json says of a file that was written."""
    return {"output": str(path), "bytes": path.stat().st_size}


def add_bundle_output(parser: argparse.ArgumentParser, name: str, default: str = "") -> None:
    """The bundle to write: as the second argument, or as --output."""
    add_file(parser, name, suffixes=("onnx",), nargs="?", metavar="OUTPUT", help=f"file to write, .onnx {default}")
    add_file(parser, "--output", suffixes=("onnx",), metavar="FILE", help="the same, by name")


def bundle_output(options: argparse.Namespace, name: str, example: str = "") -> Optional[str]:
    """What `add_bundle_output`'s options say; raises ConfigError for both, or for none where an `example` is given."""
    positional: Optional[str] = getattr(options, name)
    if positional and options.output:
        raise ConfigError(f"two files to write are given, {positional} and --output {options.output}; leave one out")
    target = positional or options.output
    if not target and example:
        raise ConfigError(f"the file to write is missing; example: {example}")
    return target
