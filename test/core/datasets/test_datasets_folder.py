"""FolderDataset and AnnotationDataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
import dataset_cases as cases

from opendr_har_core.datasets.annotations import AnnotationDataset
from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.folder import FolderDataset
from opendr_har_core.errors import DataError, LabelError
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.video import read_video


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("folder")
    cases.draw(root / "walking" / "one.avi")
    cases.draw(root / "walking" / "two.mp4", seed=1)
    cases.draw(root / "bending" / "one.avi", "bending")
    folder = root / "bending" / "frames"
    folder.mkdir()
    for index, frame in enumerate(read_video(root / "bending" / "one.avi")):
        cv2.imwrite(str(folder / f"frame_{index}.png"), frame.rgb[..., ::-1])
    return root


@pytest.fixture
def root(template, tmp_path):
    return shutil.copytree(template, tmp_path / "folder")


def test_classes_are_folders_of_videos_and_of_frames(root):
    found = FolderDataset(root, cases.CLIP)
    assert list(found.labels) == ["bending", "walking"]
    assert found.targets == [0, 0, 1, 1]
    clips = [found[index][0] for index in range(4)]
    assert all(clip.shape == (3, 4, 48, 48) and clip.dtype == torch.uint8 for clip in clips)
    # frame_10 comes after frame_9, so that the pictures are the video.
    assert torch.equal(clips[0], clips[1])
    assert found.report.skipped == ()


def test_a_given_list_of_classes_fixes_their_ids(root):
    labels = LabelMap(["jumping", "walking", "bending"])
    found = FolderDataset(root, cases.CLIP, labels=labels)
    assert sorted(found.targets) == [1, 1, 2, 2]
    assert found.report.missing_classes == ("jumping",)
    with pytest.raises(LabelError, match=r"'bending' is not one of the 2"):
        FolderDataset(root, cases.CLIP, labels=["walking", "bendin"])


def test_unusable_files_are_reported(root):
    (root / "walking" / "notes.txt").write_text("x")
    (root / "walking" / "empty").mkdir()
    (root / "walking" / "broken.mp4").write_bytes(b"x")
    (root / "nobody").mkdir()
    report = FolderDataset(root, cases.CLIP).report
    assert sorted(Path(path).name for path, _ in report.skipped) == ["broken.mp4", "empty", "notes.txt"]
    assert report.missing_classes == ("nobody",)
    assert report.items == 4


def test_the_rate_of_folders_of_frames_can_be_given(root):
    assert [FolderDataset(root, cases.CLIP, frame_fps=fps).report.short for fps in (30.0, 300.0)] == [0, 1]


@pytest.mark.parametrize("make", [lambda root: root / "none", lambda root: root / "walking"])
def test_a_folder_without_classes_is_an_error(root, make):
    with pytest.raises(DataError, match="folder"):
        FolderDataset(make(root), cases.CLIP)


def test_the_last_frame_is_repeated_for_videos_of_one_frame_and_with_unordered_stamps(shared, tmp_path):
    cases.draw(tmp_path / "still" / "one.mp4", seconds=1 / 30)
    (tmp_path / "unordered").mkdir()
    shutil.copy(shared / "videos" / "formats" / "unordered_stamps.mov", tmp_path / "unordered")
    found = FolderDataset(tmp_path, ClipSpec(4, 1, 30.0, 48), transform=lambda clip: clip.permute(3, 0, 1, 2))
    assert (found.report.skipped, found.report.short) == ((), 2)
    still, unordered = (found[index][0].permute(1, 2, 3, 0).numpy() for index in range(2))
    assert all(np.array_equal(picture, still[0]) for picture in still)
    frames = [frame.rgb for frame in read_video(tmp_path / "unordered" / "unordered_stamps.mov")]
    assert np.array_equal(unordered, np.stack([frames[index] for index in (0, 1, 2, 2)]))


def test_annotations_select_segments_of_videos(root):
    table = root / "table.csv"
    table.write_text(
        "path,start,end,label\nwalking/one.avi,0,0.7,walking\nwalking/one.avi,0.7,,bending\nno.avi,,,walking\n"
    )
    found = AnnotationDataset(table, ["walking", "bending"], cases.CLIP)
    assert found.targets == [0, 1]
    assert [Path(path).name for path, _ in found.report.skipped] == ["no.avi"]
    frames = [frame.rgb for frame in read_video(root / "walking" / "one.avi")]
    plain = AnnotationDataset(table, found.labels, cases.CLIP, transform=lambda clip: clip.permute(3, 0, 1, 2))
    expected = np.stack([frames[23 - 2 + t] for t in (0, 6, 12, 18)])
    assert np.abs(plain[1][0].permute(1, 2, 3, 0).numpy().astype(int) - expected).mean() < 12
