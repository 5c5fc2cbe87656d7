"""Evaluation over clips and frame by frame."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
import numpy as np
from training_cases import TINY, CoX3D, Ramps, quick, tiny

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.networks.x3d import standardized
from opendr_har_core.training.evaluate import confusion_picture, evaluate, score, step_over_clips
from opendr_har_core.training.fit import fit

LONG = 24


def test_the_numbers_of_a_report():
    logits = torch.eye(6)[[0, 1, 1, 5]] * 10
    logits[2, 2] = 1.0  # second best
    logits[3, 0] = -50.0  # the worst
    report = score(logits, torch.tensor([0, 1, 2, 0]), list("abcdef"))
    assert report.accuracy == 0.5
    assert report.top5 == 0.75
    assert report.per_class == {"a": 0.5, "b": 1.0, "c": 0.0}
    assert report.count == report.confusion.sum() == 4
    assert report.confusion.dtype == np.int64
    assert (report.confusion[2, 1], report.confusion[0, 5]) == (1, 1)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0]))
    assert report.loss == pytest.approx(float(expected))
    assert report.to_dict()["accuracy"] == 0.5
    assert report.to_dict()["loss"] == report.loss


def test_evaluation_changes_nothing_and_does_not_depend_on_the_batch():
    network = tiny().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    reports = [evaluate(network, Ramps(7), batch_size=size) for size in (1, 4, 64)]
    assert len({round(report.loss, 5) for report in reports}) == 1
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_steps_limits_the_number_of_batches():
    assert evaluate(tiny(), Ramps(10), batch_size=3, steps=2).count == 6
    assert evaluate(tiny(), Ramps(4), batch_size=3, steps=9).count == 4


@pytest.mark.slow
def test_frame_by_frame_it_agrees_with_clips_on_an_easy_case():
    torch.manual_seed(1)
    network = CoX3D(replace(TINY, frames=LONG), 2)
    fit(network, Still(), settings=quick(epochs=20, lr=2e-3))
    clips, steps = evaluate(network, Still()), evaluate(network, Still(), stepwise=True)
    assert clips.accuracy == steps.accuracy == 1
    assert (clips.confusion == steps.confusion).all()


class Still(Ramps):
    """Clips that repeat one dark or bright frame, long enough for most frames to be far from temporal padding."""

    def __getitem__(self, index):
        clip, target = super().__getitem__(index)
        return clip[:, target * 2].unsqueeze(1).expand(3, LONG, 32, 32).contiguous() // (1 + target), target


def test_stepping_ends_in_steady_state():
    """More repetitions of the clip change nothing: no temporal padding is left."""
    network = tiny(CoX3D).eval()
    x = standardized(Ramps(2)[1][0][None], network.spec)
    with torch.inference_mode():
        once = step_over_clips(network, x)
        state = network.initial_state(1)
        delay, frames = network.config.delay, x.shape[2]
        for step in range(delay + 5 * frames + delay):
            logits, state = network.step(x[:, :, (step - delay) % frames], state)
    torch.testing.assert_close(once, logits)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"stepwise": True}, ConfigError, "only a CoX3D can be evaluated frame by frame"),
        ({"steps": 0}, ConfigError, "steps is 0, expected a whole number, 1 or more"),
    ],
)
def test_wrong_arguments_are_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        evaluate(tiny(), Ramps(4), **arguments)


def test_data_that_does_not_fit_is_an_error():
    with pytest.raises(ConfigError, match="the evaluation dataset has 2 classes, the network 3"):
        evaluate(tiny(num_classes=3), Ramps(4))
    with pytest.raises(DataError, match="the evaluation dataset has no clips"):
        evaluate(tiny(), Ramps(0))


def test_the_confusion_matrix_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    path = confusion_picture(np.array([[3, 1], [0, 4]]), ["rises", "falls"], tmp_path / "confusion.png")
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(content) > 5000
