"""Node parameters as a table: declared with description and range, read as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from opendr_har_core.errors import ConfigError


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Attributes:
        name, default: as in a parameter file; the default's type is the parameter's.
        description: what it does, with its unit.
        choices: the allowed strings, where there are few.
        bounds: the lowest and highest allowed number.
        live: whether it takes effect at once on a running node; others need a new configuration.
        read_only: whether it can only be set when the node starts.
    """

    name: str
    default: Any
    description: str
    choices: Tuple[str, ...] = ()
    bounds: Optional[Tuple[float, float]] = None
    live: bool = False
    read_only: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(description=self.description, read_only=self.read_only)
        if self.choices:
            descriptor.additional_constraints = f"one of: {', '.join(self.choices)}"
        if self.bounds and isinstance(self.default, int):
            low, high = int(self.bounds[0]), int(self.bounds[1])
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        elif self.bounds:
            low, high = float(self.bounds[0]), float(self.bounds[1])
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
        return descriptor

    def check(self, value: Any) -> None:
        """Raise ConfigError unless `value` has the default's type, and is one of the choices, if there are any.

        A whole number does for a real one. rclpy looks at types itself since Galactic.
        """
        expected = type(self.default)
        fits = isinstance(value, expected) or (expected is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and expected is not bool):
            raise ConfigError(f"parameter {self.name} is {value!r}, expected {expected.__name__} ({self.description})")
        if self.choices and value not in self.choices:
            raise ConfigError(f"parameter {self.name} is {value!r}, expected one of {list(self.choices)}")


def declare(node: Any, table: Sequence[Parameter]) -> None:
    """Declare all parameters; raises ConfigError for a value of a wrong type or out of range in a parameter file."""
    for parameter in table:
        try:
            node.declare_parameter(parameter.name, parameter.default, parameter.descriptor())
        except Exception as error:  # rclpy has a type of its own for each reason
            raise ConfigError(f"parameter {parameter.name}: {error} ({parameter.description})") from None
        parameter.check(node.get_parameter(parameter.name).value)


def read(node: Any, table: Sequence[Parameter]) -> Dict[str, Any]:
    """The present values of all parameters."""
    return {parameter.name: node.get_parameter(parameter.name).value for parameter in table}


def check_values(table: Sequence[Parameter], values: Dict[str, Any]) -> None:
    """Raise ConfigError for the first value of a wrong type, or that is not among its parameter's choices."""
    for parameter in table:
        parameter.check(values[parameter.name])


def names_fixed_while_configured(table: Sequence[Parameter]) -> Tuple[str, ...]:
    """Parameters that only a new configuration takes up."""
    return tuple(parameter.name for parameter in table if not parameter.live)
