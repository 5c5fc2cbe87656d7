"""--config: a YAML file with a job's options."""

from __future__ import annotations

import argparse
import reprlib
from typing import Any, Dict, List, Sequence

from opendr_har_core.cli.options import add_file
from opendr_har_core.errors import ConfigError
from opendr_har_core.storage.reading import read_text

LARGEST_CONFIG, DEEPEST = 32 << 10, 20
# What the top parser and `add_job` put beside a job's own options.
OURS = ("job", "run", "out", "defaults", "actions")


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config, and its rule: flags go before the file, the file before defaults. Call it after all other options."""
    add_file(
        parser,
        "--config",
        suffixes=("yaml", "yml"),
        metavar="YAML",
        help="file with any of these options; flags go first",
    )
    # Defaults apply after the file, so that a flag that was given can be told from one that was not.
    actions = [action for action in parser._actions if action.dest != "help"]
    parser.set_defaults(defaults={action.dest: action.default for action in actions}, actions=actions)
    for action in actions:
        action.default = argparse.SUPPRESS


def with_config(options: argparse.Namespace, unchecked: Sequence[str] = ()) -> argparse.Namespace:
    """The flags, the file's values for those that were not given, and the defaults of the rest.

    Values of the file are of the kinds that the flags are, but for the `unchecked`. Raises ConfigError.
    """
    given = dict(vars(options))
    defaults, actions = given.pop("defaults"), given.pop("actions")
    values = _read(given["config"]) if "config" in given else {}
    strays = sorted(set(values) - set(defaults) | set(values) & {"config"})
    if strays:
        raise ConfigError(f"{given['config']} has the options {strays}, expected some of {sorted(defaults)}")
    for action in actions:
        if action.dest in values and action.dest not in unchecked:
            values[action.dest] = _checked(action, values[action.dest])
    used = {name: value for name, value in defaults.items() if value is not argparse.SUPPRESS}
    return argparse.Namespace(**{**used, **values, **given})


def require(options: argparse.Namespace, *names: str, example: str) -> None:
    """Raise ConfigError where one of these is given neither by flag nor by file."""
    for name in names:
        if not getattr(options, name, None):
            raise ConfigError(f"--{name} is missing; {example}")


def _read(path: str) -> Dict[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]

        text = read_text(path, LARGEST_CONFIG)
        _check_shape(path, yaml, text)
        values = yaml.safe_load(text)
    except ImportError as error:
        raise ConfigError(f"--config needs PyYAML ({error}); pip install 'opendr_har_ros[train]'") from None
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"can't read the configuration {path}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}, expected lines such as 'epochs: 10'")
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def _check_shape(path: str, yaml: Any, text: str) -> None:
    """Raise ConfigError for what stands for more than any memory holds, or nests deeper than a reader can follow."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise ConfigError(f"{path} has aliases (*name) in it; write the values out")
        name = type(token).__name__
        depth += name.endswith("StartToken") - name.endswith("EndToken")
        if depth > DEEPEST:
            raise ConfigError(f"{path} nests more than {DEEPEST} deep; expected lines such as 'epochs: 10'")


def _checked(action: argparse.Action, value: Any) -> Any:
    """A value as the flag would give it."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ConfigError(f"{action.dest} is {reprlib.repr(value)}, expected True or False")
        return value
    if isinstance(action.nargs, int) or action.nargs == "+":
        several: List[Any] = value if isinstance(value, list) else [value]
        if isinstance(action.nargs, int) and len(several) != action.nargs:
            raise ConfigError(f"{action.dest} is {reprlib.repr(value)}, expected a list of {action.nargs}")
        return [_checked_one(action, item) for item in several]
    return value if value is None else _checked_one(action, value)


def _checked_one(action: argparse.Action, value: Any) -> Any:
    name, kind = action.dest, action.type
    if action.choices is not None and value not in action.choices:
        raise ConfigError(f"{name} is {reprlib.repr(value)}, expected one of {list(action.choices)}")
    if kind is int and (isinstance(value, bool) or not isinstance(value, int)):
        raise ConfigError(f"{name} is {reprlib.repr(value)}, expected a whole number")
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{name} is {reprlib.repr(value)}, expected a number")
        return float(value)
    if kind is None and not isinstance(value, str):
        raise ConfigError(f"{name} is {reprlib.repr(value)}, expected text")
    return value
