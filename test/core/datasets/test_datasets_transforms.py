"""Augmentation of uint8 clips, repeatable by seed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from opendr_har_core.datasets.augmentation import AugmentationSettings
from opendr_har_core.datasets.transforms import BLANK, EvalTransform, TrainTransform, may_mirror
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.synthetic.scene import render_clip

PLAIN = {"flip": False, "scale": (1.0, 1.0), "colour": 0.0, "erase": 0.0}


@pytest.fixture(scope="module")
def frames():
    return torch.from_numpy(np.stack([frame.rgb for frame in render_clip("walking", 0.3, size=(90, 120), seed=2)]))


def test_evaluation_prepares_frames_as_a_recognizer_does(frames):
    clip = EvalTransform(48)(frames)
    assert clip.shape == (3, len(frames), 48, 48)
    assert clip.dtype == torch.uint8
    assert np.array_equal(clip[:, 2].permute(1, 2, 0).numpy(), to_network_input(frames[2].numpy(), 48))


def test_training_gives_uint8_clips_that_a_seed_repeats(frames):
    transform = TrainTransform(48)
    torch.manual_seed(5)
    first, second = transform(frames), transform(frames)
    torch.manual_seed(5)
    assert torch.equal(first, transform(frames))
    assert not torch.equal(first, second)
    assert first.shape == (3, len(frames), 48, 48)
    assert first.dtype == torch.uint8
    still = TrainTransform(48, erase=1.0)(frames[:1].repeat(5, 1, 1, 1))  # all frames have the same augmentation
    assert all(torch.equal(still[:, 0], still[:, t]) for t in range(5))


def test_half_of_the_clips_are_mirrored_and_none_when_told(frames):
    square = frames[:, :, 15:105]
    plain = EvalTransform(48)(square)
    flips = [torch.equal(TrainTransform(48, **{**PLAIN, "flip": True})(square), plain.flip(3)) for _ in range(60)]
    assert 15 <= sum(flips) <= 45
    assert all(torch.equal(TrainTransform(48, **PLAIN)(square), plain) for _ in range(20))


def test_colours_vary_within_their_range():
    grey = torch.full((2, 60, 60, 3), 100, dtype=torch.uint8)
    torch.manual_seed(0)
    values = [int(TrainTransform(48, **{**PLAIN, "colour": 0.2})(grey)[0, 0, 0, 0]) for _ in range(60)]
    assert 79 <= min(values) < 90
    assert 110 < max(values) <= 121


def test_a_rectangle_is_blanked_with_the_mean():
    white = torch.full((3, 60, 60, 3), 255, dtype=torch.uint8)
    torch.manual_seed(0)
    for _ in range(20):
        clip = TrainTransform(48, **{**PLAIN, "erase": 1.0})(white)
        blank = (clip == BLANK).all(dim=0)
        share = blank[0].float().mean().item()
        assert 0.01 <= share <= 0.24
        rows, columns = blank[0].any(1).sum(), blank[0].any(0).sum()
        assert rows * columns == blank[0].sum()


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (["waving", "walking"], True),
        (["turn left", "turn right"], False),
        (["swipe_right", "none"], False),
        (["bright lights", "leftovers"], True),
    ],
)
def test_classes_with_left_or_right_in_their_name_are_not_mirrored(names, allowed):
    assert may_mirror(LabelMap(names)) is allowed


@pytest.mark.parametrize("wrong", [{"scale": (0.5, 1)}, {"colour": 1.0}, {"erase": 2}, {"erase_area": (0.5, 0.1)}])
def test_wrong_ranges_are_errors(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TrainTransform(48, **wrong)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, TrainTransform(32)),
        ({"flip": "never", "colour": 0.4, "erase": 0.5}, TrainTransform(32, flip=False, colour=0.4, erase=0.5)),
        ({"no_augmentation": True}, EvalTransform(32)),
    ],
)
def test_settings_of_augmentation_make_the_transform(settings, expected):
    assert AugmentationSettings(**settings).transform(32, LabelMap(["a", "b"])) == expected


def test_clips_are_not_mirrored_if_class_names_say_left_or_right_unless_asked():
    labels = LabelMap(["raising the left arm", "raising the right arm"])
    assert AugmentationSettings().transform(32, labels).flip is False
    assert AugmentationSettings(flip="half").transform(32, labels).flip is True
