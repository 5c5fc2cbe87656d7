"""Text that came from files and other processes, on its way into messages and logs."""

from __future__ import annotations


def sendable(text: str) -> str:
    """The text with what no message and no log can take escaped: NUL, and bytes that are no UTF-8.

    Python keeps such bytes, of the name of a file say, as lone surrogates; rclpy raises for them, which ends nodes.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
