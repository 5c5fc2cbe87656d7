"""The packaged person detector, and detections from outside."""

import numpy as np
import pytest

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.media.video import read_video
from opendr_har_core.people.detector import MODEL, Detections, NanoDet


@pytest.fixture(scope="module")
def detector():
    return NanoDet(threads=1)


def test_it_is_small():
    assert MODEL.stat().st_size <= 8e6


@pytest.mark.parametrize(("video", "people"), [("gestures_rgb/PS7A2P1T1.avi", 1), ("labelled/archery.mp4", 2)])
def test_it_finds_people_in_real_videos(detector, shared, video, people):
    frame = next(read_video(shared / "videos" / video))
    found = detector.detect(np.ascontiguousarray(frame.rgb))
    assert (found.scores > 0.5).sum() == people
    assert (found.boxes[0, 2:] > found.boxes[0, :2]).all()


def test_it_equals_the_network_that_it_was_cut_from(detector, shared):
    """Person logits and distances of NanoDet-g, whose class scores are behind a sigmoid, on the same pixels."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(shared / "detector" / "nanodet_g_416.onnx"))
    image = np.random.default_rng(0).integers(0, 256, (1, 416, 416, 3), np.uint8)
    ours = detector._sessions.run(1, lambda session: session.run(None, {"image": image}))
    bgr = image[0, :, :, ::-1].astype(np.float32)
    pixels = ((bgr - (103.53, 116.28, 123.675)) / (57.375, 57.12, 58.395)).astype(np.float32).transpose(2, 0, 1)[None]
    theirs = session.run(None, {session.get_inputs()[0].name: pixels})
    for cells, scores, distances in zip(ours, theirs[:3], theirs[3:]):
        flat = cells[0].reshape(45, -1).T
        assert np.abs(1 / (1 + np.exp(-flat[:, 0])) - scores[0, :, 0]).max() < 0.01  # weights are float16
        assert np.abs(flat[:, 1:] - distances[0]).max() < 0.05


def test_a_size_that_does_not_fit_is_an_error():
    with pytest.raises(ConfigError, match="multiple of 32"):
        NanoDet(400)


HOSTILE = [
    ((np.nan, 0, 10, 10), 0.9),
    ((0, 0, np.inf, 10), 0.9),
    ((10, 10, 5, 20), 0.9),
    ((0, 0, 0, 0), 0.9),
    ((-1e9, 0, 1e9, 10), 0.9),
    ((0, 0, 10, 10), 1.5),
    ((0, 0, 10, 10), np.nan),
]


@pytest.mark.parametrize(("box", "score"), HOSTILE)
def test_unusable_boxes_are_left_out_and_counted(box, score):
    found, left_out = Detections.checked([box, (0, 0, 10, 20)], [score, 0.5])
    assert left_out == 1
    assert found.boxes.tolist() == [[0, 0, 10, 20]]


def test_of_a_thousand_boxes_the_best_hundred_are_used_and_of_repeated_ids_the_best_one():
    boxes, scores = np.tile([0, 0, 10, 10], (1000, 1)), np.linspace(0, 1, 1000)
    found, left_out = Detections.checked(boxes, scores)
    assert (len(found.boxes), left_out) == (100, 900)
    assert found.scores[0] == 1
    found, left_out = Detections.checked(boxes[:3], [0.3, 0.8, 0.5], ["a", "a", "b"])
    assert (found.ids, left_out) == (("a", "b"), 1)


def test_boxes_without_scores_are_an_error():
    with pytest.raises(DataError, match="expected one for each"):
        Detections.checked([(0, 0, 1, 1)], [])
