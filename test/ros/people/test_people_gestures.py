"""Two real people side by side in one camera's images, through the node over DDS with the packaged detector."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
from people_support import PARAMETERS, Scene, mean_labels, side_by_side

from opendr_har_core import Frame
from opendr_har_core.media.video import read_video

WANTED = {"1": "raising both arms", "2": "waving one hand", "3": "raising both arms"}
NAMES = [f"PS7A{action}P{person}T{trial}" for action in "123" for person in "123" for trial in "123"]
# Pairs of different persons; each video is once on the left and once on the right.
PAIRS = [(name, NAMES[(index + 13) % len(NAMES)]) for index, name in enumerate(NAMES)]
PASSES = 2  # of the longer video; the shorter one starts again until then
EVERY = 3  # of 30 frames a second
WIDTH = 640


def frames_of(shared, pair, start_ns):
    """Frames of two videos side by side, ten a second."""
    paths = [str(shared / "videos" / "gestures_rgb" / f"{name}.avi") for name in pair]
    left, right = ([frame.rgb for frame in read_video(path)] for path in paths)
    for index in range(0, PASSES * max(len(left), len(right)), EVERY):
        rgb = side_by_side(left[index % len(left)], right[index % len(right)])
        yield Frame(rgb, start_ns + index * 10**9 // 30)


def seen(scene, frames):
    """({side: label}, {side: ids}) of the people in these frames."""
    messages = [scene.show(frame) for frame in frames]
    ids = {}
    for message in messages:
        for person in message.detections:
            ids.setdefault(side_of(person), set()).add(person.id)
    return mean_labels(messages, side_of), ids


def side_of(person):
    return int(person.bbox.center.position.x > WIDTH)


def wanted(pair):
    return {side: WANTED[name[4]] for side, name in enumerate(pair)}


def test_both_people_of_a_pair_have_their_own_label_and_one_id(shared, start, client):
    pair = PAIRS[0]
    start("people", {**PARAMETERS, "top_k": 9})
    labels, ids = seen(Scene(client, with_detector=False), frames_of(shared, pair, 0))
    assert labels == wanted(pair)
    assert [len(each) for each in ids.values()] == [1, 1]


@pytest.mark.slow
def test_of_all_pairs_at_least_52_of_54_people_have_the_right_label_and_nobody_changes_the_id(shared, start, client):
    start("people", {**PARAMETERS, "top_k": 9})
    scene = Scene(client, with_detector=False)
    right, switches, wrong = 0, 0, []
    for index, pair in enumerate(PAIRS):
        labels, ids = seen(scene, frames_of(shared, pair, index * 60 * 10**9))  # the gap ends all tracks
        for side, label in wanted(pair).items():
            right += labels.get(side) == label
            if labels.get(side) != label:
                wrong.append((pair[side], labels.get(side)))
        switches += sum(len(each) - 1 for each in ids.values())
    print(f"{right} of 54 right, {switches} id switches, wrong: {wrong}")
    assert right >= 52, wrong
    assert switches == 0
