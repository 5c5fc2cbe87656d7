"""Turns .msg files into an importable ROS 2 interface package without CMake."""
