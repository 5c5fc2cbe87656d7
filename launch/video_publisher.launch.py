"""Plays a video as a camera topic."""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from opendr_har_ros.process import large_image_profile

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
    profile = [SetEnvironmentVariable(*item) for item in large_image_profile(os.environ).items()]
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
    return LaunchDescription([*arguments, *profile, node])
