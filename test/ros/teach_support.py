"""Teaching a node over DDS, for the tests of both nodes."""

from __future__ import annotations

from goals import Goal
from opendr_har_msgs.action import Teach
from opendr_har_msgs.srv import Forget, Lessons
from rclpy.action import ActionClient
from recognizer_support import shifted
from vision_msgs.msg import LabelInfo

from opendr_har_ros.common.qos import LATCHED


class Pupil:
    """A node that is taught; the frames of all its lessons follow each other."""

    def __init__(self, client, node):
        self.client, self.node = client, node
        self.actions = ActionClient(client.node, Teach, f"{node}/teach")
        self.infos = client.collect(LabelInfo, f"{node}/label_info", LATCHED)
        self.now_sec = 0.0

    @property
    def labels(self):
        """Names of the classes that the node publishes now."""
        return [item.class_name for item in self.infos[-1].class_map] if self.infos else []

    def goal(self, label, seconds=3.0, **fields):
        return Goal(self.client, self.actions, Teach.Goal(label=label, seconds=seconds, **fields))

    def following(self, frames):
        """The frames with stamps after all earlier ones."""
        frames = shifted(frames, self.now_sec)
        self.now_sec = frames[-1].stamp_ns / 1e9 + 0.1
        return frames

    def teach(self, label, frames, send, seconds=3.0, **fields):
        """(status, result) of a lesson during which `send(frame)` is called for each frame."""
        goal = self.goal(label, seconds, **fields)
        for frame in self.following(frames):
            send(frame)
        return goal.end()

    def lessons(self, thumbnails=False):
        return self.client.call(Lessons, f"{self.node}/lessons", Lessons.Request(thumbnails=thumbnails))

    def forget(self, label, id=""):
        return self.client.call(Forget, f"{self.node}/forget", Forget.Request(label=label, id=id))
