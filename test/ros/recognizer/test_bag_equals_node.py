"""Labels that `opendr-har bag` writes equal those of a node that receives the bag's images."""

from __future__ import annotations

import array
from collections import defaultdict

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("opendr_har_msgs")
pytest.importorskip("rosbags")
from lifecycle_msgs.msg import Transition
from opendr_har_msgs.msg import ActivityEvent
from people_support import PARAMETERS as FOR_PEOPLE
from people_support import Scene, crowd
from recognizer_support import NODE, RELIABLE, Camera, change_state, wait_for_labels_to_connect
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool, String
from vision_msgs.msg import Classification, ObjectHypothesis

from opendr_har_core import Recognizer
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import read_video, write_video
from opendr_har_core.people.detector import NanoDet
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.recordings.bag_writer import typestore
from opendr_har_core.recordings.label_bag import LabelBagSettings, label_bag
from opendr_har_core.streaming.label_pipeline import LabelPipeline
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.scene import render_clip

START_NS = 1_700_000_000_000_000_000
KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
TOPICS = {
    "classification": Classification,
    "hypothesis": ObjectHypothesis,
    "label": String,
    "events": ActivityEvent,
    "provisional": Bool,
}
PARAMETERS = {"top_k": 3, "smoothing": 0.4, "threshold": 0.6, "hysteresis": 0.05, "min_duration_sec": 0.3}
FILTER = LabelSettings(top_k=3, smoothing=0.4, threshold=0.6, hysteresis=0.05, min_duration_sec=0.3)


def film(folder):
    """A video file of three actions, 12 frames a second, as it decodes."""
    frames = []
    for action in ("walking", "raising both arms", "waving one hand"):
        frames += [Frame(frame.rgb, 0) for frame in render_clip(action, 3.0, 12.0, size=(120, 160), seed=5)]
    return read_video(write_video(folder / "film.mp4", frames, 12.0))


def record(path, frames, storage, compressed):
    """A bag of the frames, as a camera's driver would have it: stamps, and times of recording somewhat later."""
    store = get_typestore(Stores.ROS2_KILTED)
    types = store.types
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection("/image_raw", kind, typestore=store)
        for index, frame in enumerate(frames):
            stamp = START_NS + frame.stamp_ns
            header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9)), "front")
            bgr = np.ascontiguousarray(frame.rgb[..., ::-1])
            if compressed:
                message = types[kind](header, "jpeg", cv2.imencode(".jpg", bgr)[1].ravel())
            else:
                message = types[kind](header, *frame.size, "bgr8", 0, bgr.strides[0], bgr.ravel())
            writer.write(connection, stamp + 2_000_000 + index % 7, store.serialize_cdr(message, kind))
    return path


def images(path):
    """(time of recording, message for rclpy) of each image in a bag."""
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_KILTED)) as reader:
        for connection, recorded, data in reader.messages():
            read = reader.deserialize(data, connection.msgtype)
            message = KINDS[connection.msgtype]()
            for name in message.get_fields_and_field_types():
                if name not in ("header", "data"):
                    setattr(message, name, getattr(read, name))
            message.data = array.array("B", read.data.tobytes())
            message.header.stamp.sec, message.header.stamp.nanosec = read.header.stamp.sec, read.header.stamp.nanosec
            message.header.frame_id = read.header.frame_id
            yield recorded, message


def labels(path):
    """{name below the node: [(time of recording, message)]} of a bag of labels."""
    found = defaultdict(list)
    with AnyReader([path], default_typestore=typestore("kilted")) as reader:
        for connection, recorded, data in reader.messages():
            found[connection.topic.rsplit("/")[-1]].append((recorded, reader.deserialize(data, connection.msgtype)))
    return found


def plain(message, real=float):
    """A message of rclpy or rosbags as values that compare; `real` makes numbers to compare of its real ones."""
    if isinstance(message, (str, bool, int)):
        return message
    if isinstance(message, bytes):
        return message[0]
    if isinstance(message, float):
        return real(message)
    if isinstance(message, (list, tuple, np.ndarray)):
        return [plain(item, real) for item in message]
    fields = getattr(message, "get_fields_and_field_types", lambda: message.__dataclass_fields__)()
    # rosbags has a message's type and constants among its fields.
    return {name: plain(getattr(message, name), real) for name in fields if name.islower() and name != "__msgtype__"}


def nearly(number):
    return pytest.approx(number, abs=1e-6)


def check(client, start, bag, folder, model="default", warm_start="none", transport="raw"):
    """Label the bag offline, play it to a node, and compare all messages."""
    pipeline = LabelPipeline(Recognizer.open(model).stream(warm_start=warm_start), FILTER)
    label_bag(pipeline, bag, folder / "labels", LabelBagSettings())
    expected = labels(folder / "labels")
    labelled = {recorded for recorded, _ in expected["label"]}
    assert len(labelled) > 3
    assert len({message.data for _, message in expected["label"]}) >= 2  # so that there is something to mix up

    parameters = {"model": model, "warm_start": warm_start, "transport": transport}
    start("recognizer", {**RELIABLE, **PARAMETERS, **parameters})
    topic, kind = ("image_raw/compressed", CompressedImage) if transport == "compressed" else ("image_raw", Image)
    camera = Camera(client, topic=topic, message_type=kind)
    camera.wait_for_recognizer()
    found = {name: client.collect(kind, f"{NODE}/{name}") for name, kind in TOPICS.items()}
    wait_for_labels_to_connect(client)
    for recorded, image in images(bag):
        count = len(found["label"])
        camera.publisher.publish(image)
        if recorded in labelled:
            client.until(lambda count=count: len(found["label"]) > count, what="a label")
        else:
            client.spin(0.04)  # time to be worked on
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)  # which ends the label that holds
    client.until(lambda: all(len(found[name]) == len(expected[name]) for name in TOPICS), what="all messages")
    for name in TOPICS:
        wanted = [plain(message, nearly) for _, message in expected[name]]
        assert [plain(message) for message in found[name]] == wanted, name


@pytest.mark.parametrize(
    ("storage", "transport", "warm_start"),
    [
        pytest.param(StoragePlugin.SQLITE3, "raw", "none", marks=pytest.mark.slow),
        pytest.param(StoragePlugin.MCAP, "compressed", "repeat", marks=pytest.mark.slow),
    ],
)
def test_offline_equals_online(client, start, tmp_path, storage, transport, warm_start):
    bag = record(tmp_path / "walk", film(tmp_path), storage, transport == "compressed")
    check(client, start, bag, tmp_path, warm_start=warm_start, transport=transport)


@pytest.mark.slow
def test_offline_equals_online_on_real_footage_with_a_real_model(client, start, tmp_path, shared, real_bundle):
    frames = read_video(shared / "videos" / "gestures_rgb" / "PS7A3P1T1.avi")
    bag = record(tmp_path / "wave", frames, StoragePlugin.MCAP, False)
    check(client, start, bag, tmp_path, str(real_bundle("x3d", "xs")))


@pytest.mark.slow
def test_people_offline_equal_people_online(client, start, tmp_path):
    bag = record(tmp_path / "crowd", [each.frame for each in crowd(seconds=3.0)], StoragePlugin.MCAP, False)
    settings = PeopleSettings(), StreamSettings(), LabelSettings()
    pipeline = PeoplePipeline(Recognizer.open("default"), NanoDet(), *settings)
    label_bag(pipeline, bag, tmp_path / "labels", LabelBagSettings())
    expected = {name: [message for _, message in found] for name, found in labels(tmp_path / "labels").items()}
    assert len({person.id for message in expected["people"] for person in message.detections}) == 2

    start("people", FOR_PEOPLE)
    scene = Scene(client, with_detector=False)
    events = client.collect(ActivityEvent, "/people/events")
    client.until(lambda: client.node.count_publishers("/people/events"), what="~/events")
    for _, image in images(bag):
        count = len(scene.people)
        scene.camera.publisher.publish(image)
        client.until(lambda count=count: len(scene.people) > count, what="people")
    assert [plain(message) for message in scene.people] == [plain(message, nearly) for message in expected["people"]]
    last = plain(expected["people"][-1].header)
    before_the_end = [plain(message, nearly) for message in expected["events"] if plain(message.header) != last]
    client.until(lambda: len(events) >= len(before_the_end), what="events")
    assert [plain(message) for message in events][: len(before_the_end)] == before_the_end != []
