"""As much of `launch` and `launch_ros` as our launch files use, for machines without ROS 2: it records what they start.

Substitutions are evaluated, nothing is started. The YAML forms are read by `launch_stand_in_yaml.py`.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace


def text_of(value, context):
    """A string, a substitution, or a list of these to concatenate."""
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
        self._package = package

    def perform(self, context):
        return str(context.shares[self._package])


class EnvironmentVariable:
    def __init__(self, name, default):
        self._name, self._default = name, default

    def perform(self, context):
        return context.environment.get(self._name, self._default)


class PythonExpression:
    def __init__(self, expression):
        self._expression = expression

    def perform(self, context):
        return str(eval(text_of(self._expression, context), {}, {}))


class ParameterValue:
    def __init__(self, value, *, value_type):
        self._value, self._type = value, value_type

    def evaluate(self, context):
        if isinstance(self._value, list) and all(isinstance(item, str) for item in self._value):
            return self._value  # of a type List[str]
        text = text_of(self._value, context)
        return {"true": True, "false": False}[text.lower()] if self._type is bool else self._type(text)


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None):
        self.name, self._default, self.description = name, default_value, description

    def visit(self, context):
        context.declared.setdefault(self.name, self.description)
        if self.name not in context.launch_configurations:
            if self._default is None:
                raise RuntimeError(f"argument {self.name} is needed")
            context.launch_configurations[self.name] = text_of(self._default, context)


class SetEnvironmentVariable:
    def __init__(self, name, value, *, condition=None):
        self._name, self._value, self._condition = name, value, condition

    def visit(self, context):
        if self._condition is None or text_of(self._condition, context).lower() == "true":
            context.environment[text_of(self._name, context)] = text_of(self._value, context)


class OpaqueFunction:
    def __init__(self, *, function):
        self._function = function

    def visit(self, context):
        for action in self._function(context) or ():
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
    def __init__(self, source, *, launch_arguments=()):
        self._source, self._arguments = source, launch_arguments

    def visit(self, context):
        for name, value in self._arguments:
            context.launch_configurations[name] = text_of(value, context)
        context.include(text_of(self._source, context))


class Node:
    def __init__(
        self,
        *,
        package,
        executable,
        name,
        namespace,
        parameters,
        remappings,
        output,
        arguments=(),
        respawn=False,
        respawn_delay=None,
    ):
        self._fields = {"package": package, "executable": executable, "name": name}
        self._respawn = respawn_delay if respawn else None
        self._namespace, self._parameters, self._remappings = namespace, parameters, remappings
        self._arguments = arguments

    def visit(self, context):
        node = {key: text_of(value, context) for key, value in self._fields.items()}
        node["namespace"] = "/" + text_of(self._namespace, context).strip("/")
        node["files"] = [text_of(item, context) for item in self._parameters if not isinstance(item, dict)]
        given = [item for item in self._parameters if isinstance(item, dict)]
        node["given"] = {
            text_of(name, context): value.evaluate(context) for item in given for name, value in item.items()
        }
        node["remaps"] = {text_of(a, context): text_of(b, context) for a, b in self._remappings}
        node["arguments"] = [text_of(item, context) for item in self._arguments]
        node["environment"] = dict(context.environment)
        node["respawn_after_sec"] = self._respawn
        context.nodes.append(node)


class LaunchDescription:
    def __init__(self, actions):
        self.actions = actions


def _module(name, **members):
    module = ModuleType(name)
    vars(module).update(members)
    return module


MODULES = {
    "launch": _module("launch", LaunchDescription=LaunchDescription),
    "launch.actions": _module(
        "launch.actions",
        DeclareLaunchArgument=DeclareLaunchArgument,
        GroupAction=GroupAction,
        IncludeLaunchDescription=IncludeLaunchDescription,
        OpaqueFunction=OpaqueFunction,
        SetEnvironmentVariable=SetEnvironmentVariable,
    ),
    "launch.substitutions": _module(
        "launch.substitutions", LaunchConfiguration=LaunchConfiguration, PathJoinSubstitution=PathJoinSubstitution
    ),
    "launch_ros": _module("launch_ros"),
    "launch_ros.actions": _module("launch_ros.actions", Node=Node),
    "launch_ros.parameter_descriptions": _module("launch_ros.parameter_descriptions", ParameterValue=ParameterValue),
    "launch_ros.substitutions": _module("launch_ros.substitutions", FindPackageShare=FindPackageShare),
}


class Context:
    """What a launch file was given, and what it would have started."""

    def __init__(self, share, arguments):
        self.shares, self.launch_configurations = {"opendr_har_ros": share}, dict(arguments)
        self.declared, self.environment, self.nodes = {}, dict(os.environ), []

    def include(self, path):
        actions = self._actions_of_yaml(path) if path.endswith(".yaml") else self._actions_of_python(path)
        for action in actions:
            action.visit(self)

    def _actions_of_python(self, path):
        previous = {name: sys.modules.get(name) for name in MODULES}
        sys.modules.update(MODULES)
        try:
            return runpy.run_path(path)["generate_launch_description"]().actions
        finally:
            for name, module in previous.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module

    def _actions_of_yaml(self, path):
        file = Path(__file__).with_name("launch_stand_in_yaml.py")
        spec = importlib.util.spec_from_file_location("launch_stand_in_yaml", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.actions_of(path, SimpleNamespace(**globals()))
