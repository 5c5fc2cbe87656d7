"""--config: options of a subcommand in a YAML file."""

from __future__ import annotations

import argparse
import reprlib
from typing import Any, Dict, List

from opendr_har_core.cli.options import add_file
from opendr_har_core.errors import ConfigError
from opendr_har_core.storage.reading import read_text

LARGEST_CONFIG = 32 << 10


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config."""
    what = "file with any of these options; flags take precedence"
    add_file(parser, "--config", suffixes=("yaml", "yml"), metavar="YAML", help=what)


def with_config(top: argparse.ArgumentParser, arguments: List[str]) -> argparse.Namespace:
    """Parse the command line, with the options of its --config file in front of those given; raises ConfigError."""
    options = top.parse_args(arguments)
    path = getattr(options, "config", None)
    if not path:
        return options
    actions = {action.dest: action for action in options.parser._actions if action.dest not in ("help", "config")}
    words: List[str] = []
    arguments_by_name: Dict[str, str] = {}
    for name, value in _read(path).items():
        if name not in actions:
            raise ConfigError(f"{path} has the option {name!r}, expected one of {sorted(actions)}")
        if actions[name].option_strings:
            words += _words(path, actions[name], value)
        elif getattr(options, name) is None:
            arguments_by_name[name] = str(value)
    merged = top.parse_args([options.job, *words, *arguments[arguments.index(options.job) + 1 :]])
    vars(merged).update(arguments_by_name)
    return merged


def _words(path: str, action: argparse.Action, value: Any) -> List[str]:
    """An entry of the file as words of the command line."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, (dict, list)) for item in items):
        raise ConfigError(f"{path}: {action.dest} is {reprlib.repr(value)}, expected a value or a flat list")
    if value is None:
        return []
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ConfigError(f"{path}: {action.dest} is {reprlib.repr(value)}, expected true or false")
        return [action.option_strings[0]] if value else []
    if action.nargs is None and len(items) == 1:
        return [f"{action.option_strings[0]}={items[0]}"]
    return [action.option_strings[0], *map(str, items)]


def _read(path: str) -> Dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError(f"--config needs PyYAML ({error}); pip install 'opendr_har_ros[train]'") from None
    try:
        text = read_text(path, LARGEST_CONFIG)
        # libyaml refuses deep nesting at once, over which the Python scanner takes seconds.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        # Aliases can expand to more than fits into memory.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=loader)):
            raise ConfigError(f"{path} has YAML aliases (*name); write the values out")
        values = yaml.safe_load(text)
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"can't read the configuration {path}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is a {type(values).__name__}, expected lines such as 'epochs: 10'")
    return {str(name).replace("-", "_"): value for name, value in values.items()}
