"""Files that lead elsewhere, never end or take all memory: refused, and nothing of it happens."""

from __future__ import annotations

import os
import resource
import stat
import struct
import time
import zipfile
from pathlib import Path

import pytest
from security_cases import read_config

from opendr_har_core import Recognizer
from opendr_har_core.errors import (
    DataError,
    DownloadError,
    HarError,
    LabelError,
    ModelError,
    VideoError,
)


def test_a_list_of_names_with_one_twice_is_refused_at_once(tmp_path):
    path = tmp_path / "labels.csv"
    names = [*map(str, range(200_000)), "7"]
    path.write_text("id,name\n" + "\n".join(f"{index},name {name}" for index, name in enumerate(names)))
    from opendr_har_core.labels import LabelMap

    start = time.perf_counter()
    with pytest.raises(LabelError, match="name 7"):
        LabelMap.read_csv(path)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", "zero\0byte", "\ud800", "bell\a", "\x9b31m"])
def test_a_label_that_no_message_or_terminal_should_see_is_refused(name):
    from opendr_har_core.labels import LabelMap

    with pytest.raises(LabelError, match="one line of text"):
        LabelMap(["fine", name])


def test_labels_of_any_script_are_fine():
    from opendr_har_core.labels import LabelMap

    assert len(LabelMap(["größer", "手を振る", "<script>alert(1)</script>", "🙂", "a\u00a0b", "a, \"b\" 'c'"])) == 6


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "vast", "dangling", "loop", "absent"])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path, kind):
    pytest.importorskip("torch")
    from opendr_har_core.datasets.annotations import read_annotations
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.learners.model_folder import read_record
    from opendr_har_core.media.video import read_video

    path = tmp_path / f"{kind}.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "vast":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nothing")
    elif kind == "loop":
        path.symlink_to(path)
    start = time.perf_counter()
    for read in (
        lambda: LabelMap.read_csv(path),
        lambda: read_annotations(path, ("path",)),
        lambda: read_record(path),
        lambda: read_config(path),
        lambda: Recognizer.open(path),
        lambda: list(read_video(path)),
    ):
        with pytest.raises(HarError):
            read()
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "ffconcat version 1.0\nfile playlist.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nsecret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8"])
def test_a_playlist_is_no_video(tmp_path, content, suffix):
    import file_seeds

    from opendr_har_core.media.video import probe, read_video

    (tmp_path / "secret.mp4").write_bytes(file_seeds.videos_mp4(tmp_path)[0])
    assert len(list(read_video(tmp_path / "secret.mp4"))) == 12
    path = tmp_path / f"playlist{suffix}"
    path.write_text(content)
    for read in (probe, lambda path: list(read_video(path))):
        start = time.perf_counter()
        with pytest.raises(VideoError, match="can't be opened"):
            read(path)
        assert time.perf_counter() - start < 5


@pytest.mark.parametrize("name", ["concat:secret.mp4|secret.mp4", "pipe:0", "subfile,,start,0,end,0,,:secret.mp4"])
def test_a_file_name_is_never_an_address(tmp_path, monkeypatch, name):
    import file_seeds

    from opendr_har_core.media.video import read_video

    monkeypatch.chdir(tmp_path)
    Path("secret.mp4").write_bytes(file_seeds.videos_mp4(tmp_path)[0])
    Path(name).write_bytes(b"nothing")
    with pytest.raises(VideoError, match="can't be opened"):
        list(read_video(name))


def test_a_video_that_announces_vast_frames_is_refused(tmp_path):
    import file_seeds

    from opendr_har_core.media.video import read_video

    frames_of_32_by_48 = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 32, 48)
    plain = file_seeds.videos_avi(tmp_path)[1]
    assert plain.count(frames_of_32_by_48) == 12
    vast = plain.replace(frames_of_32_by_48, b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 30_000, 30_000))
    (tmp_path / "vast.avi").write_bytes(vast)
    before = _peak_bytes()
    with pytest.raises(VideoError):
        list(read_video(tmp_path / "vast.avi"))
    assert _peak_bytes() - before < 100e6


def _peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "a/.."])
def test_an_archive_cannot_write_outside_of_its_folder(tmp_path, name):
    _refused(tmp_path, [(zipfile.ZipInfo(name), b"x")])


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_an_archive_cannot_make_links_or_devices(tmp_path, kind):
    link = zipfile.ZipInfo("data/link")
    link.external_attr = (kind | 0o777) << 16
    _refused(tmp_path, [(link, b"/etc"), (zipfile.ZipInfo("data/link/evil"), b"x")])


def test_an_archive_cannot_fill_the_disk(tmp_path):
    _refused(tmp_path, [(zipfile.ZipInfo(f"zeros_{index}"), bytes(1 << 20)) for index in range(3)], max_bytes=1 << 20)
    _refused(tmp_path, [(zipfile.ZipInfo(f"file_{index}"), b"") for index in range(30)], max_files=20)


def _refused(folder, entries, **limits):
    pytest.importorskip("torch")
    from opendr_har_core.datasets.archives import unpack_zip

    archive = folder / "archive.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, content in entries:
            file.writestr(entry, content, zipfile.ZIP_DEFLATED)
    before = {path.name for path in folder.parent.iterdir()}
    with pytest.raises(DownloadError):
        unpack_zip(archive, folder / "to", **limits)
    assert list((folder / "to").rglob("*")) == []
    assert {path.name for path in folder.iterdir()} == {"archive.zip", "to"}
    assert {path.name for path in folder.parent.iterdir()} == before


@pytest.mark.parametrize("name", ["../weights.pth", "/etc/passwd", "a/b.pth", "..", "x\0y.pth"])
def test_metadata_names_only_files_beside_it(tmp_path, name):
    pytest.importorskip("torch")
    import json

    import file_seeds

    from opendr_har_core.learners.model_folder import read_record

    content = json.loads(file_seeds.model_json(tmp_path)[0])
    content["model_paths"] = [name]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError):
        read_record(path)


@pytest.mark.parametrize("name", ["../a", "a/b", "..", ".", "a\0b", "a\\b"])
def test_a_split_names_only_videos_below_its_folder(tmp_path, name):
    import json

    pytest.importorskip("torch")
    from opendr_har_core.datasets.kinetics import listed
    from opendr_har_core.datasets.names import ClassIds
    from opendr_har_core.labels import LabelMap

    for key, subset, label in ((name, "train", "a"), ("id", name, "a"), ("id", "train", name)):
        (tmp_path / "splits").mkdir(exist_ok=True)
        entry = {"subset": subset, "annotations": {"label": label, "segment": [0, 1]}}
        (tmp_path / "splits" / "train.json").write_text(json.dumps({key: entry}))
        with pytest.raises(DataError, match="can't be that of a file"):
            listed(tmp_path, "train", ClassIds(LabelMap(["a"])))


def test_a_split_whose_names_are_too_long_for_a_disk_is_refused(tmp_path):
    import json

    pytest.importorskip("torch")
    from opendr_har_core.datasets.kinetics import listed
    from opendr_har_core.datasets.names import ClassIds
    from opendr_har_core.labels import LabelMap

    (tmp_path / "splits").mkdir()
    entry = {"subset": "s" * 5000, "annotations": {"label": "a", "segment": [0, 1]}}
    (tmp_path / "splits" / "train.json").write_text(json.dumps({"id": entry}))
    try:
        assert listed(tmp_path, "train", ClassIds(LabelMap(["a"]))).absent == 1  # as later Pythons see it
    except DataError as error:
        assert "too long" in str(error)


@pytest.mark.parametrize("announces", [True, False])
def test_a_server_without_end_does_not_fill_the_disk(tmp_path, monkeypatch, announces):
    from download_server import Server

    from opendr_har_core.storage import download

    server = Server()
    try:
        if not announces:
            monkeypatch.setattr(download, "_total", lambda response, offset: None)
        with pytest.raises(DownloadError, match="larger than 100000 bytes"):
            download.fetch(server.url, tmp_path / "weights", most_bytes=100_000)
    finally:
        server.close()
    assert list(tmp_path.iterdir()) == []
    assert len(server.ranges) == 1  # what is too large is not asked for again
