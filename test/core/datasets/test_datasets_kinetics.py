"""KineticsDataset, on small videos in the layout of Kinetics."""

from __future__ import annotations

import inspect
import json
import shutil

import pytest

torch = pytest.importorskip("torch")
import dataset_cases as cases
from torch.utils.data import DataLoader

from opendr_har_core.datasets.kinetics import KineticsDataset
from opendr_har_core.errors import ConfigError, DataError, VideoError
from opendr_har_core.labels import LabelMap

TRAIN = (("a1", "zumba"), ("b2", "abseiling"), ("c3", "air drumming"))


def entry(label, subset="train", segment=(3.0, 5.0)):
    return {"annotations": {"label": label, "segment": list(segment)}, "subset": subset}


def write_split(root, split, entries):
    (root / "splits").mkdir(parents=True, exist_ok=True)
    (root / "splits" / f"{split}.json").write_text(json.dumps(entries))


def video_path(root, key, label, subset="train"):
    return root / "data" / subset / label / f"{key}_000003_000005.mp4"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinetics")
    for seed, (key, label) in enumerate(TRAIN):
        cases.draw(video_path(folder, key, label), seed=seed)
    cases.draw(video_path(folder, "d4", "zumba", "validate"))
    write_split(folder, "train", {key: entry(label) for key, label in TRAIN})
    write_split(folder, "validate", {"d4": entry("zumba", "validate"), "gone": entry("abseiling", "validate")})
    return folder


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "kinetics")


def dataset(root, **options):
    return KineticsDataset(root, **{"frames_per_clip": 4, "temporal_downsampling": 6, "spatial_pixels": 48, **options})


def test_the_arguments_are_those_that_opendr_documents():
    parameters = list(inspect.signature(KineticsDataset).parameters.values())
    documented = [(p.name, p.default) for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert documented == [
        ("path", inspect.Parameter.empty),
        ("frames_per_clip", inspect.Parameter.empty),
        ("step_between_clips", 1),
        ("temporal_downsampling", 1),
        ("split", "train"),
        ("video_transform", None),
        ("use_caching", False),
        ("decoder_backend", "pyav"),
        ("spatial_pixels", 224),
    ]


def test_class_ids_are_those_of_kinetics_400_in_every_split(root):
    labels = LabelMap.kinetics400()
    assert dataset(root).targets == [labels.id(label) for _, label in TRAIN]
    assert dataset(root, split="val").targets == [399]
    val = dataset(root, split="validate")
    assert val.targets == [399]
    assert torch.equal(val[0][0], val[0][0])  # the middle of the video
    train = [dataset(root)[0][0] for _ in range(2)]  # random starts and augmentation
    assert train[0].shape == val[0][0].shape == (3, 4, 48, 48)
    assert not torch.equal(*train)


def test_the_report_counts_what_is_absent_and_names_classes_without_clips(root):
    report = dataset(root, split="val").report
    assert (report.items, report.absent, len(report.missing_classes)) == (1, 1, 399)
    assert "1 clips are in the annotations but not on disk" in str(report)


def test_training_draws_starts_on_the_grid_and_evaluation_takes_the_middle(root):
    train, val = dataset(root, step_between_clips=5), dataset(root, split="val")
    starts = {train._start(train._segments[0]) for _ in range(100)}
    assert starts == {0, 5, 10, 15, 20, 25}  # 45 frames, of which a clip spans 19
    assert {val._start(val._segments[0]) for _ in range(5)} == {13}


def test_classes_can_be_given_as_a_list_or_a_csv(root, tmp_path):
    names = ["zumba", "abseiling", "air_drumming", "never seen"]
    assert dataset(root, labels=names).targets == [0, 1, 2]
    (tmp_path / "classes.csv").write_text("id,name\n0,abseiling\n1,zumba\n2,air drumming\n")
    assert dataset(root, labels=tmp_path / "classes.csv").targets == [1, 0, 2]
    assert dataset(root, labels=names).report.missing_classes == ("never seen",)


def test_a_split_without_any_usable_video_is_an_error_that_says_why(root):
    for key, label in TRAIN:
        video_path(root, key, label).write_bytes(b"")
    with pytest.raises(DataError, match=r"no usable clip(.|\n)*3 skipped(.|\n)*a1_000003_000005\.mp4"):
        dataset(root)
    write_split(root, "train", {})
    with pytest.raises(DataError, match="no usable clip"):
        dataset(root)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_video_that_breaks_later_is_left_out_of_its_batch(root, workers):
    found = dataset(root)
    video_path(root, "b2", "abseiling").write_bytes(b"gone bad")
    with pytest.raises(VideoError, match="b2_000003"):
        found[1]
    loader = DataLoader(found, batch_size=3, num_workers=workers)
    (clips, classes), *rest = list(loader)
    assert not rest
    assert clips.shape == (2, 3, 4, 48, 48)
    assert classes.tolist() == [399, 1]
    assert [path for path, _ in found.report.skipped] == [str(video_path(root, "b2", "abseiling"))]
    with pytest.raises(DataError, match=r"none of the 1 clips .*b2_000003"):
        found.__getitems__([1])
    assert "can't be opened" in found.report.skipped[0][1]


def test_verify_leaves_out_what_cannot_be_decoded(root):
    found = dataset(root)
    video_path(root, "b2", "abseiling").write_bytes(b"gone bad")
    assert found.verify().items == 2
    assert found.targets == [399, 1]
    assert len(found.report.skipped) == 1
    assert len(list(DataLoader(found, batch_size=1))) == 2


def test_a_custom_transform_takes_frames_and_returns_the_item(root):
    seen = []

    def transform(frames):
        seen.append((frames.shape[0], frames.dtype))
        return frames.permute(3, 0, 1, 2).float() / 255

    clip, _ = dataset(root, video_transform=transform)[0]
    assert seen == [(4, torch.uint8)]
    assert clip.dtype == torch.float32
    with pytest.raises(ConfigError, match=r"expected a tensor of shape \(3, T, S, S\)"):
        dataset(root, video_transform=lambda frames: frames)[0]


@pytest.mark.parametrize("split", ["train", "val"])
def test_cached_clips_are_used_instead_of_decoding(root, tmp_path, monkeypatch, split):
    options = {"split": split, "use_caching": True, "cache_folder": tmp_path / "cache"}
    plain = dataset(root, split=split)
    dataset(root, **options)[0]
    cached = dataset(root, **options)

    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr("opendr_har_core.datasets.video_file.VideoFile.frames", refuse)
    torch.manual_seed(1)
    clip = cached[0][0]
    monkeypatch.undo()
    torch.manual_seed(1)
    assert torch.equal(clip, plain[0][0])


def test_a_changed_video_and_a_damaged_cache_are_decoded_again(root, tmp_path):
    options = {"split": "val", "use_caching": True, "cache_folder": tmp_path / "cache"}
    before = dataset(root, **options)[0][0]
    for file in (tmp_path / "cache").glob("*.npy"):
        cases.cut(file, 0.5)
    assert torch.equal(dataset(root, **options)[0][0], before)
    cases.draw(video_path(root, "d4", "zumba", "validate"), "bending", seed=9)
    assert not torch.equal(dataset(root, **options)[0][0], before)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"split": "dev"}, "'dev'.*'test', 'train', 'val'"),
        ({"decoder_backend": "opencv"}, "'opencv'.*'pyav'"),
        ({"frames_per_clip": 0}, "frames is 0"),
        ({"step_between_clips": 0}, "step between clips is 0"),
        ({"spatial_pixels": 0}, "image_size is 0"),
    ],
)
def test_wrong_arguments_are_errors(root, options, expected):
    with pytest.raises(ConfigError, match=expected):
        dataset(root, **options)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], "expected an object"),
        ({"a1": {"subset": "train"}}, "'a1'.*segment"),
        ({"../a1": entry("zumba")}, "can't be that of a file"),
        ({"a1": entry("zumbaa")}, r"'a1'.*'zumbaa' is not one of the 400.*'zumba'"),
    ],
)
def test_malformed_annotations_are_an_error(root, entries, expected):
    write_split(root, "train", entries)
    with pytest.raises(DataError, match=expected):
        dataset(root)
    with pytest.raises(DataError, match=r"train\.json"):
        dataset(root / "gone")
