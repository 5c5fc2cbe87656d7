"""When a label began and when it ended, from the predictions that people are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from opendr_har_core.prediction import Hypothesis, Prediction
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.postprocess import NO_CLASS

BEGAN, ENDED = "began", "ended"


@dataclass(frozen=True)
class LabelEvent:
    """A label began or ended.

    Attributes:
        kind: "began" or "ended".
        label, class_id: which.
        score: probability in 0..1; when it ended, the mean of those with which it was shown.
        stamp_ns: when.
        began_ns: when it began; `stamp_ns` itself for "began".
        duration_sec: time between the two.
        provisional: whether it has been shown by provisional predictions only, so far.
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
        """What messages say of it besides its kind and label, as they write it."""
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
    """The label that is shown, since when, and the sum of its `count` scores."""

    shown: Hypothesis
    began_ns: int
    latest_ns: int
    provisional: bool
    total: float
    count: int = 1


class LabelEvents:
    """Turns one stream's filtered predictions into events; the no-activity label makes none, it only ends others."""

    def __init__(self) -> None:
        self._holding: Optional[_Holding] = None

    def update(self, prediction: Prediction, no_activity_label: Optional[str] = None) -> Tuple[LabelEvent, ...]:
        """What a prediction that comes out of a LabelFilter begins and ends; an end stands before a beginning.

        A class of the model's own that is called `no_activity_label` is taken for what it says.
        """
        shown, holding = prediction.top[0], self._holding
        if holding is not None and holding.shown.class_id == shown.class_id:
            self._holding = _longer(holding, prediction)
            return ()
        ended = self.close(prediction.stamp_ns)
        if shown.class_id == NO_CLASS or shown.label == no_activity_label:
            return ended
        stamp = prediction.stamp_ns
        self._holding = _Holding(shown, stamp, stamp, prediction.provisional, shown.score)
        return (*ended, _began(self._holding))

    def close(self, stamp_ns: Optional[int] = None) -> Tuple[LabelEvent, ...]:
        """End the label that holds, where one does: the history is forgotten, or nobody looks any more.

        It ends at `stamp_ns`, or with the latest prediction: where none is given, or an earlier one, since a clock
        that was set back does not undo what was seen.
        """
        holding, self._holding = self._holding, None
        return () if holding is None else (_ended(holding, stamp_ns),)


def _longer(holding: _Holding, prediction: Prediction) -> _Holding:
    return _Holding(
        prediction.top[0],
        holding.began_ns,
        prediction.stamp_ns,
        holding.provisional and prediction.provisional,
        holding.total + prediction.score,
        holding.count + 1,
    )


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
