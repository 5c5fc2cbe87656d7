"""Training without lookahead: the trained network is the one that steps, from pretrained weights of every scheme."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")
from training_cases import TINY, CoX3D, Ramps, quick, weights_of

from opendr_har_core.backends.onnx import OnnxBackend
from opendr_har_core.bundles.export import export_bundle
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import standardized
from opendr_har_core.training.evaluate import evaluate
from opendr_har_core.training.fit import fit


class Noise:
    """Four clips of an X3D-XS's size, of two classes."""

    labels = LabelMap(["first", "second"])
    targets = (0, 1, 0, 1)

    def __init__(self):
        self.clips = np.random.default_rng(0).integers(0, 256, (4, 3, 4, 160, 160), dtype=np.uint8)

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):
        return torch.from_numpy(self.clips[index]), self.targets[index]


def causal(window=None, seed=1):
    torch.manual_seed(seed)
    return CoX3D(replace(TINY, lookahead="none"), 2, window)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("pytorchvideo.pyth", "mmaction2.pth")]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["slowfast.pyth", *SLOW])
def test_pretrained_weights_are_fine_tuned_into_a_bundle_that_steps_like_the_network(shared, tmp_path, scheme):
    network = CoX3D(x3d_config("xs", "none"), 2)
    load_weights(network, shared / "weights" / f"x3d_xs_k400_{scheme}", new_head=True)
    before = weights_of(network)
    clips = Noise()
    fit(network, clips, settings=quick(epochs=None, steps=1, lr=1e-3, freeze_batch_norm=True))
    changed = [key for key, value in network.state_dict().items() if not torch.equal(value, before[key])]
    assert "s1.pathway0_stem.conv.weight" in changed and "head.projection.weight" in changed
    backend = OnnxBackend(export_bundle(network, tmp_path / "mine.onnx", clips.labels, source="a test"))
    ours, theirs = backend.state([None]), network.initial_state()
    with torch.inference_mode():
        for frame in clips.clips[0].transpose(1, 2, 3, 0):
            pixels = standardized(torch.from_numpy(frame.transpose(2, 0, 1))[None, :, None], network.spec)[:, :, 0]
            logits, theirs = network.step(pixels, theirs)
            assert np.abs(backend.step([frame], ours)[0] - logits.softmax(1).numpy()[0]).max() <= 1e-4


@pytest.mark.parametrize("window", [1, 2, 3])
def test_validation_on_clips_equals_stepping(window):
    network = causal(window)
    report = fit(network, Ramps(), Ramps(8), quick(epochs=2))
    assert report.best_loss == pytest.approx(evaluate(network, Ramps(8), stepwise=True).loss, abs=1e-5)
    assert evaluate(network, Ramps(8)).loss == evaluate(network, Ramps(8), stepwise=True).loss
    assert evaluate(network, Ramps(8), stepwise=False).loss == pytest.approx(report.best_loss, abs=1e-5)
