"""Full names of a node and of its topics, on every distribution."""

from __future__ import annotations

from typing import Any

from rclpy.expand_topic_name import expand_topic_name


def node_name(node: Any) -> str:
    """The name with its namespace, such as /robot/recognizer."""
    if hasattr(node, "get_fully_qualified_name"):
        return str(node.get_fully_qualified_name())
    return f"{node.get_namespace().rstrip('/')}/{node.get_name()}"  # Foxy


def topic_name(node: Any, topic: str) -> str:
    """The topic's full name after remapping; Foxy can only say what it is before."""
    if hasattr(node, "resolve_topic_name"):
        return str(node.resolve_topic_name(topic))
    return str(expand_topic_name(topic, node.get_name(), node.get_namespace()))
