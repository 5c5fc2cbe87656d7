"""ROS 2 nodes around opendr_har_core."""
