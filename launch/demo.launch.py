"""A video and the recognizer that labels it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

PACKAGE = "opendr_har_ros"


def generate_launch_description():
    """The two other launch files, side by side."""
    folder = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch"])
    arguments = [
        DeclareLaunchArgument("video", description="Video file, folder of images, or the number of a webcam"),
        DeclareLaunchArgument("model", default_value="default", description="Model bundle (.onnx)"),
        DeclareLaunchArgument("loop", default_value="0", description="How often to play; 0: for ever"),
    ]
    video = IncludeLaunchDescription(
        PathJoinSubstitution([folder, "video_publisher.launch.py"]),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in ("video", "loop")],
    )
    recognizer = IncludeLaunchDescription(
        PathJoinSubstitution([folder, "recognizer.launch.py"]),
        launch_arguments=[("model", LaunchConfiguration("model"))],
    )
    return LaunchDescription([*arguments, video, recognizer])
