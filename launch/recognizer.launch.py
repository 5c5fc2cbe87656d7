"""Starts the recognizer on a camera topic."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PACKAGE = "opendr_har_ros"


def generate_launch_description():
    """Arguments, the profile that lets large images through, and the node."""
    config = PathJoinSubstitution([FindPackageShare(PACKAGE), "config"])
    arguments = [
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
        DeclareLaunchArgument("image", default_value="image_raw", description="Image topic to subscribe to"),
        DeclareLaunchArgument("model", default_value="default", description="Model bundle (.onnx)"),
        DeclareLaunchArgument(
            "params_file",
            default_value=PathJoinSubstitution([config, "recognizer.yaml"]),
            description="Parameter file",
        ),
        DeclareLaunchArgument("autostart", default_value="true", description="Whether the node activates itself"),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="Whether to follow /clock"),
        # OpenDR's node published to /opendr/human_activity_recognition; give that name to keep its subscribers.
        DeclareLaunchArgument("hypothesis", default_value="~/hypothesis", description="Topic of the best label"),
        DeclareLaunchArgument("label", default_value="~/label", description="Topic of the label as a string"),
    ]
    profile = PathJoinSubstitution([config, "fastdds_large_images.xml"])
    use_profile = SetEnvironmentVariable(
        "FASTDDS_DEFAULT_PROFILES_FILE", EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=profile)
    )
    node = Node(
        package=PACKAGE,
        executable="recognizer",
        name="recognizer",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            LaunchConfiguration("params_file"),
            {name: LaunchConfiguration(name) for name in ("model", "autostart", "use_sim_time")},
        ],
        remappings=[
            ("image_raw", LaunchConfiguration("image")),
            ("~/hypothesis", LaunchConfiguration("hypothesis")),
            ("~/label", LaunchConfiguration("label")),
        ],
        output="screen",
    )
    return LaunchDescription([*arguments, use_profile, node])
