"""A hundred lives of a managed node leave nothing behind: no memory, threads, files or subscriptions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from lifecycle_msgs.msg import Transition
from recognizer_support import NODE, Flood, change_state
from vision_msgs.msg import Classification

LIVES = 100
FIRST = 40  # pools and caches fill up in the beginning
# Publishers of bare rclpy, made and destroyed, leave 2 kB; an image that stayed would leave 900, a model over 500. The
# allocator's pools fill up slowly (-19 to 59 kB were measured), and grow by 8 to 12 MB once or twice, which the median
# over spans of lives does not see.
KB_A_LIFE, SPAN = 150.0, 10
STEPS = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
)


def usage(pid):
    """(resident kB, threads, open files)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), int(status["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_hundred_lives_leave_nothing_behind(client, start, record_property):
    node = start("recognizer", {"autostart": "false", "sampling": "every_frame", "image_qos": "reliable"})
    received = client.collect(Classification, f"{NODE}/classification")
    used = []
    with Flood(client) as flood:
        for life in range(LIVES):
            for step in STEPS:
                assert change_state(client, step), f"transition {step} of life {life}"
                if step == Transition.TRANSITION_ACTIVATE and life % 10 == 0:
                    seen = len(received)
                    client.until(lambda seen=seen: len(received) > seen, what="a label")
            used.append(usage(node.process.pid))
        client.until(lambda: flood.publisher.get_subscription_count() == 0)
    memory, threads, files = np.array(used[FIRST:]).T
    kb_a_life = float(np.median(memory[SPAN:] - memory[:-SPAN])) / SPAN
    record_property("kB_a_life", round(kb_a_life, 2))
    assert kb_a_life < KB_A_LIFE
    assert threads.max() == threads.min()
    assert files.max() - files.min() <= 2
    assert client.node.count_publishers(f"{NODE}/classification") == 0
    assert client.node.count_subscribers("/image_raw") == 0
    assert "Traceback" not in node.output
