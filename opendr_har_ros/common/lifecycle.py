"""A managed node for every distribution: rclpy's own where it has one (Humble on), else ours with the same methods."""

from __future__ import annotations

try:
    from rclpy.lifecycle import LifecycleNode as ManagedNode
    from rclpy.lifecycle import TransitionCallbackReturn
except ImportError:  # Foxy, Galactic
    from opendr_har_ros.common.managed_node import ManagedNode
    from opendr_har_ros.common.state_machine import TransitionCallbackReturn

__all__ = ["ManagedNode", "TransitionCallbackReturn"]
