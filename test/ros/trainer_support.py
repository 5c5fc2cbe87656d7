"""The trainer's services and progress, and clips to train on, for its tests."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from std_srvs.srv import Trigger

from opendr_har_core.media.video import write_video
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.qos import LATCHED

ACTIONS = ("jumping", "no activity")
# Long enough for a busy machine.
JOB_SEC = 420.0
OVER = ("done", "cancelled", "failed")


def draw_clips(folder):
    """Write two small videos for each of two actions."""
    for action in ACTIONS:
        (folder / action).mkdir(parents=True)
        for seed in range(2):
            write_video(folder / action / f"{seed}.mp4", render_clip(action, 1.5, 15.0, (72, 96), seed), 15.0)
    return folder


def quick_job(clips, output):
    """Parameters of a job that takes seconds: it trains only the classifier."""
    sizes = {"network": "x3d", "size": "xs", "batch_size": 2, "freeze": "head"}
    return {"data": clips, "val": clips, "output": output, "nice": 0, "cancel_grace_sec": 120.0, **sizes}


class Trainer:
    """A client of a trainer node."""

    def __init__(self, client, name="/trainer"):
        self.client, self._name = client, name
        self.heard = []
        client.node.create_subscription(DiagnosticStatus, f"{name}/progress", self._on_progress, LATCHED)

    def _on_progress(self, status):
        self.heard.append((time.monotonic(), status))

    @property
    def status(self):
        """The latest values with `message` and `level`; empty before the first."""
        return described(self.heard[-1][1]) if self.heard else {}

    def start(self):
        return self.client.call(Trigger, f"{self._name}/start")

    def cancel(self):
        return self.client.call(Trigger, f"{self._name}/cancel")

    def set(self, **values):
        """Set parameters; returns the reasons of those that were rejected."""
        request = SetParameters.Request(parameters=[parameter(*item) for item in values.items()])
        results = self.client.call(SetParameters, f"{self._name}/set_parameters", request, attempts=3).results
        return [result.reason for result in results if not result.successful]

    def until(self, seconds=JOB_SEC, **wanted):
        """The status once it has these values."""
        return self.until_true(lambda status: all(status[name] == value for name, value in wanted.items()), seconds)

    def until_true(self, condition, seconds=JOB_SEC):
        def found():
            return self.status and condition(self.status) and self.status

        try:
            return self.client.until(found, seconds)
        except AssertionError:
            raise AssertionError(f"the trainer's status after {seconds} s: {self.status}") from None

    def until_step(self, step):
        """The status once the running job has made so many updates."""
        return self.until_true(
            lambda status: status["state"] in OVER or (status["state"] == "running" and int(status["step"]) >= step)
        )


def parameter(name, value):
    kinds = {
        bool: (ParameterType.PARAMETER_BOOL, "bool_value"),
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        list: (ParameterType.PARAMETER_STRING_ARRAY, "string_array_value"),
    }
    kind, field = kinds.get(type(value), (ParameterType.PARAMETER_STRING, "string_value"))
    value = value if type(value) in kinds else str(value)
    return Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))


def described(status):
    values = {item.key: item.value for item in status.values}
    return {**values, "message": status.message, "level": status.level, "name": status.name}
