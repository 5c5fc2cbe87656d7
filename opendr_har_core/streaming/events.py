"""Events: a label began or ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Optional, Tuple

from opendr_har_core.prediction import Hypothesis, Prediction
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

    def values(self) -> Dict[str, str]:
        """Key-value pairs of a diagnostic message, besides kind and label."""
        began_sec, began_nanosec = divmod(self.began_ns, NANOSECONDS)
        return {
            "class_id": str(self.class_id),
            "score": f"{self.score:.6f}",
            "began_sec": f"{began_sec}.{began_nanosec:09d}",  # a float has too few digits for today's nanoseconds
            "duration_sec": f"{self.duration_sec:.3f}",
            "provisional": str(self.provisional).lower(),
        }


@dataclass(frozen=True)
class _Holding:
    """The current label, its begin, and the sum of its `count` scores."""

    shown: Hypothesis
    began_ns: int
    latest_ns: int
    provisional: bool
    total: float
    count: int = 1


class LabelEvents:
    """Turns one stream's filtered predictions into events; the no-activity label only ends others."""

    def __init__(self) -> None:
        self._holding: Optional[_Holding] = None

    def update(self, prediction: Prediction, no_activity_label: Optional[str] = None) -> Tuple[LabelEvent, ...]:
        """Events of a prediction from a LabelFilter, "ended" before "began".

        A class of the model named `no_activity_label` also counts as no activity.
        """
        shown, holding = prediction.top[0], self._holding
        if holding is not None and holding.shown.class_id == shown.class_id:
            self._holding = replace(
                holding,
                shown=shown,
                latest_ns=prediction.stamp_ns,
                provisional=holding.provisional and prediction.provisional,
                total=holding.total + shown.score,
                count=holding.count + 1,
            )
            return ()
        ended = self.close(prediction.stamp_ns)
        if shown.class_id == NO_CLASS or shown.label == no_activity_label:
            return ended
        stamp = prediction.stamp_ns
        self._holding = _Holding(shown, stamp, stamp, prediction.provisional, shown.score)
        return (*ended, _began(self._holding))

    def close(self, stamp_ns: Optional[int] = None) -> Tuple[LabelEvent, ...]:
        """End the current label, if there is one.

        It ends at `stamp_ns`, or with the latest prediction if that is later or no stamp is given.
        """
        holding, self._holding = self._holding, None
        return () if holding is None else (_ended(holding, stamp_ns),)


def _began(holding: _Holding) -> LabelEvent:
    shown, began = holding.shown, holding.began_ns
    return LabelEvent(BEGAN, shown.label, shown.class_id, shown.score, began, began, 0.0, holding.provisional)


def _ended(holding: _Holding, stamp_ns: Optional[int]) -> LabelEvent:
    stamp = holding.latest_ns if stamp_ns is None else max(stamp_ns, holding.latest_ns)
    return LabelEvent(
        ENDED,
        holding.shown.label,
        holding.shown.class_id,
        holding.total / holding.count,
        stamp,
        holding.began_ns,
        (stamp - holding.began_ns) / NANOSECONDS,
        holding.provisional,
    )
