"""A camera, frames, and calls of a recognizer's services, for its tests."""

from __future__ import annotations

import array
import threading

import numpy as np
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image

from opendr_har_core import Recognizer
from opendr_har_core.synthetic.scene import render_clip
from opendr_har_ros.common.images import stamp_of as stamp_ns
from opendr_har_ros.common.qos import image_qos

NODE = "/recognizer"
START_NS = 1_000_000_000
FLOOD_HZ = 150
# With "auto" the node would resubscribe when it sees the camera, and might miss the first images.
RELIABLE = {"image_qos": "reliable"}
EVERY_FRAME = {**RELIABLE, "sampling": "every_frame"}
LIVE_DEFAULTS = {
    "model": "default",
    "top_k": 5,
    "threshold": 0.0,
    "class_id_format": "name",
    "always_on": False,
}
# Between discovery by one side and by the other.
DISCOVERY_SEC = 0.3


class Camera:
    """Publishes images from the test's own process."""

    def __init__(self, client, reliable=True, topic="image_raw", message_type=Image):
        self._client = client
        self.publisher = client.node.create_publisher(message_type, topic, image_qos(reliable))

    def wait_for_recognizer(self):
        self._client.until(lambda: self.publisher.get_subscription_count() == 1, what="a subscription to the images")

    def send(self, frame, stamp_ns=None, **changes):
        self.publisher.publish(image_of(frame, START_NS + frame.stamp_ns if stamp_ns is None else stamp_ns, **changes))

    def send_all(self, frames, seconds=0.05):
        """Send frames with a pause after each, in which they are processed."""
        for frame in frames:
            self.send(frame)
            self._client.spin(seconds)


def image_of(frame, stamp_ns, **changes):
    height, width = frame.size
    pixels = array.array("B")
    pixels.frombytes(np.ascontiguousarray(frame.rgb).tobytes())
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width, data=pixels)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.header.frame_id = "front"
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def clip(action="walking", seconds=4.0, seed=11, fps=10.0, size=(120, 160)):
    return list(render_clip(action, seconds, fps, size=size, seed=seed))


def shifted(frames, seconds):
    return [type(frame)(frame.rgb, frame.stamp_ns + round(seconds * 10**9)) for frame in frames]


def expected_labels(frames, **options):
    """(stamp, label) that the library gives for the same frames."""
    stream = Recognizer.open("default").stream(**options)
    return [(p.stamp_ns, p.label) for p in map(stream.push, shifted(frames, START_NS / 1e9)) if p]


def labels_of(classifications):
    """(stamp, best label) of each message."""
    return [(stamp_ns(message.header), message.results[0].class_id) for message in classifications]


def lifecycle_state(client):
    return client.call(GetState, f"{NODE}/get_state", attempts=3).current_state.id


def change_state(client, *transition_ids):
    """Whether each of the transitions succeeded."""
    requests = [ChangeState.Request(transition=Transition(id=number)) for number in transition_ids]
    return all(client.call(ChangeState, f"{NODE}/change_state", request).success for request in requests)


def restart(client, camera):
    """Configure a recognizer again, with the default parameters."""
    if lifecycle_state(client) == State.PRIMARY_STATE_ACTIVE:
        assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    if lifecycle_state(client) == State.PRIMARY_STATE_INACTIVE:
        assert change_state(client, Transition.TRANSITION_CLEANUP)
    client.until(lambda: camera.publisher.get_subscription_count() == 0)
    for name, value in LIVE_DEFAULTS.items():
        assert set_parameter(client, name, value).successful
    assert change_state(client, Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)


def set_parameter(client, name, value, node=NODE):
    kinds = {
        str: (ParameterType.PARAMETER_STRING, "string_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
        bool: (ParameterType.PARAMETER_BOOL, "bool_value"),
    }
    kind, field = kinds[type(value)]
    parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
    (result,) = client.call(
        SetParameters, f"{node}/set_parameters", SetParameters.Request(parameters=[parameter])
    ).results
    return result


def send_and_see(client, camera, received, frames):
    """Send frames one by one, each after the previous one was processed; returns the labels for them."""
    seen = len(received)
    mirror = Recognizer.open("default").stream()
    for frame in frames:
        camera.send(frame)
        if mirror.push(frame):
            count = len(received)
            client.until(lambda count=count: len(received) > count, what="a label")
        else:
            client.spin(0.04)
    return received[seen:]


def wait_for_labels_to_connect(client):
    for topic in ("classification", "hypothesis", "label"):
        client.until(lambda topic=topic: client.node.count_publishers(f"{NODE}/{topic}"))
    client.spin(DISCOVERY_SEC)


class Flood:
    """Publishes images much faster than they can be processed, from a thread, while used as a context."""

    def __init__(self, client):
        self.publisher = client.node.create_publisher(Image, "image_raw", image_qos(reliable=True))
        self._messages = [image_of(frame, 0) for frame in clip("jumping", 1.0, seed=2)]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._pour)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _pour(self):
        index = 0
        while not self._ended.wait(1 / FLOOD_HZ):
            message = self._messages[index % len(self._messages)]
            stamp = 10**9 + index * 10**9 // FLOOD_HZ
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
            self.publisher.publish(message)
            index += 1


def values_of(status):
    """The values of a diagnostic status as a dictionary."""
    return {item.key: item.value for item in status.values}


def status_with(diagnostics, **wanted):
    """The newest status if its values contain these, `message` among them; underscores are spaces in keys."""
    if not diagnostics or not diagnostics[-1].status:
        return None
    status = diagnostics[-1].status[0]
    values = {**{key.replace(" ", "_"): value for key, value in values_of(status).items()}, "message": status.message}
    return status if all(want in values.get(name, "") for name, want in wanted.items()) else None
