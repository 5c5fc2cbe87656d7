"""The video publisher node: a video file, a folder of images or a webcam as a camera topic."""

from __future__ import annotations

import threading
import time
from typing import Any, Iterator, List, Optional

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from opendr_har_core.errors import HarError, VideoError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import is_address, is_camera, is_webcam, public_name
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.common.images import ReusedImage, jpeg_message
from opendr_har_ros.common.log import SparseLog
from opendr_har_ros.common.parameters import local_path
from opendr_har_ros.common.qos import COMPRESSED, RAW, image_qos, image_topic
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER, VideoPublisherSettings
from opendr_har_ros.video_publisher.playback import frames_of, resample

FAILED = 1
RETRY_SEC = 1.0
CHECK_EVERY_SEC = 0.05
# Discovery is not symmetric: a subscriber that we see may not have seen us yet, and would miss the first images.
DISCOVERY_SEC = 0.5
# The last best-effort images are still in transit when publish returns.
GRACE_SEC = 0.5


class VideoPublisherNode(Node):
    """Publishes image_raw, image_raw/compressed or both; sets `exit_code` at the end of the video or on failure."""

    def __init__(self, node_name: str = "video_publisher", **options: Any) -> None:
        """Takes the arguments of rclpy's `Node`. Raises ConfigError for an invalid parameter."""
        super().__init__(node_name, **options)
        self.exit_code: Optional[int] = None
        self._player: Optional[threading.Thread] = None
        self._warn = SparseLog(lambda text: self.get_logger().warning(text))
        self._stopping = threading.Event()
        VIDEO_PUBLISHER.declare(self)
        (self._settings,) = VIDEO_PUBLISHER.instances(VIDEO_PUBLISHER.values(self))
        self._publisher = _ImagePublisher(self, self._settings)
        self._player = threading.Thread(target=self._play, name="player", daemon=True)
        self._player.start()

    def destroy_node(self) -> None:
        """Stop the player's thread, then destroy the node."""
        self._stopping.set()
        if self._player is not None:
            self._player.join()
        super().destroy_node()

    def _play(self) -> None:
        """Runs in the player's thread."""
        played = 0
        try:
            self._wait_for_subscribers()
            for frame in self._connected() if is_address(self._settings.video) else self._paced(self._frames()):
                self._publisher.publish(frame, self._stamp(frame))
                played += 1
            self._finish()
        except HarError as error:
            self.get_logger().error(f"after {played} frames: {error}")
            self.exit_code = FAILED
            return
        except Exception as error:  # an unhandled exception would end the thread and leave the node running
            if not self._stopping.is_set():
                self.get_logger().error(f"after {played} frames: {error!r}")
                self.exit_code = FAILED
            return
        self.get_logger().info(f"played {public_name(self._settings.video)}: {played} frames")
        self.exit_code = 0

    def _frames(self) -> Iterator[Frame]:
        frames = frames_of(local_path(self._settings.video), self._settings.loop or None)
        return resample(frames, self._settings.fps) if self._settings.fps else frames

    def _connected(self) -> Iterator[Frame]:
        """The frames of an address, which is connected to again when it fails or ends."""
        while not self._stopping.is_set():
            try:
                yield from self._paced(self._frames())
                reason = f"{public_name(self._settings.video)} has ended"
            except VideoError as error:
                reason = str(error)
            self._warn(reason, f"{reason}; connecting again every {RETRY_SEC:.0f} s")
            self._stopping.wait(RETRY_SEC)

    def _paced(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yield each frame when it is due; a camera sets its own pace, by stamps of the clock."""
        start: Optional[float] = None
        is_live = is_camera(self._settings.video)
        rate = 1.0 if is_live else self._settings.rate
        for frame in frames:
            due_sec = frame.stamp_ns / NANOSECONDS / rate
            start = time.monotonic() - due_sec if start is None else start
            if not is_webcam(self._settings.video):
                self._stopping.wait(max(0.0, start + due_sec - time.monotonic()))
            if self._stopping.is_set():
                return
            yield frame

    def _stamp(self, frame: Frame) -> Any:
        if self._settings.stamps == "source":
            return Time(nanoseconds=frame.stamp_ns + NANOSECONDS).to_msg()  # stamp 0 means "not set"
        return self.get_clock().now().to_msg()

    def _wait_for_subscribers(self) -> None:
        wanted = self._settings.wait_for_subscribers
        while self._publisher.subscribers < wanted and not self._stopping.wait(CHECK_EVERY_SEC):
            pass
        if wanted:
            self._stopping.wait(DISCOVERY_SEC)

    def _finish(self) -> None:
        if self._settings.reliable:
            self._publisher.wait_for_all_acked(GRACE_SEC)
        else:
            self._stopping.wait(GRACE_SEC)


class _ImagePublisher:
    """Publishes frames on image_raw and image_raw/compressed, as the settings' `transport` says."""

    def __init__(self, node: Any, settings: VideoPublisherSettings) -> None:
        qos = image_qos(settings.reliable)
        self._frame_id = settings.frame_id
        self._publishers: List[Any] = []
        self._converters: List[Any] = []
        if settings.transport != COMPRESSED:
            self._publishers.append(node.create_publisher(Image, "image_raw", qos))
            self._converters.append(ReusedImage().filled)
        if settings.transport != RAW:
            self._publishers.append(
                node.create_publisher(CompressedImage, image_topic(node, "image_raw", COMPRESSED), qos)
            )
            self._converters.append(lambda rgb, header: jpeg_message(rgb, header, settings.jpeg_quality))

    @property
    def subscribers(self) -> int:
        """The number of subscribers on all topics together."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers)

    def publish(self, frame: Frame, stamp: Any) -> None:
        """Publish one frame on all topics; raises ImageError for one that JPEG can't represent."""
        header = Header(stamp=stamp, frame_id=self._frame_id)
        for publisher, converted in zip(self._publishers, self._converters):
            publisher.publish(converted(frame.rgb, header))

    def wait_for_all_acked(self, seconds: float) -> None:
        """Wait until reliable subscribers have received everything, at most `seconds` per topic."""
        for publisher in self._publishers:
            publisher.wait_for_all_acked(Duration(seconds=seconds))
