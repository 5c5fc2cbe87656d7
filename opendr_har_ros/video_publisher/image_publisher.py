"""Publishers of frames as raw images, JPEG images, or both."""

from __future__ import annotations

import array
from typing import Any, List

import cv2
from rclpy.duration import Duration
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from opendr_har_core.errors import ImageError
from opendr_har_core.frame import Frame
from opendr_har_ros.common.images import ReusedImage
from opendr_har_ros.common.qos import COMPRESSED, RAW, image_qos
from opendr_har_ros.video_publisher.parameters import VideoPublisherSettings


class ImagePublisher:
    """Publishes frames on image_raw and image_raw/compressed, as the settings' `transport` says."""

    def __init__(self, node: Any, settings: VideoPublisherSettings) -> None:
        qos = image_qos(settings.reliable)
        self._publishers: List[Any] = []
        self._converters: List[Any] = []
        if settings.transport != COMPRESSED:
            self._publishers.append(node.create_publisher(Image, "image_raw", qos))
            self._converters.append(_Raw(settings.frame_id))
        if settings.transport != RAW:
            self._publishers.append(node.create_publisher(CompressedImage, "image_raw/compressed", qos))
            self._converters.append(_Jpeg(settings.frame_id, settings.jpeg_quality))

    @property
    def subscribers(self) -> int:
        """The number of subscribers on all topics together."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers)

    def publish(self, frame: Frame, stamp: Any) -> None:
        """Publish one frame on all topics; raises ImageError for one that JPEG can't represent."""
        for publisher, converter in zip(self._publishers, self._converters):
            publisher.publish(converter.message(frame, stamp))

    def wait_for_all_acked(self, seconds: float) -> None:
        """Wait until reliable subscribers have received everything, at most `seconds` per topic."""
        for publisher in self._publishers:
            publisher.wait_for_all_acked(Duration(seconds=seconds))


class _Raw:
    """Converts frames to rgb8 images."""

    def __init__(self, frame_id: str) -> None:
        self._header = Header(frame_id=frame_id)
        self._image = ReusedImage()

    def message(self, frame: Frame, stamp: Any) -> Image:
        """The frame's pixels; the same message object each time."""
        self._header.stamp = stamp
        return self._image.filled(frame.rgb, self._header)


class _Jpeg:
    """Converts frames to JPEG images."""

    def __init__(self, frame_id: str, quality: int) -> None:
        self._frame_id = frame_id
        self._options = [cv2.IMWRITE_JPEG_QUALITY, quality]

    def message(self, frame: Frame, stamp: Any) -> CompressedImage:
        """The frame as JPEG."""
        height, width = frame.size
        try:
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), self._options)
        except cv2.error as error:
            raise ImageError(f"a frame of {width}x{height} pixels can't be encoded as JPEG: {error}") from None
        message = CompressedImage(format="jpeg", data=array.array("B", jpeg.tobytes()))
        message.header.frame_id = self._frame_id
        message.header.stamp = stamp
        return message
