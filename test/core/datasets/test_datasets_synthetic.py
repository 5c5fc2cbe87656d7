"""The dataset of drawn clips: as many as wanted, always the same ones."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.synthetic import DrawnDataset
from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.config import X3DConfig
from opendr_har_core.synthetic.actions import ACTIONS

CLIP = ClipSpec(frames=3, stride=12, train_fps=30.0, image_size=48)


def test_items_are_clips_as_networks_want_them_and_each_is_drawn_the_same_again():
    clips = DrawnDataset(CLIP, 2, first_seed=7)
    assert len(clips) == 2 * len(ACTIONS)
    assert clips.targets == [*range(len(ACTIONS))] * 2
    clip, target = clips[4]
    assert (clip.dtype, tuple(clip.shape), target) == (torch.uint8, (3, 3, 48, 48), 4)
    assert torch.equal(clip, DrawnDataset(CLIP, 1, first_seed=7)[4][0])
    assert not torch.equal(clip, clips[4 + len(ACTIONS)][0])


def test_frames_are_as_far_apart_as_the_network_wants_them():
    near = DrawnDataset(ClipSpec(2, 1, 30.0, 48), 1, actions=["walking"])[0][0].float()
    far = DrawnDataset(ClipSpec(2, 12, 30.0, 48), 1, actions=["walking"])[0][0].float()
    assert torch.equal(near[:, 0], far[:, 0])
    assert (far[:, 1] - far[:, 0]).abs().mean() > (near[:, 1] - near[:, 0]).abs().mean()


def test_some_actions_may_have_more_clips():
    clips = DrawnDataset(CLIP, 3, actions=("bending", "walking"), shares={"walking": 2})
    assert clips.targets == [0, 1, 1] * 3
    assert not torch.equal(clips[1][0], clips[2][0])


def test_a_network_without_training_data_learns_from_it():
    from opendr_har_core.networks.x3d import X3D
    from opendr_har_core.training.fit import fit
    from opendr_har_core.training.settings import TrainingSettings

    clips = DrawnDataset(CLIP, 2, actions=("no activity", "jumping jacks"))
    torch.manual_seed(0)
    config = X3DConfig("tiny", 48, 3, 12, (1, 1, 1, 1), (8, 8, 8, 8), 8, head_width=16)
    report = fit(X3D(config, 2), clips, settings=TrainingSettings(epochs=2, batch_size=4))
    assert report.epochs == 2


@pytest.mark.parametrize(
    ("arguments", "named"), [({"actions": ["flying"]}, "'flying'.*'walking'"), ({"clips_per_action": 0}, "is 0")]
)
def test_what_can_not_be_drawn_is_refused(arguments, named):
    with pytest.raises(ConfigError, match=named):
        DrawnDataset(CLIP, **{"clips_per_action": 1, **arguments})
