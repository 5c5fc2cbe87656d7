"""Options that several subcommands share, and flags for the settings of a dataclass."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence, Tuple, Type, TypeVar

from opendr_har_core.cli.completion import bundles, completed, files
from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.config import X3D_CONFIGS
from opendr_har_core.settings import Setting, settings_of
from opendr_har_core.spec import CLIP, CONTINUAL, LOOKAHEADS, TRAINING_LOOKAHEAD
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings

if TYPE_CHECKING:
    from opendr_har_core.streaming.label_pipeline import LabelPipeline
    from opendr_har_core.streaming.recognizer import Recognizer

SIZES = tuple(X3D_CONFIGS)
DEVICES = ("cpu", "cuda")
# As `datasets.video_file.SUFFIXES`, which loads NumPy.
VIDEOS = ("mp4", "avi", "mkv", "webm", "mov", "m4v", "mpg", "mpeg")
WEIGHTS = ("pth", "pyth", "ckpt")
EXAMPLES = "examples:\n"
Declared = TypeVar("Declared")


class Formatter(argparse.HelpFormatter):
    """Wraps descriptions and keeps the lines of examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(EXAMPLES):
            return textwrap.indent(text, indent)
        return super()._fill_text(text, width, indent)


def add_job(
    jobs: Any, name: str, *, help: str, description: str, examples: Sequence[str], run: Any, extra: str = ""
) -> argparse.ArgumentParser:
    """The parser of a subcommand, with --json and --quiet, and examples below its help.

    `extra` names what `run` needs beyond inference, as in `pip install opendr_har_ros[extra]`.
    """
    epilog = EXAMPLES + "".join(f"  opendr-har {name} {example}".rstrip() + "\n" for example in examples)
    parser: argparse.ArgumentParser = jobs.add_parser(
        name, help=help, description=description, epilog=epilog, formatter_class=Formatter
    )
    parser.set_defaults(run=run, parser=parser, extra=extra)
    parser.add_argument("--json", action="store_true", help="print JSON lines; the last line is the result")
    parser.add_argument("--quiet", action="store_true", help="print errors only, no progress and no notes")
    return parser


def add_settings(
    parser: Any, declaration: Any, title: str = "", names: Sequence[str] = (), **defaults: Any
) -> Dict[str, argparse.Action]:
    """Add a flag for each setting of a dataclass, or for those in `names`, with the dataclass's own checks.

    The flags form a group if there is a `title`. `defaults` replace the declared ones. Returns the flags by name.
    """
    group = parser.add_argument_group(title) if title else parser
    actions = {}
    for item in settings_of(declaration):
        if names and item.name not in names:
            continue
        default = defaults.get(item.name, item.default)
        values: Dict[str, Any] = {"default": default, "help": flag_help(item, default)}
        if item.kind is bool:
            values["action"] = "store_true"
        else:
            values.update({"type": _parser(item), **({"nargs": "+"} if item.many else {})})
            if item.choices:
                values["choices"] = item.choices
            elif item.kind is not str:
                values["metavar"] = (item.unit or "N").upper()
        actions[item.name] = group.add_argument(flag(item.name), **values)
    return actions


def read_settings(options: argparse.Namespace, declaration: Type[Declared]) -> Declared:
    """The instance of the dataclass that the flags of `add_settings` give; raises ConfigError."""
    return declaration(**{item.name: getattr(options, item.name) for item in settings_of(declaration)})


def flag(name: str) -> str:
    """The flag of a setting."""
    return "--" + name.replace("_", "-")


def flag_help(item: Setting, default: Any) -> str:
    """The help of a flag: the setting's, with its range and default, in the style of argparse."""
    is_name = item.help[1].isupper() or item.help[1].isdigit()
    text = (item.help if is_name else item.help[0].lower() + item.help[1:]).rstrip(".")
    facts = [f"{item.range} {item.unit}".rstrip()] if item.range else []
    if item.kind is not bool and default not in (None, ""):
        facts.append(f"default: {' '.join(default) if item.many else default}")
    return (f"{text} ({'; '.join(facts)})" if facts else text).replace("%", "%%")


def _parser(item: Setting) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return item.parse(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def add_recognizer(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """How a stream is sampled and its labels are filtered: the parameters of the recognizer node."""
    group = parser.add_argument_group("sampling and labels, as the recognizer node's parameters")
    add_settings(group, ModelSettings, names=("spin",))
    add_settings(group, StreamSettings)
    add_settings(group, LabelSettings, **defaults)


def add_model(parser: argparse.ArgumentParser, default: Optional[str] = ModelSettings.model) -> None:
    """--model."""
    completed(add_settings(parser, ModelSettings, names=("model",), model=default)["model"], bundles)


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """--device or --providers, and --threads: what a bundle runs on."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--device", choices=DEVICES, help="short for --providers: cpu, or cuda cpu")
    add_settings(where, ModelSettings, names=("providers",))
    add_settings(parser, ModelSettings, names=("threads",))


def providers(options: argparse.Namespace) -> Tuple[str, ...]:
    """The execution providers that the flags of `add_runtime` give."""
    if options.device == "cuda":
        return ("cuda", "cpu")
    return tuple(options.providers)


def open_recognizer(options: argparse.Namespace) -> Recognizer:
    """The recognizer that the flags of `add_model`, `add_runtime` and `add_recognizer` give."""
    from opendr_har_core.streaming.recognizer import Recognizer

    return Recognizer.open(options.model, providers(options), options.threads, options.spin)


def open_pipeline(options: argparse.Namespace) -> LabelPipeline:
    """The labels of one camera, as the flags of `add_model`, `add_runtime` and `add_recognizer` say."""
    from opendr_har_core.streaming.label_pipeline import LabelPipeline

    labels, stream = read_settings(options, LabelSettings), read_settings(options, StreamSettings)
    return LabelPipeline(open_recognizer(options).stream(top_k=1, **asdict(stream)), labels)


def add_network(parser: argparse.ArgumentParser) -> None:
    """--network, --size, --window and --lookahead: the network that weights belong to; see `cli.network`."""
    group = parser.add_argument_group(
        "network", "A training checkpoint contains these; the defaults below are for other weights."
    )
    group.add_argument(
        "--network", choices=(CLIP, CONTINUAL), help="x3d classifies clips, cox3d streams (default: cox3d)"
    )
    group.add_argument("--size", choices=SIZES, help="size of the network (default: s)")
    group.add_argument("--window", type=int, metavar="N", help="steps that cox3d averages over (default: a clip)")
    group.add_argument(
        "--lookahead",
        choices=LOOKAHEADS,
        help="full: cox3d waits for later frames, so labels are late; none: labels are about the newest frame "
        f"(default: {TRAINING_LOOKAHEAD} for training and for size xs, full otherwise)",
    )


def add_labels(parser: argparse.ArgumentParser, default: str) -> None:
    """--labels."""
    labels = parser.add_argument("--labels", metavar="CSV", help=f"class names, lines of id,name (default: {default})")
    completed(labels, files("csv"))


def add_file(parser: Any, *names: str, suffixes: Sequence[str] = (), **values: Any) -> argparse.Action:
    """An option or argument that is a file with one of these suffixes."""
    return completed(parser.add_argument(*names, **values), files(*suffixes))


def add_folder(parser: Any, *names: str, **values: Any) -> argparse.Action:
    """An option or argument that is a folder."""
    return completed(parser.add_argument(*names, **values), files())


def require(options: argparse.Namespace, *names: str, example: str) -> None:
    """Raise ConfigError if one of these options is given neither as a flag nor in the --config file."""
    for name in names:
        if not getattr(options, name, None):
            raise ConfigError(f"{flag(name)} is missing; {example}")


def file_values(path: Path) -> Dict[str, Any]:
    """The values of --json for a file that was written."""
    return {"output": str(path), "bytes": path.stat().st_size}


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """The bundle to read, as the first argument."""
    completed(parser.add_argument("bundle", help="path of an .onnx bundle, or the name of a packaged model"), bundles)


def add_bundle_output(parser: argparse.ArgumentParser, name: str, default: str = "") -> None:
    """The bundle to write, as the second argument or as --output."""
    add_file(parser, name, suffixes=("onnx",), nargs="?", metavar="OUTPUT", help=f"file to write, .onnx {default}")
    add_file(parser, "--output", suffixes=("onnx",), metavar="FILE", help="the same, as an option")


def bundle_output(options: argparse.Namespace, name: str, example: str = "") -> Optional[str]:
    """The file that `add_bundle_output` gives; raises ConfigError for two, and for none if there is an `example`."""
    positional: Optional[str] = getattr(options, name)
    if positional and options.output:
        raise ConfigError(f"two output files are given, {positional} and --output {options.output}; leave one out")
    target = positional or options.output
    if not target and example:
        raise ConfigError(f"the output file is missing; example: {example}")
    return target
