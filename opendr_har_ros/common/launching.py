"""Building blocks of the launch files: arguments from parameter declarations, and the node that takes them."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Sequence, Tuple

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from opendr_har_ros.common.parameters import Parameters
from opendr_har_ros.common.process import large_image_profile

PACKAGE = "opendr_har_ros"
RESPAWN_DELAY_SEC = 2.0
SIM_TIME = "use_sim_time"


def image_argument() -> DeclareLaunchArgument:
    """The argument that `image_remappings` uses."""
    description = "Image topic; the compressed one is IMAGE/compressed"
    return DeclareLaunchArgument("image", default_value="image_raw", description=description)


def node_arguments(executable: str, parameters: Parameters, names: Sequence[str]) -> List[Any]:
    """Arguments of one node, and the environment variables that let large images through.

    Each parameter in `names` has an argument of its name; if it is empty, the parameter file's value stays.
    """
    params_file = PathJoinSubstitution([FindPackageShare(PACKAGE), "config", f"{executable}.yaml"])
    return [
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
        DeclareLaunchArgument("params_file", default_value=params_file, description="Parameter file"),
        *(
            DeclareLaunchArgument(item.name, default_value="", description=f"{item.help} Empty: as in params_file.")
            for item in parameters.settings
            if item.name in names
        ),
        DeclareLaunchArgument(SIM_TIME, default_value="", description="true or false. Empty: as in params_file."),
        DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
        *(SetEnvironmentVariable(*item) for item in large_image_profile(os.environ).items()),
    ]


def given_parameters(context: Any, parameters: Parameters, names: Sequence[str]) -> Dict[str, Any]:
    """The parameters whose arguments are not empty."""
    kinds = {item.name: item.kind for item in parameters.settings if item.name in names}
    kinds[SIM_TIME] = bool
    return {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in kinds.items()
        if LaunchConfiguration(name).perform(context)
    }


def node(
    executable: str,
    given: Dict[str, Any],
    remappings: Sequence[Tuple[Any, Any]],
    namespace: Any = None,
    respawn: bool = True,
) -> Node:
    """The node with its parameter file and the parameters in `given`; with `respawn` it restarts after any exit."""
    return Node(
        package=PACKAGE,
        executable=executable,
        name=executable,
        namespace=LaunchConfiguration("namespace") if namespace is None else namespace,
        parameters=[LaunchConfiguration("params_file"), *([given] if given else [])],
        remappings=remappings,
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=respawn,
        respawn_delay=RESPAWN_DELAY_SEC,
    )


def image_remappings(prefix: str = "") -> List[Tuple[Any, Any]]:
    """From image_raw and image_raw/compressed, below `prefix`, to the argument `image`."""
    image = LaunchConfiguration("image")
    return [(f"{prefix}image_raw", image), (f"{prefix}image_raw/compressed", [image, "/compressed"])]
