"""Turns .msg, .srv and .action files into an importable ROS 2 interface package without CMake."""
