"""A file, a folder of images or a webcam as a camera topic: for demonstrations, tests and bags."""

from __future__ import annotations

import threading
import time
from typing import Any, Iterator, Optional

from rclpy.node import Node
from rclpy.time import Time

from opendr_har_core.errors import HarError
from opendr_har_core.frame import Frame
from opendr_har_core.media.video import is_camera
from opendr_har_core.spec import NANOSECONDS
from opendr_har_ros.common.parameters import declare, read
from opendr_har_ros.video_publisher.image_publisher import PictureOutput
from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER, VideoPublisherSettings
from opendr_har_ros.video_publisher.playback import frames_of, resample

FAILED = 1
LOOK_EVERY_SEC = 0.05
# A subscriber that we see may not have seen us yet, and would miss the first images.
MEET_SEC = 0.5
# The last best-effort images are still on their way when the last call to publish returns.
GRACE_SEC = 0.5


class VideoPublisherNode(Node):
    """Publishes image_raw, image_raw/compressed or both; sets `exit_code` when it has played all, or could not."""

    def __init__(self) -> None:
        """Raises ConfigError for a wrong parameter."""
        super().__init__("video_publisher")
        self.exit_code: Optional[int] = None
        self._player: Optional[threading.Thread] = None
        self._stopping = threading.Event()
        declare(self, VIDEO_PUBLISHER)
        self._settings = VideoPublisherSettings.from_values(read(self, VIDEO_PUBLISHER))
        self._output = PictureOutput(self, self._settings)
        self._player = threading.Thread(target=self._play, name="player", daemon=True)
        self._player.start()

    def destroy_node(self) -> None:
        """Stop playing first."""
        self._stopping.set()
        if self._player is not None:
            self._player.join()
        super().destroy_node()

    def _play(self) -> None:
        """Runs in the player's thread."""
        played = 0
        try:
            self._wait_for_subscribers()
            for frame in self._paced(self._frames()):
                self._output.publish(frame, self._stamp(frame))
                played += 1
            self._finish()
        except HarError as error:
            self.get_logger().error(f"after {played} frames: {error}")
            self.exit_code = FAILED
            return
        except Exception as error:  # a thread's error would otherwise leave the node idle for ever
            if not self._stopping.is_set():
                self.get_logger().error(f"after {played} frames: {error!r}")
                self.exit_code = FAILED
            return
        self.get_logger().info(f"played {self._settings.video}: {played} frames")
        self.exit_code = 0

    def _frames(self) -> Iterator[Frame]:
        frames = frames_of(self._settings.video, self._settings.loop)
        return resample(frames, self._settings.fps) if self._settings.fps else frames

    def _paced(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Each frame when its time has come; a webcam sets the pace itself."""
        start: Optional[float] = None
        for frame in frames:
            due_sec = frame.stamp_ns / NANOSECONDS / self._settings.rate
            start = time.monotonic() - due_sec if start is None else start
            late = is_camera(self._settings.video)
            if not late and self._stopping.wait(max(0.0, start + due_sec - time.monotonic())):
                return
            if self._stopping.is_set():
                return
            yield frame

    def _stamp(self, frame: Frame) -> Any:
        if self._settings.stamps == "source":
            return Time(nanoseconds=frame.stamp_ns + NANOSECONDS).to_msg()  # stamp 0 would mean "not set"
        return self.get_clock().now().to_msg()

    def _wait_for_subscribers(self) -> None:
        wanted = self._settings.wait_for_subscribers
        while self._output.subscribers < wanted and not self._stopping.wait(LOOK_EVERY_SEC):
            pass
        if wanted:
            self._stopping.wait(MEET_SEC)

    def _finish(self) -> None:
        if not (self._settings.reliable and self._output.wait_for_all_acked(GRACE_SEC)):
            self._stopping.wait(GRACE_SEC)
