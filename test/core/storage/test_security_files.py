"""Hostile files: links, endless files, playlists, archives and names that lead outside of their folder."""

from __future__ import annotations

import json
import os
import resource
import stat
import struct
import time
import zipfile
from pathlib import Path

import pytest
import readers

from opendr_har_core import Recognizer
from opendr_har_core.errors import DataError, DownloadError, HarError, LabelError, ModelError, VideoError
from opendr_har_core.labels import LabelMap
from opendr_har_core.media.pictures import read_picture
from opendr_har_core.media.video import probe, read_video


@pytest.fixture
def secret(tmp_path):
    """A video that a hostile file next to it tries to reach."""
    path = tmp_path / "secret.mp4"
    path.write_bytes(readers.videos("mpeg4", ".mp4")(tmp_path)[0])
    return path


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", "zero\0byte", "\ud800", "bell\a", "\x9b31m"])
def test_labels_with_control_characters_are_refused(name):
    with pytest.raises(LabelError, match="one line of text"):
        LabelMap(["fine", name])


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "huge", "dangling", "loop", "absent"])
def test_only_regular_files_are_read(tmp_path, kind):
    pytest.importorskip("torch")
    from opendr_har_core.learners.model_folder import read_record
    from opendr_har_core.recordings.annotations import read_annotations

    path = tmp_path / f"{kind}.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif kind != "absent":
        path.symlink_to({"device": "/dev/zero", "dangling": tmp_path / "nothing", "loop": path}[kind])
    start = time.perf_counter()
    for read in (
        LabelMap.read_csv,
        read_picture,
        lambda path: read_annotations(path, ("path",)),
        read_record,
        Recognizer.open,
        lambda path: list(read_video(path)),
    ):
        with pytest.raises(HarError):
            read(path)
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nsecret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8"])
def test_playlists_are_not_followed(tmp_path, secret, content, suffix):
    assert len(list(read_video(secret))) == 12
    path = tmp_path / f"playlist{suffix}"
    path.write_text(content)
    start = time.perf_counter()
    with pytest.raises(VideoError, match="can't be opened"):
        probe(path)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("name", ["concat:secret.mp4|secret.mp4", "pipe:0", "subfile,,start,0,end,0,,:secret.mp4"])
def test_file_names_are_not_taken_for_addresses(secret, monkeypatch, name):
    monkeypatch.chdir(secret.parent)
    Path(name).write_bytes(b"nothing")
    with pytest.raises(VideoError, match="can't be opened"):
        list(read_video(name))


def test_a_video_with_huge_frames_is_refused(tmp_path):
    plain = readers.videos("mjpeg", ".avi")(tmp_path)[0]
    header = b"\xff\xc0\x00\x11\x08"
    huge = plain.replace(header + struct.pack(">HH", 32, 48), header + struct.pack(">HH", 30_000, 30_000))
    assert huge != plain
    (tmp_path / "huge.avi").write_bytes(huge)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(VideoError):
        list(read_video(tmp_path / "huge.avi"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def entry(name, content=b"x", kind=0):
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info, content


@pytest.mark.parametrize(
    ("entries", "limits"),
    [
        *(([entry(name)], {}) for name in ("../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "a/..")),
        *(
            ([entry("a/b", b"/etc", kind), entry("a/b/evil")], {})
            for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR)
        ),
        ([entry(f"zeros_{index}", bytes(1 << 20)) for index in range(3)], {"max_bytes": 1 << 20}),
        ([entry(f"file_{index}", b"") for index in range(30)], {"max_files": 20}),
    ],
)
def test_an_archive_writes_a_limited_number_of_plain_files_below_its_folder(tmp_path, entries, limits):
    pytest.importorskip("torch")
    from opendr_har_core.datasets.kinetics import unpack_zip

    folder = tmp_path / "folder"
    folder.mkdir()
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for info, content in entries:
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    with pytest.raises(DownloadError):
        unpack_zip(archive, folder / "to", **limits)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


@pytest.mark.parametrize("name", ["../weights.pth", "/etc/passwd", "a/b.pth", "..", "x\0y.pth"])
def test_model_metadata_names_only_files_next_to_it(tmp_path, name):
    pytest.importorskip("torch")
    from opendr_har_core.learners.model_folder import read_record

    content = json.loads(readers.model_json(tmp_path)[0])
    content["model_paths"] = [name]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError):
        read_record(path)


@pytest.mark.parametrize("name", ["../a", "a/b", "..", ".", "a\0b", "a\\b"])
@pytest.mark.parametrize("place", ["id", "subset", "label"])
def test_a_split_names_only_videos_below_its_folder(tmp_path, name, place):
    pytest.importorskip("torch")
    from opendr_har_core.datasets.kinetics import listed
    from opendr_har_core.labels import ClassIds

    values = {"id": "id", "subset": "train", "label": "a", place: name}
    (tmp_path / "splits").mkdir()
    entry = {"subset": values["subset"], "annotations": {"label": values["label"], "segment": [0, 1]}}
    (tmp_path / "splits" / "train.json").write_text(json.dumps({values["id"]: entry}))
    with pytest.raises(DataError, match="can't be that of a file"):
        listed(tmp_path, "train", ClassIds(LabelMap(["a"])))
