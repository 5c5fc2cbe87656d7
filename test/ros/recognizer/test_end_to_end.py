"""Real footage and real weights over DDS: the node gives the labels that the library gives."""

from __future__ import annotations

from collections import defaultdict

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from rclpy.qos import QoSProfile
from vision_msgs.msg import Classification, VisionInfo

from opendr_har_core import Recognizer
from opendr_har_core.media.video import loop_frames, probe
from opendr_har_core.streaming.label_pipeline import mean_prediction
from opendr_har_ros.common.qos import LATCHED
from opendr_har_ros.demo import passes_needed

CLIPS = (
    "archery.mp4",
    "archery_ucf.avi",
    "arm_wrestling.mp4",
    "cleaning_pool.mp4",
    "crawling_baby.avi",
    "deadlifting.mp4",
    "high_jump.mp4",
    "shooting_basketball.avi",
)
NETWORKS = (("x3d", "xs"), ("cox3d", "s"))
QUICK = (("x3d", "xs"), "archery_ucf.avi")
CASES = [
    pytest.param(
        network, clip, marks=[] if (network, clip) == QUICK else pytest.mark.slow, id=f"{'_'.join(network)}-{clip}"
    )
    for network in NETWORKS
    for clip in CLIPS
]
# Mislabelled by the X3D-XS weights, in the library as in the node: two of the sixteen.
MISTAKEN = {"shooting_basketball.avi"}
ALL_CLASSES = 400
# The node drops frames when the machine is busy; then the video is played again at its own speed.
SPEEDS = (4.0, 1.0)
ENOUGH = 0.8


def play(start, client, model, video, passes, image_qos="reliable", **publisher_parameters):
    """The recognizer's labels for a video, with the source's stamps, and its process."""
    received = client.collect(Classification, "/recognizer/classification", QoSProfile(depth=1000))
    latched = client.collect(VisionInfo, "/recognizer/vision_info", LATCHED)
    recognizer = start("recognizer", {"model": model, "image_qos": image_qos, "top_k": ALL_CLASSES})
    client.until(lambda: latched, what="a message of the recognizer")  # so it knows of our subscriptions
    parameters = {"video": video, "loop": passes, "rate": SPEEDS[0], "stamps": "source", "reliable": "true"}
    publisher = start("video_publisher", {**parameters, "wait_for_subscribers": 1, **publisher_parameters})
    client.until(lambda: publisher.process.poll() is not None, seconds=120, what="the end of the video")
    assert publisher.process.returncode == 0, publisher.output
    count = -1
    while count != len(received):
        count = len(received)
        client.spin(0.5)
    return received, recognizer


def mean_label(messages):
    sums = defaultdict(float)
    for message in messages:
        assert len(message.results) == ALL_CLASSES
        for item in message.results:
            sums[item.class_id] += item.score
    return max(sums, key=sums.get)


@pytest.mark.parametrize(("network", "clip"), CASES)
def test_the_node_gives_real_footage_the_label_that_the_library_gives(
    clip, network, shared, real_bundle, start, client, record_property
):
    model, video = real_bundle(*network), shared / "videos" / "labelled" / clip
    recognizer = Recognizer.open(model)
    passes = passes_needed(recognizer.spec, probe(video))
    expected = [found for found in map(recognizer.stream().push, loop_frames(video, passes)) if found]
    for speed in SPEEDS:
        received, process = play(start, client, model, video, passes, rate=speed)
        peak_rss_mb = process.peak_rss_mb
        process.end()
        if len(received) >= ENOUGH * len(expected):
            break
    library, node = mean_prediction(expected, recognizer.labels).label, mean_label(received)
    record_property("library, node", f"{library}, {node} ({len(received)} labels of {len(expected)})")
    record_property("recognizer_peak_rss_mb", peak_rss_mb)
    assert node == library
    assert len(received) >= ENOUGH * len(expected)
    if clip not in MISTAKEN:
        assert node.replace(" ", "_") == clip.replace("_ucf", "").split(".")[0]


@pytest.mark.slow
@pytest.mark.parametrize("fps", [10, 15, 30, 60])
def test_the_label_does_not_depend_on_the_cameras_rate(fps, shared, real_bundle, start, client):
    video = shared / "videos" / "labelled" / "archery_ucf.avi"
    received, _ = play(start, client, real_bundle("x3d", "xs"), video, passes=1, fps=float(fps), rate=2.0)
    assert mean_label(received) == "archery"


@pytest.mark.slow
def test_a_live_camera_is_labelled(shared, real_bundle, start, client):
    """Best effort, current stamps, real time."""
    video = shared / "videos" / "labelled" / "arm_wrestling.mp4"
    live = {"rate": 1.0, "stamps": "now", "reliable": "false"}
    received, _ = play(start, client, real_bundle("x3d", "xs"), video, passes=1, image_qos="auto", **live)
    assert len(received) >= 3
    assert mean_label(received) == "arm wrestling"
