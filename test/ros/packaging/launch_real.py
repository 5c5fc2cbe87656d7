"""The real `launch` and `launch_ros`, visited but not started: records as `launch_stand_in.Context` does."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import launch
import yaml
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.substitutions import LocalSubstitution
from launch_ros.actions import Node


class Context:
    """What a launch file was given, and what it would have started. The package is found by AMENT_PREFIX_PATH."""

    def __init__(self, _share, arguments):
        self._context = launch.LaunchContext()
        self._arguments = [*arguments.items()]
        self.declared, self.nodes = {}, []

    def include(self, path):
        source = AnyLaunchDescriptionSource(path)
        self.visit(IncludeLaunchDescription(source, launch_arguments=self._arguments))

    def visit(self, entity):
        """An action or a description, and all that comes of it."""
        if isinstance(entity, Node):
            entity._perform_substitutions(self._context)
            self.nodes.append(self._record(entity))
            return
        if isinstance(entity, DeclareLaunchArgument):
            self.declared.setdefault(entity.name, entity.description)
        for part in entity.visit(self._context) or ():
            self.visit(part)

    def _record(self, node):
        files, given = [], {}
        full_name = f"{node.expanded_node_namespace.rstrip('/')}/{node._Node__expanded_node_name}"
        for path, is_file in node._Node__expanded_parameter_arguments:
            assert is_file
            if not Path(path).name.startswith("launch_params_"):
                files.append(path)
                continue
            ((section, content),) = yaml.safe_load(Path(path).read_text()).items()
            assert section in {full_name, "/**"}
            given.update(content["ros__parameters"])
        return {
            "package": self._text(node._Node__package),
            "executable": self._text(node._Node__node_executable),
            "name": node._Node__expanded_node_name,
            "namespace": "/" + node.expanded_node_namespace.strip("/"),
            "files": files,
            "given": given,
            "remaps": dict(node.expanded_remapping_rules or ()),
            "arguments": self._arguments_of(node),
            "respawn_after_sec": self._respawn_of(node),
            "environment": dict(getattr(self._context, "environment", os.environ)),
        }

    def _respawn_of(self, node):
        """How long launch waits before it starts the node again, in seconds; None where it does not."""
        fields = {name.rpartition("__")[2]: value for name, value in vars(node).items()}
        again = fields["respawn"]
        again = again if isinstance(again, bool) else self._text(again).lower() == "true"
        return fields["respawn_delay"] if again else None

    def _arguments_of(self, node):
        """Ours: before those that launch_ros adds, which begin with another --ros-args."""
        ours = itertools.takewhile(lambda part: not isinstance(part[0], LocalSubstitution), node.cmd[1:])
        words = [self._text(part) for part in ours]
        return words[: len(words) - 1 - words[::-1].index("--ros-args")]

    def _text(self, value):
        if isinstance(value, str):
            return value
        parts = value if isinstance(value, (list, tuple)) else [value]
        return "".join(part if isinstance(part, str) else part.perform(self._context) for part in parts)
