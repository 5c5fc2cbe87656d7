"""Memory while people come and go."""

import numpy as np
import psutil
import pytest

from opendr_har_core import Frame, Recognizer
from opendr_har_core.people.detector import Detections
from opendr_har_core.people.pipeline import PeoplePipeline
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings

FRAMES, FPS, PLACES, DETECTED_EVERY = 10_000, 60, 8, 12
COMES, LEAVES = 0.05, 0.05  # at each detection: people stay for four seconds on average


def visitors(seed=0):
    """Detections of 0 to 8 people, for every twelfth frame; all leave for the last five seconds."""
    rng = np.random.default_rng(seed)
    present = {}
    count = 0
    for number in range(0, FRAMES, DETECTED_EVERY):
        for place in range(PLACES):
            if place in present and (rng.random() < LEAVES or number > FRAMES - 5 * FPS):
                del present[place]
            elif place not in present and rng.random() < COMES and number <= FRAMES - 5 * FPS:
                count += 1
                present[place] = str(count)
        boxes = [(38 * place + rng.normal(), 20, 38 * place + 30, 200) for place in present]
        yield Detections(
            np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), tuple(present.values())
        )


@pytest.mark.slow
def test_ten_thousand_frames_with_people_coming_and_going_leave_memory_flat(record_property):
    recognizer = Recognizer.open("continual", threads=1)  # has the larger state
    pipeline = PeoplePipeline(recognizer, None, PeopleSettings(), StreamSettings(), LabelSettings())
    image = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    used, counts, labels, found = [], [], 0, visitors()
    for number in range(FRAMES):
        detections = next(found) if number % DETECTED_EVERY == 0 else None
        people = pipeline.push(Frame(image, number * 10**9 // FPS), detections).people
        labels += sum(person.is_new for person in people)
        if number % 10 == 9:
            counts.append(len(people))
            used.append(psutil.Process().memory_info().rss / 1e6)
    third = len(used) // 3
    middle, last = max(used[third : 2 * third]), max(used[2 * third :])
    report = {
        "labels": labels,
        "middle MB": middle,
        "last MB": last,
        "empty MB": used[-1],
        "people": float(np.mean(counts)),
    }
    record_property("memory", report)
    print(report)
    assert counts[-1] == 0
    assert max(counts) == PLACES
    assert labels > 1000
    assert last < middle + 9  # of 4.5 MB for each, there may be two more at once
    assert used[-1] < last - 3 * PLACES
