"""Events: a label began or ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from opendr_har_core.prediction import Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.postprocess import NO_CLASS

BEGAN, ENDED = "began", "ended"


@dataclass(frozen=True)
class LabelEvent:
    """The begin or end of a label.

    Attributes:
        kind: "began" or "ended".
        label, class_id: of the activity.
        score: probability in 0..1; for "ended", the mean over the label's predictions.
        stamp_ns: time of the event.
        began_ns: time of the label's begin.
        duration_sec: time since the begin.
        provisional: whether all predictions of the label so far are provisional.
    """

    kind: str
    label: str
    class_id: int
    score: float
    stamp_ns: int
    began_ns: int
    duration_sec: float
    provisional: bool


class LabelEvents:
    """Turns one stream's filtered predictions into events; the no-activity label only ends others."""

    def __init__(self) -> None:
        # The begin of the current label, the stamp of its latest prediction, and the sum and number of its scores.
        self._began: Optional[LabelEvent] = None
        self._latest_ns = 0
        self._total, self._count = 0.0, 0

    @property
    def label(self) -> Optional[str]:
        """The current label, or None."""
        return self._began.label if self._began else None

    def update(self, prediction: Prediction, no_activity_label: Optional[str] = None) -> Tuple[LabelEvent, ...]:
        """Events of a prediction from a LabelFilter, "ended" before "began".

        A class of the model named `no_activity_label` also counts as no activity.
        """
        shown, stamp, began = prediction.top[0], prediction.stamp_ns, self._began
        is_activity = shown.class_id != NO_CLASS and shown.label != no_activity_label
        # By label: its class id changes with the head.
        if began is not None and is_activity and began.label == shown.label:
            provisional = began.provisional and prediction.provisional
            self._began = replace(began, class_id=shown.class_id, provisional=provisional)
            self._latest_ns = stamp
            self._total, self._count = self._total + shown.score, self._count + 1
            return ()
        ended = self.close(stamp)
        if not is_activity:
            return ended
        began = LabelEvent(BEGAN, shown.label, shown.class_id, shown.score, stamp, stamp, 0.0, prediction.provisional)
        self._began, self._latest_ns = began, stamp
        self._total, self._count = shown.score, 1
        return (*ended, began)

    def close(self, stamp_ns: Optional[int] = None) -> Tuple[LabelEvent, ...]:
        """End the current label, if there is one.

        It ends at `stamp_ns`, or with the latest prediction if that is later or no stamp is given.
        """
        began, self._began = self._began, None
        if began is None:
            return ()
        stamp = self._latest_ns if stamp_ns is None else max(stamp_ns, self._latest_ns)
        duration_sec = (stamp - began.began_ns) / NANOSECONDS
        score = self._total / self._count
        return (replace(began, kind=ENDED, score=score, stamp_ns=stamp, duration_sec=duration_sec),)
