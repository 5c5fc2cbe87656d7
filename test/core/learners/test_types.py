"""Image, Video and Category behave as OpenDR documents them."""

from __future__ import annotations

import copy
import pickle

import cv2
import numpy as np
import pytest

from opendr_har_core.errors import ConfigError, ImageError, VideoError
from opendr_har_core.learners.types import Category, Image, Video

RED = np.zeros((3, 4, 6), np.uint8)
RED[0] = 200


def test_an_opencv_picture_becomes_channels_first_rgb():
    bgr = np.zeros((4, 6, 3), np.uint8)
    bgr[:, :, 2] = 200
    image = Image(bgr)
    assert np.array_equal(image.data, RED)
    assert image.data.dtype == np.uint8
    assert np.array_equal(image.numpy(), image.data)
    assert np.array_equal(image.opencv(), bgr)


@pytest.mark.parametrize(
    ("format", "order", "shape", "red"),
    [
        ("channels_first", "rgb", (3, 4, 6), np.s_[0]),
        ("channels_first", "bgr", (3, 4, 6), np.s_[2]),
        ("channels_last", "rgb", (4, 6, 3), np.s_[:, :, 0]),
        ("channels_last", "bgr", (4, 6, 3), np.s_[:, :, 2]),
    ],
)
def test_convert_gives_every_layout(format, order, shape, red):
    converted = Image(RED).convert(format, order)
    assert converted.shape == shape
    assert converted[red].min() == 200
    assert converted.sum() == RED.sum()
    with pytest.raises(ConfigError, match="expected one of"):
        Image(RED).convert(format, order + "a")


def test_a_picture_file_is_read_as_rgb(tmp_path):
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), Image(RED).opencv())
    assert np.array_equal(Image.open(path).data, RED)
    with pytest.raises(ImageError, match="no image file"):
        Image.open(tmp_path / "gone.png")
    (tmp_path / "odd.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match="can't be decoded"):
        Image.open(tmp_path / "odd.png")


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (2, 3, 4, 6), (3, 0, 6)])
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(ImageError, match=r"shape \(3, height, width\)"):
        Image(np.zeros(shape, np.uint8))


def test_floats_are_not_cut_to_bytes_silently():
    with pytest.raises(ImageError, match="float32"):
        Image(np.full((3, 4, 6), 0.5))
    assert Image(np.full((3, 4, 6), 0.5), dtype=np.float32).data.dtype == np.float32
    assert Image(np.full((3, 4, 6), 7.0)).data.dtype == np.uint8
    with pytest.raises(ImageError, match="from 256 to 256"):
        Image(np.full((3, 4, 6), 256))


@pytest.mark.parametrize("kind", [Image, Video])
def test_an_empty_one_says_so(kind):
    with pytest.raises((ImageError, VideoError), match="is empty"):
        _ = kind().data


def test_a_video_keeps_bytes_and_floats_apart():
    assert Video(np.zeros((3, 2, 4, 6), np.uint8)).data.dtype == np.uint8
    assert Video(np.zeros((3, 2, 4, 6), np.int64)).data.dtype == np.uint8
    assert Video(np.zeros((3, 2, 4, 6))).numpy().dtype == np.float32


@pytest.mark.parametrize("data", [np.zeros((3, 4, 6)), np.zeros((2, 3, 4, 6)), [["a"]], np.full((3, 1, 2, 2), -1)])
def test_a_video_of_another_kind_is_refused(data):
    with pytest.raises(VideoError):
        Video(data)


def test_a_category_holds_class_name_confidence_and_all_scores():
    category = Category(1, "archery", np.array([0.1, 0.7, 0.2]))
    assert (category.data, category.description) == (1, "archery")
    assert category.confidence == pytest.approx(0.7)
    assert category.scores == pytest.approx([0.1, 0.7, 0.2])
    assert str(category) == "Class 1 (archery) with confidence 0.700"
    assert f"{category.confidence:.2f}" == "0.70"


def test_confidence_also_answers_as_the_vector_that_opendr_documents():
    torch = pytest.importorskip("torch")
    confidence = Category(1, confidence=torch.tensor([0.1, 0.7, 0.2])).confidence
    assert float(confidence.max()) == pytest.approx(0.7)
    assert torch.topk(confidence, 2).indices.tolist() == [1, 2]
    assert torch.max(input=confidence).item() == pytest.approx(0.7)
    assert float(confidence[2]) == pytest.approx(0.2)
    assert confidence.shape == (3,)
    assert len(list(confidence)) == len(confidence) == 3
    assert 0.6 < confidence < 0.8


def test_a_category_can_be_copied_and_sent_to_another_process():
    category = Category(1, "archery", np.array([0.1, 0.7, 0.2]))
    for twin in (copy.deepcopy(category), pickle.loads(pickle.dumps(category))):
        assert (twin.data, twin.description, twin.confidence) == (1, "archery", category.confidence)
        assert np.array_equal(twin.scores, category.scores)
