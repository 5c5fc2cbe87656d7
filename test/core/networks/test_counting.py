"""What the networks cost, against the published figures and against counting by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from opendr_har_core.networks.config import X3D_CONFIGS, x3d_config
from opendr_har_core.networks.counting import MultiplyAddCounter, clip_cost, evaluation_cost, parameters, step_cost
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.layers import TemporalConv
from opendr_har_core.networks.x3d import X3D

# SlowFast's model zoo, "FLOPs (G)": one clip at the size that the networks were trained with.
PUBLISHED_GIGA = {"xs": 0.60, "s": 1.96, "m": 4.73, "l": 18.37}
# The paper's table 4, "GFLOPs x views": one view at the size that its test used (TEST_CROP_SIZE).
PUBLISHED_GIGA_IN_TEST = {"m": (256, 6.2), "l": (356, 24.8)}


def network(size, kind=X3D, **arguments):
    with torch.device("meta"):
        return kind(x3d_config(size), **arguments)


@pytest.mark.parametrize(
    ("size", "expected"), [("xs", 3_794_322), ("s", 3_794_322), ("m", 3_794_322), ("l", 6_153_432)]
)
def test_parameters_are_the_published_ones(size, expected):
    assert parameters(network(size)) == expected
    assert parameters(network(size, CoX3D)) == expected


@pytest.mark.parametrize("size", sorted(PUBLISHED_GIGA))
def test_a_clip_costs_what_was_published(size):
    cost = clip_cost(network(size))
    assert cost.multiply_adds / 1e9 == pytest.approx(PUBLISHED_GIGA[size], rel=0.01)
    assert cost.flops == 2 * cost.multiply_adds


@pytest.mark.parametrize("size", sorted(PUBLISHED_GIGA_IN_TEST))
def test_a_larger_image_costs_what_was_published(size):
    side, published = PUBLISHED_GIGA_IN_TEST[size]
    assert clip_cost(network(size), image_size=side).multiply_adds / 1e9 == pytest.approx(published, rel=0.01)


def test_layers_counted_by_hand():
    x = torch.zeros(2, 6, 4, 10, 8)
    conv = nn.Conv3d(6, 12, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), groups=3)
    linear = nn.Linear(7, 5)
    with MultiplyAddCounter() as counter:
        y = conv(x)
        linear(torch.zeros(3, 7))
    assert y.shape == (2, 12, 4, 5, 4)
    by_hand = 2 * 12 * 4 * 5 * 4 * (2 * 1 * 3 * 3)  # outputs times inputs per output
    assert counter.total == by_hand + 3 * 5 * 7


def test_the_function_that_a_step_convolves_with_is_counted():
    conv = TemporalConv(8, (3, 3))
    with MultiplyAddCounter() as counter:
        conv.step(torch.zeros(1, 8, 2, 5, 5), torch.zeros(1, 8, 5, 5))
    assert counter.total == 8 * 5 * 5 * 27


def test_the_stem_of_a_step_counted_by_hand():
    one = network("s", CoX3D)
    with torch.no_grad(), MultiplyAddCounter() as counter:
        state = one.initial_state()
        one.stem.step(torch.zeros(1, 3, 160, 160, device="meta"), state.stem)
    assert counter.total == 24 * 80 * 80 * (27 + 5)


def test_a_step_costs_one_frame_of_a_clip():
    """Everything before the head's pooling is done once a frame, attention and classifier once an evaluation."""
    frames = X3D_CONFIGS["s"].frames
    clip, step = clip_cost(network("s")), step_cost(network("s", CoX3D))
    assert clip.multiply_adds / frames < step.multiply_adds < 1.02 * clip.multiply_adds / frames


def test_cost_grows_with_the_batch_and_follows_the_number_of_classes():
    one = network("s", CoX3D, num_classes=7)
    assert step_cost(one, batch=3).multiply_adds == 3 * step_cost(one).multiply_adds
    dearer = step_cost(network("s", CoX3D)).multiply_adds - step_cost(one).multiply_adds
    assert dearer == 393 * 2048


def test_counting_leaves_the_network_as_it_is():
    with torch.random.fork_rng():
        own = CoX3D(x3d_config("xs"), num_classes=3).train()
    before = {name: tensor.clone() for name, tensor in own.state_dict().items()}
    assert evaluation_cost(own) == step_cost(own)
    assert own.training
    assert all(tensor.equal(before[name]) for name, tensor in own.state_dict().items())
