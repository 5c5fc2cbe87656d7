"""As much of launch_yaml as our launch files use, on the classes of `launch_stand_in.py`."""

from __future__ import annotations

from pathlib import Path

import yaml

TYPES = {"str": str, "bool": bool, "int": int, "float": float}


def actions_of(path, launch):
    """The actions of a YAML launch file; `launch` is the stand-in's module."""
    (root,) = yaml.safe_load(Path(path).read_text()).items()
    return _Reader(launch).actions(*root)


class _Reader:
    def __init__(self, launch):
        self._launch = launch

    def actions(self, name, entities):
        assert name == "launch"
        return [getattr(self, f"_{kind}")(value) for entity in entities for kind, value in entity.items()]

    def _arg(self, entity):
        default = self._text(entity["default"]) if "default" in entity else None
        return self._launch.DeclareLaunchArgument(
            entity["name"], default_value=default, description=entity["description"]
        )

    def _set_env(self, entity):
        name, value, condition = (self._text(entity[key]) for key in ("name", "value", "if"))
        return self._launch.SetEnvironmentVariable(name, value, condition=condition)

    def _group(self, entities):
        return self._launch.GroupAction(self.actions("launch", entities))

    def _include(self, entity):
        arguments = [(item["name"], self._text(item["value"])) for item in entity["arg"]]
        return self._launch.IncludeLaunchDescription(self._text(entity["file"]), launch_arguments=arguments)

    def _node(self, entity):
        return self._launch.Node(
            package=entity["pkg"],
            executable=entity["exec"],
            name=entity["name"],
            namespace=self._text(entity["namespace"]),
            parameters=[self._parameter(item) for item in entity["param"]],
            remappings=[(self._text(item["from"]), self._text(item["to"])) for item in entity.get("remap", ())],
            output=entity["output"],
            arguments=[self._text(item) for item in _words(entity["args"])],
            respawn={"true": True, "false": False}[entity.get("respawn", "false")],
            respawn_delay=entity.get("respawn_delay"),
        )

    def _parameter(self, item):
        if "from" in item:
            return self._text(item["from"])
        value = self._launch.ParameterValue(self._text(item["value"]), value_type=TYPES[item["type"]])
        return {tuple(self._text(item["name"])): value}

    def _text(self, text):
        """A list of strings and substitutions."""
        before, opening, rest = text.partition("$(")
        if not opening:
            return [text]
        end = _closing(rest)
        return [before, self._substitution(rest[:end]), *self._text(rest[end + 1 :])]

    def _substitution(self, inside):
        kind, _, argument = inside.partition(" ")
        if kind == "var":
            return self._launch.LaunchConfiguration(argument)
        if kind == "find-pkg-share":
            return self._launch.FindPackageShare(argument)
        if kind == "env":
            return self._launch.EnvironmentVariable(*argument.split())
        assert (kind, argument[0], argument[-1]) == ("eval", '"', '"')
        return self._launch.PythonExpression(self._text(argument[1:-1]))


def _closing(text):
    """Index of the bracket that closes the one before `text`."""
    depth = 1
    for index, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return index
    raise ValueError(f"a bracket is open in {text!r}")


def _words(text):
    """Split at blanks outside of brackets."""
    words, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == " " and depth == 0:
            words.append("")
        else:
            words[-1] += character
    return words
