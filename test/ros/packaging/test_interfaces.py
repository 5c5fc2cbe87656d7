"""The substitute for vision_msgs has the real one's fields and type hashes."""

from __future__ import annotations

import pytest

pytest.importorskip("vision_msgs")

# Of vision_msgs 4.1.1, as released in ROS 2.
REAL = {
    "ObjectHypothesis": "51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90",
    "Classification": "f74db28d0eaef3afb78f48bf2161cd709a1383a0309d3454383b25be11345143",
    "VisionInfo": "95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284",
    "LabelInfo": "3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "VisionClass": "1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a",
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_type_has_the_hash_of_the_real_package(client, name):
    import vision_msgs.msg

    publisher = client.node.create_publisher(getattr(vision_msgs.msg, name), f"test_{name}", 1)
    (endpoint,) = client.until(lambda: client.node.get_publishers_info_by_topic(publisher.topic_name))
    assert endpoint.topic_type == f"vision_msgs/msg/{name}"
    if not hasattr(endpoint, "topic_type_hash"):
        pytest.skip("this distribution has no type hashes")
    assert bytes(endpoint.topic_type_hash.value).hex() == REAL[name]


def test_messages_arrive_unchanged(client):
    from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionClass

    sent = Classification(results=[ObjectHypothesis(class_id="wåving", score=0.25), ObjectHypothesis(score=-1e300)])
    sent.header.frame_id, sent.header.stamp.sec, sent.header.stamp.nanosec = "camera", 12, 345
    info = LabelInfo(class_map=[VisionClass(class_id=65535, class_name="last")], threshold=0.5)
    for message in (sent, info):
        topic = type(message).__name__
        received = client.collect(type(message), topic)
        publisher = client.node.create_publisher(type(message), topic, 10)
        client.until(lambda publisher=publisher: publisher.get_subscription_count() == 1)
        publisher.publish(message)
        client.until(lambda received=received: received)
        assert received == [message]
