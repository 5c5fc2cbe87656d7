"""Gestures of real people, taught by other persons."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from opendr_har_core import Recognizer
from opendr_har_core.media.video import read_video
from opendr_har_core.teaching.fit import fit_head


@pytest.mark.slow
def test_three_showings_teach_a_gesture_that_others_perform(shared, record_property):
    recognizer = Recognizer.open("default")
    paths = sorted((shared / "videos" / "gestures_rgb").glob("PS7A*P*T*.avi"))
    features = {path.stem: recognizer.features(read_video(path)) for path in paths}
    right, known = 0, 0
    for person in "123":
        # Two showings by one of the others, one by the other.
        taught = [name for name in features if name[6] != person][::2]
        groups = groupby(sorted(taught, key=lambda name: name[4]), key=lambda name: name[4])
        examples = {action: [features[name] for name in names][:3] for action, names in groups}
        head = fit_head(examples, recognizer.head)
        for name in (name for name in features if name[6] == person):
            scores, novelty = head.apply(features[name], np.zeros((len(features[name]), 0), np.float32))
            right += head.labels[int(scores.mean(axis=0).argmax())] == name[4]
            known += bool((novelty <= 1).mean() > 0.5)
    record_property("right", f"{right}/27")
    assert right >= 26
    assert known >= 24
