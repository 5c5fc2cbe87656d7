"""Detections, and the people that a node reports, for the tests of the node `people`."""

from __future__ import annotations

from collections import Counter

from recognizer_support import START_NS, Camera
from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray, ObjectHypothesisWithPose

from opendr_har_core.synthetic.crowd import render_crowd

NODE = "/people"
PARAMETERS = {"image_qos": "reliable"}
SMALL = (240, 320)
ACTIONS = ("jumping jacks", "bending")


def crowd(actions=ACTIONS, seconds=4.0, seed=3):
    """People who act on a spot, ten frames a second."""
    return list(render_crowd(actions, seconds, 10.0, SMALL, seed=seed))


def boxes_of(scene):
    """(id, box) of the people in a frame of a crowd."""
    return [(str(person.id), person.box) for person in scene.people]


def detection(box, id="", score=0.9, class_id="person"):
    left, top, right, bottom = (float(value) for value in box)
    item = Detection2D(id=id, bbox=BoundingBox2D(size_x=right - left, size_y=bottom - top))
    item.bbox.center.position.x, item.bbox.center.position.y = (left + right) / 2, (top + bottom) / 2
    if class_id is not None:
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = class_id, score
        item.results = [result]
    return item


def detections(items, stamp_ns):
    message = Detection2DArray(detections=list(items))
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return message


class Scene:
    """A camera and a detector of the test's own, in front of a node `people`."""

    def __init__(self, client, with_detector=True):
        self.client = client
        self.people = client.collect(Detection2DArray, f"{NODE}/people")
        self.camera = Camera(client)
        self.detector = client.node.create_publisher(Detection2DArray, "detections", 10) if with_detector else None
        self.camera.wait_for_recognizer()
        client.until(lambda: client.node.count_publishers(f"{NODE}/people"), what="~/people")
        if with_detector:
            client.until(lambda: self.detector.get_subscription_count() == 1, what="a subscription to the detections")
        client.spin(0.3)

    def detect(self, items, stamp_ns):
        self.detector.publish(detections(items, START_NS + stamp_ns))

    def show(self, frame, items=None):
        """Send a frame and what the detector finds in it; returns the people in the node's answer."""
        count = len(self.people)
        self.camera.send(frame)
        if items is not None:
            self.detect(items, frame.stamp_ns)
        self.client.until(lambda: len(self.people) > count, what=f"people at {frame.stamp_ns / 1e9:.2f} s")
        return self.people[-1]


def mean_labels(messages, key=lambda person: person.id):
    """{key: label with the highest sum of scores} of all people."""
    totals = {}
    for message in messages:
        for person in message.detections:
            scores = totals.setdefault(key(person), Counter())
            for result in person.results:
                scores[result.hypothesis.class_id] += result.hypothesis.score
    return {name: scores.most_common(1)[0][0] for name, scores in totals.items() if scores}
