"""Play a video as a camera topic."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from opendr_har_ros.common.launching import given_parameters, image_argument, image_remappings, node, node_arguments
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER

NAMES = ("loop", "rate", "transport")


def generate_launch_description():
    """Arguments and the node."""
    video = DeclareLaunchArgument("video", description="Video file, folder of images, or the number of a webcam")
    arguments = node_arguments("video_publisher", VIDEO_PUBLISHER, NAMES)
    return LaunchDescription([video, *arguments, image_argument(), OpaqueFunction(function=_start)])


def _start(context):
    given = given_parameters(context, VIDEO_PUBLISHER, ("video", *NAMES))
    # It ends with its video.
    return [node("video_publisher", given, image_remappings(), respawn=False)]
