"""Building blocks of the launch files: every parameter of a node is a launch argument."""

from __future__ import annotations

import difflib
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, SetEnvironmentVariable
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch.logging import get_logger
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from opendr_har_core.errors import ConfigError
from opendr_har_core.settings import Setting
from opendr_har_ros.common.parameters import Parameters, default_of, description
from opendr_har_ros.common.process import large_image_profile

PACKAGE = "opendr_har_ros"
RESPAWN_DELAY_SEC = 2.0
# Exit codes of a node that would end the same way again: it has done its work, or its configuration is invalid.
FINAL_EXIT_CODES = (0, 2)
# What PushRosNamespace sets.
INTERNAL = ("ros_namespace",)
IMAGE = Setting("image", str, "", "Image topic instead of image_raw; the compressed one is IMAGE/compressed.")
SIM_TIME = Setting("use_sim_time", bool, False, "Take the time from /clock, as with a simulator or a played bag.")
COMMON = (
    Setting("namespace", str, "", "Namespace of the node."),
    Setting("params_file", str, "", "Parameter file; arguments override its values."),
    Setting("log_level", str, "info", "Log level.", choices=("debug", "info", "warn", "error", "fatal")),
)


def node_description(
    parameters: Parameters, start: Callable[[Dict[str, Any]], List[Any]], *further: Setting
) -> LaunchDescription:
    """The launch description of a node whose arguments are its parameters, those of `COMMON` and `further`.

    `start` returns the actions for the arguments that have a value; parameters have none unless they are given.
    """
    own, node_parameters = (*further, *COMMON), (*parameters.settings, SIM_TIME)
    return LaunchDescription(
        [
            *(_argument(item, item.default, "") for item in own),
            *(_argument(item, "", f" Default: {default_of(item)!r}.") for item in node_parameters),
            *(SetEnvironmentVariable(*item) for item in large_image_profile(os.environ).items()),
            OpaqueFunction(function=partial(_start, (*own, *node_parameters), start)),
        ]
    )


def node(
    executable: str,
    parameters: Parameters,
    given: Dict[str, Any],
    remappings: Sequence[Tuple[str, str]] = (),
    kind: Callable[..., Any] = Node,
    respawn: bool = True,
) -> Any:
    """The node with its parameter file and the parameters in `given`; with `respawn` it restarts after a crash."""
    names = [item.name for item in (*parameters.settings, SIM_TIME) if item.name in given]
    values = {name: _typed(given[name]) for name in names}
    return kind(
        package=PACKAGE,
        executable=executable,
        name=executable,
        namespace=given.get("namespace", ""),
        parameters=[*filter(None, [given.get("params_file"), values])],
        remappings=[*remappings],
        arguments=["--ros-args", "--log-level", given["log_level"]],
        output="screen",
        respawn=respawn,
        respawn_delay=RESPAWN_DELAY_SEC,
        on_exit=_stay_down,
    )


def image_remappings(image: str, camera: str = "") -> List[Tuple[str, str]]:
    """From the camera's image_raw to `image`, if that is not empty; compressed images follow it."""
    return [(f"{camera}/image_raw" if camera else "image_raw", image)] if image else []


def camera_remappings(cameras: Sequence[str], topics: Dict[str, str]) -> List[Tuple[str, str]]:
    """Remappings of each camera's topics, such as {"~/{}label": "/labels/{camera}"}; "" stands for no remapping.

    Raises ConfigError if several cameras would have one topic.
    """
    remappings = [
        (own.format(f"{camera}/" if camera else ""), topic.replace("{camera}", camera))
        for camera in cameras
        for own, topic in topics.items()
        if topic
    ]
    targets = [new for _, new in remappings]
    if len(set(targets)) < len(targets):
        raise ConfigError(f"cameras are {cameras}, expected topics that contain {{camera}} for several of them")
    return remappings


def _argument(item: Setting, default: str, ending: str) -> DeclareLaunchArgument:
    choices = ["true", "false", "True", "False"] if item.kind is bool else [*item.choices]
    if choices and not default:
        choices.insert(0, "")
    help = description(item) + ending
    return DeclareLaunchArgument(item.name, default_value=default, description=help, choices=choices or None)


def _start(settings: Sequence[Setting], start: Callable[[Dict[str, Any]], List[Any]], context: Any) -> List[Any]:
    _warn_about_unknown(context, [item.name for item in settings])
    texts = context.launch_configurations
    return start({item.name: _parsed(item, texts[item.name]) for item in settings if texts[item.name]})


def _parsed(item: Setting, text: str) -> Any:
    """The value of an argument; raises ConfigError. Lists may be written front,rear or [front, rear]."""
    if item.many:
        return [item.parse(part.strip(" '\"")) for part in text.strip("[] ").split(",")]
    return text.lower() == "true" if item.kind is bool else item.parse(text)


def _typed(value: Any) -> ParameterValue:
    """As a parameter of the value's own type: launch would read the text '0' as a number."""
    return ParameterValue(value, value_type=List[str] if isinstance(value, list) else type(value))


def _warn_about_unknown(context: Any, known: Sequence[str]) -> None:
    """Warn about arguments that nothing takes.

    A launch file that includes ours may have further arguments; then only those that resemble ours are reported.
    """
    file = Path(getattr(context.locals, "current_launch_file_path", "")).name
    is_on_command_line = file in [Path(argument).name for argument in sys.argv]
    given = {argument.split(":=")[0] for argument in sys.argv} if is_on_command_line else set()
    for name in sorted({*context.launch_configurations} - {*known, *INTERNAL}):
        similar = difflib.get_close_matches(name, known, 1, 0.8)
        if similar or name in given:
            hint = f"did you mean {similar[0]!r}?" if similar else "--show-args lists the arguments"
            get_logger(PACKAGE).warning(f"launch argument {name!r} is unknown and ignored; {hint}")


def _stay_down(event: Any, _context: Any) -> Any:
    """Do not respawn a process that would end the same way again."""
    if event.returncode not in FINAL_EXIT_CODES:
        return None
    return EmitEvent(event=ShutdownProcess(process_matcher=matches_action(event.action)))
