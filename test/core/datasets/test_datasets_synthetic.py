"""SyntheticDataset: rendered clips, always the same for a seed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.synthetic import SyntheticDataset
from opendr_har_core.errors import ConfigError
from opendr_har_core.synthetic.actions import ACTIONS

CLIP = ClipSpec(frames=3, stride=12, train_fps=30.0, image_size=48)


def test_an_item_is_a_clip_that_is_always_rendered_the_same():
    clips = SyntheticDataset(CLIP, 2, first_seed=7)
    assert len(clips) == 2 * len(ACTIONS)
    assert clips.targets == [*range(len(ACTIONS))] * 2
    clip, target = clips[4]
    assert (clip.dtype, tuple(clip.shape), target) == (torch.uint8, (3, 3, 48, 48), 4)
    assert torch.equal(clip, SyntheticDataset(CLIP, 1, first_seed=7)[4][0])
    assert not torch.equal(clip, clips[4 + len(ACTIONS)][0])


def test_frames_have_the_stride_of_the_network():
    near = SyntheticDataset(ClipSpec(2, 1, 30.0, 48), 1, actions=["walking"])[0][0].float()
    far = SyntheticDataset(ClipSpec(2, 12, 30.0, 48), 1, actions=["walking"])[0][0].float()
    assert torch.equal(near[:, 0], far[:, 0])
    assert (far[:, 1] - far[:, 0]).abs().mean() > (near[:, 1] - near[:, 0]).abs().mean()


def test_an_action_can_have_more_clips():
    clips = SyntheticDataset(CLIP, 3, actions=("bending", "walking"), shares={"walking": 2})
    assert clips.targets == [0, 1, 1] * 3
    assert not torch.equal(clips[1][0], clips[2][0])


@pytest.mark.parametrize(
    ("arguments", "named"), [({"actions": ["flying"]}, "'flying'.*'walking'"), ({"clips_per_action": 0}, "is 0")]
)
def test_wrong_arguments_are_errors(arguments, named):
    with pytest.raises(ConfigError, match=named):
        SyntheticDataset(CLIP, **{"clips_per_action": 1, **arguments})
