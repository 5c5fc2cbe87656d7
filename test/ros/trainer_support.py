"""A client of the trainer's action, a program that plays the training process, and clips to train on."""

from __future__ import annotations

import time
from pathlib import Path

from action_msgs.srv import CancelGoal
from diagnostic_msgs.msg import DiagnosticStatus
from goals import Goal
from opendr_har_msgs.action import TrainModel
from rclpy.action import ActionClient

from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.qos import LATCHED

ACTIONS = ("jumping", "no activity")
# Long enough for real training on a busy machine.
JOB_SEC = 420.0
USE_ACTOR = "from opendr_har_ros.trainer import training_process; training_process.MODULE = 'actor'"
# Replaces the training process: plays the role that the goal's `data` names.
ACTOR = """
import json, os, signal, sys, time
def report(**line):
    print(json.dumps(line), flush=True)
role = sys.argv[4].partition("=")[2]
report(state="starting", run={"data": role})
report(state="training", epoch=1, epochs=2, step=1, steps=4, loss=0.5, accuracy=None, eta_sec=2.5)
if role == "done":
    time.sleep(0.5)
    report(state="done", output="/tmp/x.onnx", step=4, best_accuracy=0.75)
elif role == "raises":
    raise RuntimeError("the network broke")
elif role == "says":
    report(state="failed", error="there is no folder x")
    sys.exit(1)
elif role == "mutters":
    print("not JSON", flush=True)
    sys.exit(3)
elif role == "obeys":
    def end(*_):
        report(state="cancelled", step=2, checkpoints=["/tmp/x_checkpoints/last.ckpt"])
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)
elif role == "is deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        time.sleep(600)
if role in ("obeys", "is deaf"):
    report(state="training", step=2)
    time.sleep(600)
"""


class Job(Goal):
    """A goal of the trainer."""

    def until_step(self, step):
        """The feedback once the job has made so many updates."""
        return self.until(lambda message: message.step >= step, JOB_SEC)

    def end(self, seconds=JOB_SEC):
        return super().end(seconds)


class Trainer:
    """A client of a trainer node."""

    def __init__(self, client):
        self._client = client
        self._actions = ActionClient(client.node, TrainModel, "/trainer/train")
        self._progress = client.collect(DiagnosticStatus, "/trainer/progress", LATCHED)

    def train(self, data, **goal):
        goal = TrainModel.Goal(data=str(data), **{"output": "/tmp/x.onnx", **goal})
        return Job(self._client, self._actions, goal)

    @property
    def status(self):
        """The latest values, with `message` and `level`; empty before the first."""
        if not self._progress:
            return {}
        status = self._progress[-1]
        return {**{item.key: item.value for item in status.values}, "message": status.message, "level": status.level}

    def until(self, state, seconds=JOB_SEC):
        """The status once it has this state."""
        self._client.until(lambda: self.status.get("state") == state, seconds, f"state {state!r}")
        return self.status

    def cancel_all(self):
        return self._client.call(CancelGoal, "/trainer/train/_action/cancel_goal")

    @property
    def is_served(self):
        return self._actions.server_is_ready()


def draw_clips(folder):
    """Write two small videos for each of two actions."""
    for action in ACTIONS:
        (folder / action).mkdir(parents=True)
        for seed in range(2):
            write_video(folder / action / f"{seed}.mp4", render_clip(action, 1.5, 15.0, (72, 96), seed), 15.0)
    return folder


def quick_job(clips, output, *settings):
    """A goal that takes seconds: it trains only the classifier."""
    quick = ("network=x3d", "size=xs", "batch_size=2", "freeze=head", f"val={clips}")
    return {"data": clips, "output": str(output), "settings": [*quick, *settings]}


def wait_for_end(pid, seconds=60.0):
    end = time.monotonic() + seconds
    while alive(pid):
        assert time.monotonic() < end, f"process {pid} is alive"
        time.sleep(0.02)


def alive(pid):
    """Whether the process exists and is not a zombie."""
    return (_fields(pid) or ["Z"])[0] != "Z"


def processes_of_group(group):
    """Ids of the live processes in a process group."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return {pid for pid in pids if alive(pid) and int((_fields(pid) or [0, 0, 0])[2]) == group}


def _fields(pid):
    """Fields of /proc/PID/stat from the state on; None without such a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
