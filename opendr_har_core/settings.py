"""Settings declared once, as dataclass fields with a default, a help text, a unit and the allowed values.

Command-line flags, ROS parameters, YAML keys and the tables of the documentation are made from these declarations.
"""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any, List, Optional, Tuple, get_type_hints

from opendr_har_core.errors import ConfigError

_KEY = "setting"
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Setting:
    """One setting of a dataclass.

    Attributes:
        name: the field, the YAML key and the ROS parameter; the flag is "--" and the name with dashes.
        kind: bool, int, float or str; with `many`, the type of the items of a tuple.
        default, help, unit: the help is one or two sentences; the unit is "" for a plain number.
        choices: all allowed values, if there is such a list.
        least, most, above, below: inclusive and exclusive bounds of a number.
        optional: whether None is allowed.
    """

    name: str
    kind: type
    default: Any
    help: str
    unit: str = ""
    choices: Tuple[Any, ...] = ()
    least: Optional[float] = None
    most: Optional[float] = None
    above: Optional[float] = None
    below: Optional[float] = None
    many: bool = False
    optional: bool = False

    @property
    def flag(self) -> str:
        """Its command-line flag; one that is on by default is turned off by its flag."""
        return f"--{'no-' if self.default is True else ''}{self.name.replace('_', '-')}"

    @property
    def range(self) -> str:
        """The allowed numbers, such as "0 to 1", "1 or more", "above 0", or "" for all."""
        low = f"{self.least:g}" if self.least is not None else f"above {self.above:g}" if self.above is not None else ""
        high = f"to {self.most:g}" if self.most is not None else f"to below {self.below:g}" if self.below else ""
        return f"{low} {high}".strip() if high else f"{low} or more" if self.least is not None else low

    @property
    def expected(self) -> str:
        """What a value has to be, for error messages."""
        if self.choices:
            text = f"one of {list(self.choices)}"
        else:
            text = ", ".join(part for part in (_KINDS[self.kind], f"{self.range} {self.unit}".strip()) if part)
        return ("a list, each item " if self.many else "") + text + (", or None" if self.optional else "")

    def checked(self, value: Any) -> Any:
        """`value` in the declared type, a list as a tuple and an int as a float; raises ConfigError."""
        if value is None and self.optional:
            return None
        if not self.many:
            return self._checked_item(value)
        if not isinstance(value, (list, tuple)):
            raise self._error(value)
        return tuple(self._checked_item(item) for item in value)

    def parse(self, text: str) -> Any:
        """The value, or with `many` one item, that the text of a flag gives; raises ConfigError."""
        try:
            return self._checked_item(self.kind(text))
        except ValueError:
            raise self._error(text) from None

    def _checked_item(self, value: Any) -> Any:
        if self.kind in (int, float):
            is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
            is_wrong = not is_number or self.kind(value) != value or not self._in_range(value)
        else:
            is_wrong = not isinstance(value, self.kind)
        if is_wrong or (self.choices and value not in self.choices):
            raise self._error(value)
        return self.kind(value)

    def _in_range(self, value: Any) -> bool:
        is_low = (self.least is not None and value < self.least) or (self.above is not None and value <= self.above)
        is_high = (self.most is not None and value > self.most) or (self.below is not None and value >= self.below)
        return not (is_low or is_high)

    def _error(self, value: Any) -> ConfigError:
        return ConfigError(f"{self.name} is {reprlib.repr(value)}, expected {self.expected}")


def setting(default: Any, help: str, **details: Any) -> Any:
    """A dataclass field that is a setting; `details` are unit, choices, least, most, above and below of `Setting`."""
    return field(default=default, metadata={_KEY: Setting("", str, default, help, **details)})


def settings_of(declaration: Any) -> List[Setting]:
    """The settings of a dataclass or of an instance of one, in order; fields made without `setting` are left out."""
    types = get_type_hints(declaration if isinstance(declaration, type) else type(declaration))
    found = []
    for item in (item for item in fields(declaration) if _KEY in item.metadata):
        hint = types[item.name]
        inner = getattr(hint, "__args__", ())  # of Optional[int] or Tuple[str, ...]
        kind = next((part for part in inner if part in _KINDS), hint)
        many = getattr(hint, "__origin__", None) is tuple
        found.append(replace(item.metadata[_KEY], name=item.name, kind=kind, many=many, optional=type(None) in inner))
    return found


def check(instance: Any) -> None:
    """Check all settings of a dataclass instance, and store them in their declared types; raises ConfigError.

    Call it from `__post_init__`. It works on frozen dataclasses, too.
    """
    for item in settings_of(instance):
        object.__setattr__(instance, item.name, item.checked(getattr(instance, item.name)))
