"""As much of `launch` and `launch_ros` as our launch files use: it records what they would start.

No package index has them. Substitutions are evaluated, nothing is started.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from types import ModuleType


def text_of(value, context):
    """The text of a string, a substitution, or a list of these."""
    if isinstance(value, (list, tuple)):
        return "".join(text_of(part, context) for part in value)
    return value if isinstance(value, str) else value.perform(context)


class LaunchConfiguration:
    def __init__(self, name):
        self._name = name

    def perform(self, context):
        return context.launch_configurations[self._name]


class PathJoinSubstitution:
    def __init__(self, parts):
        self._parts = parts

    def perform(self, context):
        return str(Path(*(text_of(part, context) for part in self._parts)))


class FindPackageShare:
    def __init__(self, package):
        assert package == "opendr_har_ros"

    def perform(self, context):
        return str(context.share)


class ParameterValue:
    def __init__(self, value, *, value_type):
        self._value, self._type = value, value_type

    def evaluate(self, context):
        if isinstance(self._value, list):
            return self._value
        text = text_of(self._value, context)
        return {"true": True, "false": False}[text.lower()] if self._type is bool else self._type(text)


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None):
        self._name, self._default, self._description = name, default_value, description

    def visit(self, context):
        context.declared.setdefault(self._name, self._description)
        if self._name not in context.launch_configurations:
            assert self._default is not None, f"argument {self._name} is required"
            context.launch_configurations[self._name] = text_of(self._default, context)


class SetEnvironmentVariable:
    def __init__(self, name, value):
        self._name, self._value = name, value

    def visit(self, context):
        context.environment[self._name] = self._value


class OpaqueFunction:
    def __init__(self, *, function):
        self._function = function

    def visit(self, context):
        for action in self._function(context):
            action.visit(context)


class GroupAction:
    def __init__(self, actions):
        self._actions = actions

    def visit(self, context):
        outside = dict(context.launch_configurations)
        for action in self._actions:
            action.visit(context)
        context.launch_configurations = outside


class IncludeLaunchDescription:
    def __init__(self, source, *, launch_arguments):
        self._source, self._arguments = source, launch_arguments

    def visit(self, context):
        for name, value in self._arguments:
            context.launch_configurations[name] = text_of(value, context)
        context.include(text_of(self._source, context))


class Node:
    def __init__(
        self, *, package, executable, name, namespace, parameters, remappings, output, arguments, respawn, respawn_delay
    ):
        assert package == "opendr_har_ros" and output == "screen" and executable == name
        self.executable, self.respawn_after_sec = executable, respawn_delay if respawn else None
        self._namespace, self._arguments, self._remappings = namespace, arguments, remappings
        self._file, *self._given = parameters

    def visit(self, context):
        self.namespace = "/" + text_of(self._namespace, context).strip("/")
        self.file = Path(text_of(self._file, context))
        self.given = {name: value.evaluate(context) for given in self._given for name, value in given.items()}
        self.remappings = {text_of(old, context): text_of(new, context) for old, new in self._remappings}
        self.arguments = [text_of(item, context) for item in self._arguments]
        self.environment = dict(context.environment)
        context.nodes.append(self)


class LaunchDescription:
    def __init__(self, actions):
        self.actions = actions


class Context:
    """What a launch file was given, and the nodes that it would start."""

    def __init__(self, share, arguments):
        self.share, self.launch_configurations = share, dict(arguments)
        self.declared, self.environment, self.nodes = {}, dict(os.environ), []

    def include(self, path):
        with stub_modules():
            actions = runpy.run_path(path)["generate_launch_description"]().actions
            for action in actions:
                action.visit(self)


class stub_modules:  # noqa: N801
    """Puts this module in the place of `launch` and `launch_ros` meanwhile."""

    NAMES = (
        *("launch", "launch.actions", "launch.substitutions", "launch_ros", "launch_ros.actions"),
        *("launch_ros.parameter_descriptions", "launch_ros.substitutions", "opendr_har_ros.common.launching"),
    )

    def __enter__(self):
        self._before = {name: sys.modules.pop(name, None) for name in self.NAMES}
        for name in self.NAMES[:-1]:
            sys.modules[name] = ModuleType(name)
            vars(sys.modules[name]).update({key: value for key, value in globals().items() if not key.startswith("_")})

    def __exit__(self, *_):
        for name, module in self._before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
