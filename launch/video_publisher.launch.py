"""Plays a video as a camera topic."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PACKAGE = "opendr_har_ros"


def generate_launch_description():
    """Arguments, the profile that lets large images through, and the node."""
    config = PathJoinSubstitution([FindPackageShare(PACKAGE), "config"])
    arguments = [
        DeclareLaunchArgument("video", description="Video file, folder of images, or the number of a webcam"),
        DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node"),
        DeclareLaunchArgument("image", default_value="image_raw", description="Image topic to publish"),
        DeclareLaunchArgument("loop", default_value="1", description="How often to play; 0: for ever"),
    ]
    profile = PathJoinSubstitution([config, "fastdds_large_images.xml"])
    use_profile = SetEnvironmentVariable(
        "FASTDDS_DEFAULT_PROFILES_FILE", EnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", default_value=profile)
    )
    node = Node(
        package=PACKAGE,
        executable="video_publisher",
        name="video_publisher",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            PathJoinSubstitution([config, "video_publisher.yaml"]),
            {
                "video": ParameterValue(LaunchConfiguration("video"), value_type=str),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=int),
            },
        ],
        remappings=[("image_raw", LaunchConfiguration("image"))],
        output="screen",
    )
    return LaunchDescription([*arguments, use_profile, node])
