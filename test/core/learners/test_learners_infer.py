"""`infer` of the learners on clips and streams, in PyTorch and after `optimize`."""

from __future__ import annotations

import gc
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from opendr_har_core import Category, CoX3DLearner, Image, Video, X3DLearner
from opendr_har_core.benchmarking.machine import process_memory
from opendr_har_core.errors import BackendError, ConfigError, DataError

TO_ORIGINAL, TORCH_TO_ONNX = 1e-3, 1e-4
WEIGHTS = "x3d_xs_k400_slowfast.pyth"
rng = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("tiny_xs")


def standardised(pixels):
    return (pixels.float() / 255 - 0.45) / 0.225


def scores(categories):
    return np.stack([category.scores for category in categories])


@pytest.fixture(scope="module")
def x3d(tiny_xs):
    return X3DLearner(backbone="xs", device="cpu", num_classes=5)


@pytest.fixture
def cox3d():
    return CoX3DLearner(backbone="xs", device="cpu", num_classes=5, temporal_window_size=1)


@pytest.fixture(scope="module")
def clips():
    return torch.from_numpy(rng.integers(0, 256, (2, 3, 4, 32, 32), np.uint8))


@pytest.fixture(scope="module")
def frames():
    """Two streams, (T, 2, 3, 32, 32)."""
    return torch.from_numpy(rng.integers(0, 256, (34, 2, 3, 32, 32), np.uint8))


@pytest.mark.parametrize("optimised", [False, True])
@pytest.mark.parametrize("size", ["xs", "s"])
def test_x3d_gives_the_original_probabilities(shared, real_xs, size, optimised):
    learner = X3DLearner(backbone=size, device="cpu").load(shared / "weights" / WEIGHTS)
    if optimised:
        learner.optimize()
    golden = [np.load(shared / "golden" / f"x3d_{size}_{clip}.npz") for clip in ("archery", "arm_wrestling")]
    found = learner.infer([Video(clip["frames"].transpose(3, 0, 1, 2)) for clip in golden])
    assert [category.description for category in found] == ["archery", "arm wrestling"]
    assert np.abs(scores(found) - np.stack([clip["probabilities"] for clip in golden])).max() <= TO_ORIGINAL


@pytest.mark.slow
@pytest.mark.parametrize(("window", "optimised"), [(4, False), (13, True), (64, True)])
def test_cox3d_gives_the_original_probabilities_step_by_step(shared, window, optimised):
    learner = CoX3DLearner(backbone="s", device="cpu", temporal_window_size=window).load(shared / "weights" / WEIGHTS)
    if optimised:
        learner.optimize()
    golden = np.load(shared / "golden" / "cox3d_s_archery.npz")
    first = int(golden[f"first_output_window{window}"])
    results = [learner.infer(Image(frame.transpose(2, 0, 1))) for frame in golden["frames"]]
    assert [len(result) for result in results] == [0] * first + [1] * (len(results) - first)
    logits = torch.from_numpy(golden[f"logits_window{window}"])
    found = np.concatenate([scores(result) for result in results[first:]])
    assert np.abs(found - logits.softmax(dim=1).numpy()).max() <= TO_ORIGINAL


def test_x3d_takes_every_documented_form(x3d, clips):
    found = x3d.infer(clips)
    assert [category.description for category in found] == [x3d.labels[category.data] for category in found]
    expected = scores(found)
    assert expected.shape == (2, 5)
    assert expected.sum(axis=1) == pytest.approx(1, abs=1e-5)
    alone = scores(x3d.infer(clips[0]))
    assert alone == pytest.approx(expected[:1], abs=1e-5)
    assert np.array_equal(scores(x3d.infer(Video(clips[0]))), alone)
    assert np.array_equal(scores(x3d.infer(clips[0].numpy())), alone)
    assert np.array_equal(scores(x3d.infer([Video(clip) for clip in clips])), expected)
    assert np.array_equal(scores(x3d.infer(list(clips))), expected)
    assert scores(x3d.infer(standardised(clips))) == pytest.approx(expected, abs=1e-5)
    assert scores(x3d.infer(Video(standardised(clips[0])))) == pytest.approx(alone, abs=1e-5)
    assert scores(x3d.infer(standardised(clips[0]).numpy().astype(">f8"))) == pytest.approx(alone, abs=1e-5)
    wide = torch.nn.functional.pad(clips[0], (20, 20))  # is cropped
    assert np.array_equal(scores(x3d.infer([Video(wide), Video(clips[0])])), np.concatenate([alone, alone]))


def test_cox3d_takes_every_documented_form_one_step_each(cox3d, frames):
    def at_the_end(wrap):
        cox3d.reset()
        return scores([cox3d.infer(wrap(frame)) for frame in frames][-1])

    expected = at_the_end(lambda pair: pair)
    assert expected.shape == (2, 5)
    assert np.array_equal(at_the_end(lambda pair: [Image(frame) for frame in pair]), expected)
    assert at_the_end(standardised) == pytest.approx(expected, abs=1e-5)
    alone = at_the_end(lambda pair: Image(pair[0]))
    assert alone == pytest.approx(expected[:1], abs=1e-5)
    assert np.array_equal(at_the_end(lambda pair: pair[0]), alone)
    assert at_the_end(lambda pair: Image(standardised(pair[0]), dtype=np.float32)) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("optimised", [False, True])
def test_without_lookahead_there_is_a_result_from_the_first_frame_on(frames, optimised):
    learner = CoX3DLearner(backbone="xs", device="cpu", num_classes=5, lookahead="none")
    if optimised:
        learner.optimize()
    for count in range(1, learner.temporal_window_size + 2):
        assert learner.warm
        found = scores(learner.infer(frames[count - 1]))
        with torch.inference_mode():
            expected = learner.model(standardised(frames[:count].permute(1, 2, 0, 3, 4))).softmax(dim=1)
        assert found == pytest.approx(expected.numpy(), abs=TORCH_TO_ONNX)


@pytest.mark.parametrize("optimised", [False, True])
def test_a_stream_after_a_reset_equals_a_new_one(cox3d, frames, optimised):
    if optimised:
        cox3d.optimize()
    first = [scores(found) for found in map(cox3d.infer, frames) if found]
    assert cox3d.warm
    assert len(first) == len(frames) - cox3d.spec.silent_frames
    cox3d.reset()
    assert not cox3d.warm
    again = [scores(found) for found in map(cox3d.infer, frames) if found]
    assert np.array_equal(first, again)


@pytest.mark.parametrize("optimised", [False, True])
def test_another_batch_size_starts_new_streams_with_a_warning(frames, optimised):
    learner = CoX3DLearner(backbone="xs", device="cpu", num_classes=5, lookahead="none")
    if optimised:
        learner.optimize()
    expected = [scores(learner.infer(frame)) for frame in frames[:3, 0]]
    learner.reset()
    for pair in frames[:3]:
        learner.infer(pair)
    with pytest.warns(UserWarning, match=r"\(2, 32\), these have \(1, 32\); a new stream starts") as caught:
        found = [scores(learner.infer(frames[0, 0]))]
    assert caught[0].filename == __file__  # it points at the user's line
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found += [scores(learner.infer(frame)) for frame in frames[1:3, 0]]
    assert np.array_equal(found, expected)


def test_wrong_input_does_not_affect_a_stream(frames):
    learner = CoX3DLearner(backbone="xs", device="cpu", num_classes=5, lookahead="none")
    learner.optimize()
    expected = [scores(learner.infer(pair)) for pair in frames[:3]]
    learner.reset()
    found = []
    for pair in frames[:3]:
        found.append(scores(learner.infer(pair)))
        for wrong in (frames[0, :1].float(), frames[0, :1] * float("nan"), frames[0, :1, 0], "x"):
            with pytest.raises(DataError):
                learner.infer(wrong)
    assert np.array_equal(found, expected)


def test_optimised_runs_agree_with_torch_and_follow_the_weights(x3d, clips, frames):
    learner = X3DLearner(backbone="xs", device="cpu", num_classes=5)
    learner.optimize()
    for given in (clips, standardised(clips)):
        assert scores(learner.infer(given)) == pytest.approx(scores(x3d.infer(clips)), abs=TORCH_TO_ONNX)
    with torch.no_grad():
        learner.model.head.projection.bias.add_(torch.tensor([0.0, 0.0, 5.0, 0.0, 0.0]))
    with torch.inference_mode():
        expected = learner.model(standardised(clips)).softmax(dim=1).numpy()
    assert scores(learner.infer(clips)) == pytest.approx(expected, abs=TORCH_TO_ONNX)
    stepper = CoX3DLearner(backbone="xs", device="cpu", num_classes=5)
    in_torch = [scores(found) for found in map(stepper.infer, frames) if found]
    stepper.optimize()
    in_onnx = [scores(found) for found in map(stepper.infer, frames) if found]
    with torch.no_grad():
        stepper.model.head.projection.bias.add_(0.0)
    with pytest.warns(UserWarning, match="the network has changed; a new stream starts"):
        assert stepper.infer(frames[0]) == []
    stepper.reset()
    from_floats = [scores(stepper.infer(standardised(pair)) or [Category(0, None, [0.0])]) for pair in frames][-1]
    assert np.abs(np.array(in_torch) - np.array(in_onnx)).max() <= TORCH_TO_ONNX
    assert np.array_equal(from_floats, in_onnx[-1])


def test_an_optimised_learner_runs_other_floats_in_torch(x3d, frames):
    floats = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    learner = X3DLearner(backbone="xs", device="cpu", num_classes=5)
    learner.optimize()
    assert np.array_equal(scores(learner.infer(floats)), scores(x3d.infer(floats)))
    stepper = CoX3DLearner(backbone="xs", device="cpu", num_classes=5, lookahead="none")
    expected = scores(stepper.infer(floats[:, :, 0]))
    stepper.optimize()
    stepper.infer(frames[0, :1])
    with pytest.warns(UserWarning, match="floats don't come from pixels.* a new stream starts"):
        assert np.array_equal(scores(stepper.infer(floats[:, :, 0])), expected)


def test_graphs_are_never_shared_and_are_deleted_with_their_learner(tmp_path):
    """In OpenDR, a second learner uses the first one's file."""
    learners = [X3DLearner(backbone="xs", device="cpu", num_classes=n, temp_path=str(tmp_path)) for n in (5, 3)]
    for learner in learners:
        learner.optimize()
    assert len(list(tmp_path.rglob("*.onnx"))) == 2
    del learner, learners
    gc.collect()
    assert list(tmp_path.rglob("*.onnx")) == []


def test_wrong_arguments_of_optimize_are_errors(x3d, tmp_path):
    with pytest.raises(ConfigError, match="True or False"):
        x3d.optimize(do_constant_folding="yes")
    (tmp_path / "file").write_text("")
    learner = X3DLearner(backbone="xs", device="cpu", num_classes=3, temp_path=str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="temp_path"):
        learner.optimize()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("clip.mp4", "got str"),
        (Image(np.zeros((3, 4, 4), np.uint8)), "got Image"),
        ([], "got none"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), r"\(3, frames, height, width\)"),
        (torch.zeros(3, 4, 32, 32, dtype=torch.int64), "int64"),
        (torch.zeros(3, 5, 32, 32, dtype=torch.uint8), "clips of 4 frames, got 5"),
        (torch.zeros(3, 5, 32, 32), "clips of 4 frames, got 5"),
        ([torch.zeros(3, 4, 32, 32), torch.zeros(3, 4, 32, 32, dtype=torch.uint8)], "one dtype"),
        ([torch.zeros(3, 4, 32, 32), torch.zeros(3, 4, 96, 96)], "shapes differ"),
        ([Video(np.zeros((3, 4, 9, 9), np.uint8)), "x"], "got str"),
        (None, "got NoneType"),
        (Video(), "empty"),
        (np.zeros((3, 4, 32, 32), np.uint16), "got uint16"),
        (torch.zeros(3, 4, 32, 32, device="meta"), "on meta"),
        (torch.zeros(3, 4, 32, 32).to_sparse(), "sparse"),
    ],
)
def test_wrong_clips_are_errors(x3d, given, message):
    with pytest.raises(DataError, match=message):
        x3d.infer(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Video(np.zeros((3, 2, 4, 4), np.uint8)), "got Video"),
        (torch.zeros(32, 32, dtype=torch.uint8), r"\(3, height, width\)"),
        (torch.zeros(1, 1, 3, 32, 32, dtype=torch.uint8), r"\(3, height, width\)"),
        (torch.zeros(3, 24, 32), "square"),
    ],
)
def test_wrong_images_are_errors(cox3d, given, message):
    with pytest.raises(DataError, match=message):
        cox3d.infer(given)


@pytest.mark.parametrize(
    ("value", "message"), [(255.0, "values from 0 to 255"), (float("nan"), "have NaN"), (float("inf"), "to inf")]
)
def test_floats_that_can_not_be_standardised_pixels_are_errors(x3d, value, message):
    clip = torch.zeros(3, 4, 32, 32)
    clip[0, 0, 0, 0] = value
    with pytest.raises(DataError, match=rf"{message}.*\(x / 255 - 0.45\) / 0.225 are in -2.00\.\.2.44; .*uint8"):
        x3d.infer(clip)


@pytest.mark.parametrize("kind", [X3DLearner, CoX3DLearner])
def test_scores_that_are_not_finite_are_an_error(kind):
    learner = kind(backbone="xs", device="cpu", num_classes=5)
    with torch.no_grad():
        learner.model.head.projection.bias[2] = float("nan")
    frame = torch.zeros(3, 32, 32)
    with pytest.raises(BackendError, match="not finite"):
        learner.infer(frame if kind is CoX3DLearner else frame[:, None].repeat(1, 4, 1, 1))


def test_the_memory_of_stepping_is_constant():
    """In OpenDR, every frame keeps 30 MB of gradients."""
    learner = CoX3DLearner(backbone="xs", device="cpu", num_classes=5)
    frame = torch.zeros(3, 32, 32, dtype=torch.uint8)
    for count in range(80):
        if count == 40:
            before = process_memory().rss_bytes
        learner.infer(frame)
    assert process_memory().rss_bytes - before < 30e6
