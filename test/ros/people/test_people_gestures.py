"""Two to four real people side by side in one camera's images, through the node over DDS with the packaged detector."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
import numpy as np
from people_support import PARAMETERS, Scene, mean_labels

from opendr_har_core import Frame
from opendr_har_core.media.video import read_video

WANTED = {"1": "raising both arms", "2": "waving one hand", "3": "raising both arms"}
NAMES = [f"PS7A{action}P{person}T{trial}" for action in "123" for person in "123" for trial in "123"]
PASSES = 2  # of the longest video; shorter ones start again until then
EVERY = 3  # of 30 frames a second
WIDTH = 640


def groups(count):
    """Groups of different persons: of two, each video twice; of three, once; of four, one video twice."""
    first = range(0, len(NAMES), 1 if count == 2 else count)
    return [[NAMES[(index + 13 * place) % len(NAMES)] for place in range(count)] for index in first]


def frames_of(shared, group, start_ns):
    """Frames of videos side by side, ten a second."""
    paths = [str(shared / "videos" / "gestures_rgb" / f"{name}.avi") for name in group]
    videos = [[frame.rgb for frame in read_video(path)] for path in paths]
    for index in range(0, PASSES * max(map(len, videos)), EVERY):
        rgb = np.concatenate([video[index % len(video)] for video in videos], axis=1)
        yield Frame(rgb, start_ns + index * 10**9 // 30)


def seen(scene, frames):
    """({place: label}, {place: ids}) of the people in these frames."""
    messages = [scene.show(frame) for frame in frames]
    ids = {}
    for message in messages:
        for person in message.detections:
            ids.setdefault(place_of(person), set()).add(person.id)
    return mean_labels(messages, place_of), ids


def place_of(person):
    return int(person.bbox.center.position.x // WIDTH)


def wanted(group):
    return {place: WANTED[name[4]] for place, name in enumerate(group)}


def test_both_people_of_a_pair_have_their_own_label_and_one_id(shared, start, client):
    pair = groups(2)[0]
    start("people", {**PARAMETERS, "top_k": 9})
    labels, ids = seen(Scene(client, with_detector=False), frames_of(shared, pair, 0))
    assert labels == wanted(pair)
    assert [len(each) for each in ids.values()] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size", "least"), [(2, 416, 52 / 54), (3, 640, 0.95), (4, 832, 0.95)])
def test_nearly_all_people_have_the_right_label_and_nobody_changes_the_id(shared, start, client, count, size, least):
    start("people", {**PARAMETERS, "top_k": 9, "detector_size": size})
    scene = Scene(client, with_detector=False)
    total, right, switches, wrong = 0, 0, 0, []
    for index, group in enumerate(groups(count)):
        labels, ids = seen(scene, frames_of(shared, group, index * 60 * 10**9))  # the gap ends all tracks
        for place, label in wanted(group).items():
            total += 1
            right += labels.get(place) == label
            if labels.get(place) != label:
                wrong.append((group[place], labels.get(place)))
        switches += sum(len(each) - 1 for each in ids.values())
    print(f"{right} of {total} right, {switches} id switches, wrong: {wrong}")
    assert right >= least * total, wrong
    assert switches == 0
