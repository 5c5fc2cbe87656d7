"""rosbag2 recordings, read and written with the package rosbags, not ROS."""
