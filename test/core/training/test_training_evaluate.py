"""Evaluation over clips and frame by frame."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
import numpy as np
from training_cases import CoX3D, Ramps, quick, tiny

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import standardized
from opendr_har_core.training.evaluate import confusion_picture, evaluate, score, step_over_clips
from opendr_har_core.training.fit import fit


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


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["slowfast.pyth", "pytorchvideo.pyth", "mmaction2.pth"])
def test_pretrained_weights_are_fine_tuned_into_a_bundle_that_steps_like_the_network(shared, tmp_path, scheme):
    network = CoX3D(x3d_config("xs", "none"), 2)
    load_weights(network, shared / "weights" / f"x3d_xs_k400_{scheme}", new_head=True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    clips = Noise()
    fit(network, clips, settings=quick(epochs=None, steps=1, lr=1e-3, freeze_batch_norm=True))
    for key in ("s1.pathway0_stem.conv.weight", "head.projection.weight"):
        assert not torch.equal(network.state_dict()[key], before[key])
    backend = OnnxBackend(export_bundle(network, tmp_path / "mine.onnx", clips.labels, source="a test"))
    ours, theirs = backend.state([None]), network.initial_state()
    with torch.inference_mode():
        for frame in clips.clips[0].transpose(1, 2, 3, 0):
            pixels = standardized(torch.from_numpy(frame.transpose(2, 0, 1))[None], network.spec)
            logits, theirs = network.step(pixels, theirs)
            assert np.abs(backend.step([frame], ours).probabilities[0] - logits.softmax(1).numpy()[0]).max() <= 1e-4


class Noise(Ramps):
    """Four clips of an X3D-XS's size, of two classes."""

    def __init__(self):
        self.targets = (0, 1, 0, 1)
        self.clips = np.random.default_rng(0).integers(0, 256, (4, 3, 4, 160, 160), dtype=np.uint8)

    def __getitem__(self, index):
        return torch.from_numpy(self.clips[index]), self.targets[index]


def test_the_confusion_matrix_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    path = confusion_picture(np.array([[3, 1], [0, 4]]), ["rises", "falls"], tmp_path / "confusion.png")
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(content) > 5000
