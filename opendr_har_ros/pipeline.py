"""What happens to one message between its arrival and a label, free of ROS's machinery."""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional

from opendr_har_core.frame import LazyFrame
from opendr_har_core.postprocess import FilterSettings, LabelFilter
from opendr_har_core.prediction import Prediction
from opendr_har_core.recognizer import Recognizer
from opendr_har_core.stream import StreamStatus
from opendr_har_ros.images import frame_from_compressed, frame_from_image
from opendr_har_ros.recognizer_parameters import COMPRESSED, RecognizerSettings

NANOSECONDS = 1_000_000_000
ToFrame = Callable[[Any, int], LazyFrame]


class Pipeline:
    """One camera: message -> frame -> sample -> step -> filter -> prediction."""

    def __init__(self, recognizer: Recognizer, settings: RecognizerSettings) -> None:
        """All of the settings but the filter's stay as they are."""
        self.recognizer = recognizer
        self._to_frame: ToFrame = frame_from_compressed if settings.transport == COMPRESSED else frame_from_image
        self._stream = recognizer.stream(settings.sampling, settings.max_gap_sec, top_k=1)
        self._filter = LabelFilter(settings.filter, recognizer.labels)
        self._lock = threading.Lock()

    @property
    def status(self) -> StreamStatus:
        """Where the stream stands after the latest message."""
        return self._stream.status

    def process(self, message: Any, stamp_ns: int) -> Optional[Prediction]:
        """The filtered prediction for a message, if it yields one; raises ImageError for an unreadable message."""
        with self._lock:
            prediction = self._stream.push(self._to_frame(message, stamp_ns))
            if self._stream.status.reset:
                self._filter.reset()
            return self._filter.update(prediction) if prediction else None

    def change_filter(self, settings: FilterSettings) -> None:
        """Use other filter settings from the next prediction on."""
        with self._lock:
            self._filter.settings = settings

    def reset(self) -> None:
        """Forget what was seen."""
        with self._lock:
            self._stream.reset()
            self._filter.reset()


def stamp_of(header: Any, received_ns: int) -> int:
    """The header's stamp in nanoseconds; a driver that leaves it zero gets the time of arrival."""
    stamp_ns = int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)
    return stamp_ns or received_ns
