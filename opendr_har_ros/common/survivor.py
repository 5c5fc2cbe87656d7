"""Going on after an error that rclpy would let end the node: a neighbour's odd message must not take it down."""

from __future__ import annotations

import time
import traceback
from typing import Any

from rclpy.executors import ExternalShutdownException

from opendr_har_ros.common.log import SparseLog
from opendr_har_ros.common.text import sendable

SPIN_SEC = 0.1
# An error that comes back at once, over and over, is no neighbour's: then the process is better started anew.
MOST_IN_A_ROW = 100
PAUSE_SEC = 0.01


class Survivor:
    """Spins an executor; logs the 1st, 10th, 100th, ... error of each type with its traceback."""

    def __init__(self, node: Any) -> None:
        self._log = SparseLog(lambda text: node.get_logger().error(text))
        self._in_a_row = 0

    def spin_once(self, executor: Any) -> None:
        """Let it do what is to be done; raises what it raises where that is all it does a hundred times over."""
        try:
            executor.spin_once(timeout_sec=SPIN_SEC)
        except ExternalShutdownException:
            raise
        except Exception as error:
            self._in_a_row += 1
            if self._in_a_row >= MOST_IN_A_ROW:
                raise
            self._log(type(error).__name__, sendable(f"going on after an error:\n{traceback.format_exc()}"))
            time.sleep(PAUSE_SEC)
        else:
            self._in_a_row = 0
