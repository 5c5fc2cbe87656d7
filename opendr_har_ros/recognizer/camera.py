"""One camera of the recognizer node."""

from __future__ import annotations

from typing import Any, List, Optional

import numpy as np

from opendr_har_core.frame import LazyFrame
from opendr_har_core.media.annotate import annotate
from opendr_har_core.prediction import Prediction
from opendr_har_ros.common.camera import Camera
from opendr_har_ros.recognizer.outputs import LabelOutput
from opendr_har_ros.recognizer.pipeline import ImageOutcome


class ImageCamera(Camera):
    """A camera whose whole image has a label; its stream's state is in the pipeline."""

    output: LabelOutput

    def __init__(self, node: Any, name: str) -> None:
        super().__init__(node, name)
        self.output = LabelOutput(node, name)
        self._shown: Optional[Prediction] = None

    def publish(self, outcome: ImageOutcome, header: Any, class_id_format: str) -> Optional[int]:
        """Publish the label on all topics."""
        for _, prediction in outcome.predictions:
            self._shown = prediction
            self.output.publish(prediction, header, class_id_format)
            return prediction.stamp_ns
        return None

    def picture(self, outcome: ImageOutcome, frame: LazyFrame, lines: List[str]) -> np.ndarray:
        """The image with the newest label, and the stream's status while it warms up."""
        warming = outcome.status is not None and outcome.status.phase != "running"
        return annotate(frame.rgb, self._shown, [*[str(outcome.status)] * warming, *lines])

    def forget(self) -> None:
        """Show no label until there is a new one."""
        self._shown = None

    def pause(self) -> None:
        """Publish that it is not known what is going on."""
        self.output.clear_activity()
