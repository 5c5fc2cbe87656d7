"""Diagnosis of an installation: software, machine, model and ROS 2."""
