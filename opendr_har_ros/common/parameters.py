"""Node parameters declared by settings dataclasses, with descriptions and ranges, and read as checked instances."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Tuple

from ament_index_python.packages import get_package_share_directory
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import Setting, settings_of

PACKAGE_URL = "package://"
QOS_OVERRIDES = "qos_overrides."
MOST = {int: 2**63 - 1, float: 1.7976931348623157e308}


@dataclass(frozen=True)
class Parameters:
    """The parameters of a node.

    Attributes:
        declarations: settings dataclasses (see `opendr_har_core.settings`); each setting is a parameter.
        live: names of those that take effect at once on a running node; others need a new configuration.
        read_only: names of those that can only be set when the node starts.
    """

    declarations: Tuple[type, ...]
    live: FrozenSet[str] = frozenset()
    read_only: FrozenSet[str] = frozenset()

    @property
    def settings(self) -> List[Setting]:
        """All settings, in the order of the declarations."""
        return [item for declaration in self.declarations for item in settings_of(declaration)]

    def declare(self, node: Any) -> None:
        """Declare all parameters, and warn of values that none of them takes.

        Raises ConfigError for a value of a wrong type or out of range.
        """
        given = node._parameter_overrides  # rclpy has no public name for the values from files and command lines
        for item in self.settings:
            if item.name in given and _is_empty(item, given[item.name].value):
                del given[item.name]
            try:
                node.declare_parameter(item.name, default_of(item), self.descriptor(item))
                value = node.get_parameter(item.name).value
            except Exception as error:  # rclpy has an exception type for each reason
                raise ConfigError(f"parameter {item.name}: {error} ({item.help})") from None
            _checked(item, value)
        for name in sorted(given):
            if not node.has_parameter(name) and not name.startswith(QOS_OVERRIDES):
                node.get_logger().warning(f"ignored: {_unknown(name, [item.name for item in self.settings])}")

    def values(self, node: Any) -> Dict[str, Any]:
        """The current values by name."""
        return {item.name: node.get_parameter(item.name).value for item in self.settings}

    def instances(self, values: Dict[str, Any]) -> Tuple[Any, ...]:
        """An instance of each declaration; raises ConfigError for an invalid value."""
        checked = {item.name: _checked(item, values[item.name]) for item in self.settings}
        return tuple(
            declaration(**{item.name: checked[item.name] for item in settings_of(declaration)})
            for declaration in self.declarations
        )

    def descriptor(self, item: Setting) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(description=description(item), read_only=item.name in self.read_only)
        if item.choices:
            descriptor.additional_constraints = f"one of: {', '.join(item.choices)}"
        low = item.least if item.least is not None else item.above
        if item.kind not in MOST or low is None:
            return descriptor
        high = item.most if item.most is not None else item.below if item.below is not None else MOST[item.kind]
        if item.kind is int:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
        else:
            bounds = FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
            descriptor.floating_point_range = [bounds]
        return descriptor


def local_path(text: str) -> str:
    """The path that `package://PACKAGE/PATH` or `~/PATH` means; any other text as it is. Raises ConfigError."""
    if not text.startswith(PACKAGE_URL):
        return os.path.expanduser(text)  # noqa: PTH111 - Path would change addresses such as rtsp://
    package, _, path = text[len(PACKAGE_URL) :].partition("/")
    try:
        return str(Path(get_package_share_directory(package)) / path)
    except (LookupError, OSError, ValueError) as error:
        raise ConfigError(f"{text} can't be resolved: {error}; build and source the package") from None


def default_of(item: Setting) -> Any:
    """The default as a ROS parameter: a list instead of a tuple, [''] instead of an empty one, which has no type."""
    return list(item.default or ("",)) if item.many else item.default


def description(item: Setting) -> str:
    """The setting's help and unit."""
    return f"{item.help} Unit: {item.unit}." if item.unit else item.help


def _is_empty(item: Setting, value: Any) -> bool:
    """Whether a value is an empty list, which has no type in ROS (rclpy: None or bytes) and means the default."""
    return item.many and (value is None or len(value) == 0)


def _unknown(name: str, known: List[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"there is no parameter {name}" + (f"; did you mean {near[0]}?" if near else "")


def _checked(item: Setting, value: Any) -> Any:
    is_default = item.many and (value == default_of(item) or _is_empty(item, value))
    try:
        return item.checked(item.default if is_default else value)
    except ConfigError as error:
        raise ConfigError(f"parameter {error}") from None
