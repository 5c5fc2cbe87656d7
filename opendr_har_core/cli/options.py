"""Options that several subcommands share, and flags for the settings of a dataclass."""

from __future__ import annotations

import argparse
import json
import os
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Sequence, Tuple, Type, TypeVar, Union

from opendr_har_core.cli.output import Result, finite
from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.config import X3D_CONFIGS
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.settings import Setting, settings_of
from opendr_har_core.spec import CLIP, CONTINUAL, LOOKAHEADS, TRAINING_LOOKAHEAD, ModelSpec
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings
from opendr_har_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from opendr_har_core.datasets.base import ClipDataset
    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
    from opendr_har_core.networks.choice import NetworkChoice
    from opendr_har_core.networks.x3d import X3D
    from opendr_har_core.people.detector import PersonDetector
    from opendr_har_core.people.pipeline import PeoplePipeline
    from opendr_har_core.streaming.label_pipeline import LabelPipeline
    from opendr_har_core.streaming.recognizer import Recognizer

SIZES = tuple(X3D_CONFIGS)
WEIGHTS = "weight file, .pth, .pyth or .ckpt"
TABLE = ".csv"
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
    parser.set_defaults(run=run, extra=extra)
    parser.add_argument("--json", action="store_true", help="print JSON lines; the last line is the result")
    parser.add_argument("--quiet", action="store_true", help="print errors only, no progress and no notes")
    return parser


def add_settings(parser: Any, declaration: Any, title: str = "", names: Sequence[str] = (), **defaults: Any) -> None:
    """Add a flag for each setting of a dataclass, or for those in `names`, with the dataclass's own checks.

    The flags form a group if there is a `title`. `defaults` replace the declared ones.
    """
    group = parser.add_argument_group(title) if title else parser
    for item in settings_of(declaration):
        if names and item.name not in names:
            continue
        default = defaults.get(item.name, item.default)
        values: Dict[str, Any] = {"default": default, "help": flag_help(item, default)}
        if item.kind is bool:
            values.update({"action": "store_false" if item.default else "store_true", "dest": item.name})
        else:
            values.update({"type": _parser(item), **({"nargs": "+"} if item.many else {})})
            if item.choices:
                values["choices"] = item.choices
            elif item.kind is not str:
                values["metavar"] = (item.unit or "N").upper()
        group.add_argument(item.flag, **values)


def read_settings(options: argparse.Namespace, declaration: Type[Declared]) -> Declared:
    """The instance of the dataclass that the flags of `add_settings` give; raises ConfigError."""
    return declaration(**{item.name: getattr(options, item.name) for item in settings_of(declaration)})


def flag_help(item: Setting, default: Any) -> str:
    """The help of a flag: the setting's, with its range and default, in the style of argparse."""
    is_name = item.help[1].isupper() or item.help[1].isdigit()
    text = (item.help if is_name else item.help[0].lower() + item.help[1:]).rstrip(".")
    if item.default is True:
        text = f"turn this off: {text}"
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


def add_model(parser: argparse.ArgumentParser, default: Optional[str] = ModelSettings.model) -> None:
    """--model."""
    add_settings(parser, ModelSettings, names=("model",), model=default)


def add_runtime(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """--providers and --threads: what a bundle runs on."""
    add_settings(parser, ModelSettings, names=("providers", "threads"), **defaults)


def add_recognizer(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """How a stream is sampled and its labels are filtered: the parameters of the recognizer node."""
    group = parser.add_argument_group("sampling and labels, as the recognizer node's parameters")
    add_settings(group, ModelSettings, names=("spin",))
    add_settings(group, StreamSettings)
    add_settings(group, LabelSettings, **defaults)


def open_recognizer(options: argparse.Namespace) -> Recognizer:
    """The recognizer that the flags of `add_model`, `add_runtime` and `add_recognizer` give."""
    from opendr_har_core.streaming.recognizer import Recognizer

    return Recognizer.open(options.model, options.providers, options.threads, options.spin)


def open_pipeline(options: argparse.Namespace, recognizer: Optional[Recognizer] = None) -> LabelPipeline:
    """The labels of one camera, as the flags of `add_model`, `add_runtime` and `add_recognizer` say."""
    from opendr_har_core.streaming.label_pipeline import LabelPipeline

    labels, stream = read_settings(options, LabelSettings), read_settings(options, StreamSettings)
    recognizer = recognizer or open_recognizer(options)
    return LabelPipeline(recognizer.stream(top_k=1, **asdict(stream)), labels)


def add_people(parser: argparse.ArgumentParser) -> None:
    """--people, and how people are found and followed."""
    group = parser.add_argument_group("people")
    group.add_argument("--people", action="store_true", help="label each person instead of the whole picture")
    add_settings(group, PeopleSettings)


def open_detector(options: argparse.Namespace) -> PersonDetector:
    """The packaged detector, as the flags of `add_people` and `add_runtime` say."""
    from opendr_har_core.people.detector import NanoDet

    return NanoDet(options.detector_size, options.providers, options.threads)


def open_people(options: argparse.Namespace, recognizer: Optional[Recognizer] = None) -> PeoplePipeline:
    """The people of one camera, as the flags of `add_people` and those of `open_pipeline` say."""
    from opendr_har_core.people.pipeline import PeoplePipeline

    people, stream = read_settings(options, PeopleSettings), read_settings(options, StreamSettings)
    labels = read_settings(options, LabelSettings)
    recognizer = recognizer or open_recognizer(options)
    return PeoplePipeline(recognizer, open_detector(options), people, stream, labels)


def add_network(parser: argparse.ArgumentParser) -> None:
    """--network, --size, --window and --lookahead: the network that weights belong to."""
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


def chosen_network(
    options: argparse.Namespace, weights: Optional[str], lookahead: Optional[str] = None
) -> Tuple[NetworkChoice, Optional[NetworkFacts]]:
    """(network to build for the file `weights` by the flags of `add_network`, facts in the file or None).

    `lookahead` is the default. Raises ConfigError for flags that contradict the file or each other, CheckpointError for
    an unreadable file.
    """
    from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
    from opendr_har_core.networks.choice import NetworkChoice

    facts = NetworkFacts.read(weights) if weights else None
    choice = NetworkChoice(options.network, options.size, options.window, options.lookahead)
    return choice.settled(facts, NetworkChoice(CONTINUAL, "s", None, lookahead)), facts


def add_labels(parser: Any, default: str) -> None:
    """--labels."""
    parser.add_argument("--labels", metavar="CSV", help=f"class names, lines of id,name (default: {default})")


def given_labels(options: argparse.Namespace) -> Optional[LabelMap]:
    """The classes of --labels, or None."""
    from opendr_har_core.labels import LabelMap

    return LabelMap.read_csv(options.labels) if options.labels else None


def add_data(parser: argparse.ArgumentParser, labels: str = "see --data") -> None:
    """How labelled clips are read; `labels` describes the default of --labels."""
    parser.add_argument(
        "--data", required=True, metavar="PATH", help="folder with a folder of videos per class, or a CSV of segments"
    )
    add_labels(parser, labels)
    parser.add_argument("--topic", metavar="T", help="images in the bags of a CSV (default: the only ones there are)")
    parser.add_argument("--cache", metavar="FOLDER", help="folder that keeps decoded frames")
    parser.add_argument(
        "--frame-fps", type=float, default=30.0, metavar="HZ", help="rate of frame folders (default: 30)"
    )
    add_settings(parser, TrainingSettings, names=("num_workers", "device"))


def open_dataset(
    path: str, clip: ClipSpec, labels: Optional[LabelMap], options: argparse.Namespace, train: bool
) -> ClipDataset:
    """Open a folder with a folder of videos per class, or a CSV `path,start,end,label`; raises DataError."""
    from opendr_har_core.datasets.annotations import AnnotationDataset
    from opendr_har_core.datasets.folder import FolderDataset

    common: Any = {"train": train, "use_caching": options.cache is not None, "cache_folder": options.cache}
    if Path(path).suffix.lower() == TABLE:
        return AnnotationDataset(path, labels, clip, topic=options.topic, **common)
    return FolderDataset(path, clip, labels=labels, frame_fps=options.frame_fps, **common)


def add_bundles(parser: argparse.ArgumentParser, default: str = "") -> None:
    """The bundle to read, and --output for the one to write, with the `default` that its help describes."""
    parser.add_argument("bundle", help="path of an .onnx bundle, or the name of a packaged model")
    add_bundle_output(parser, default)


def add_bundle_output(parser: argparse.ArgumentParser, default: str = "") -> None:
    """--output, required if there is no `default`."""
    what = f"bundle to write, .onnx (default: {default})" if default else "bundle to write, .onnx"
    parser.add_argument("--output", required=not default, metavar="FILE", help=what)


def check_writable(*paths: Union[str, Path]) -> None:
    """Find out before hours of work whether its results can be written; raises ConfigError."""
    for path in map(Path, paths):
        if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"{path} can't be written: make the folder {path.parent}, or choose another file")


def write_json(path: Union[str, Path], values: Any) -> None:
    """Write the numbers of a --report, atomically."""
    from opendr_har_core.storage.atomic import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(finite(values), indent=1) + "\n", encoding="utf-8")


def file_values(path: Path) -> Dict[str, Any]:
    """The values of --json for a file that was written."""
    return {"output": str(path), "bytes": path.stat().st_size}


def export_result(network: X3D, output: str, labels: LabelMap, **origin: str) -> Result:
    """Write a network as a bundle; the result describes it."""
    from opendr_har_core.bundles.export import export_bundle

    path, spec = export_bundle(network, output, labels, **origin), network.spec
    values = {"model": spec.name, "lookahead": spec.lookahead, "window": spec.window, "classes": len(labels)}
    text = f"{path}: {described(spec)}, {len(labels)} classes, {path.stat().st_size / 1e6:.1f} MB\n"
    return Result(text, {**file_values(path), **values})


def described(spec: ModelSpec) -> str:
    """A network as text: "x3d_s", or "cox3d_s (lookahead none, window 13)"."""
    if not spec.is_continual:
        return spec.name
    return f"{spec.name} (lookahead {spec.lookahead}, window {spec.window})"
