"""Download of the small Kinetics sets from an HTTP server; test_security_files has hostile archives."""

from __future__ import annotations

import io
import zipfile

import pytest

pytest.importorskip("torch")
from download_server import Server

from opendr_har_core.datasets import kinetics
from opendr_har_core.datasets.kinetics import KineticsDataset, unpack_zip
from opendr_har_core.errors import DownloadError

GOOD = {"splits/train.json": b"{}", "data/train/zumba/a_000000_000010.mp4": bytes(range(256)) * 400}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def server():
    server = Server()
    server.content = zipped(GOOD)
    server.url = server.url.replace("x3d_{size}.pyth", "kinetics3.zip")
    yield server
    server.close()


def test_the_addresses_are_those_that_opendr_uses():
    server = "ftp://opendrdata.csd.auth.gr/perception/activity_recognition/datasets/"
    assert (server + "kinetics400mini.zip", server + "kinetics3.zip") == (kinetics.MINI_URL, kinetics.MICRO_URL)


@pytest.mark.parametrize("download", [KineticsDataset.download_mini, KineticsDataset.download_micro])
def test_a_set_is_fetched_over_a_broken_connection_and_unpacked(server, tmp_path, download):
    server.cuts = [100, 300]
    path = download(tmp_path / "set", url=server.url)
    assert files_in(path) == sorted(GOOD)
    assert (path / "data/train/zumba/a_000000_000010.mp4").read_bytes() == GOOD["data/train/zumba/a_000000_000010.mp4"]
    assert server.ranges == [None, "bytes=100-", "bytes=400-"]
    download(tmp_path / "set", url=server.url)
    assert len(server.ranges) == 3


@pytest.mark.parametrize("junk", [{}, {"__MACOSX/._kinetics3": b"", "readme.txt": b"hello"}])
def test_a_set_in_one_top_folder_as_opendr_packs_it_is_found_there(server, tmp_path, junk):
    packed = {f"kinetics3/{name}": content for name, content in GOOD.items()}
    server.content = zipped({**packed, **junk})
    path = KineticsDataset.download_micro(tmp_path, url=server.url)
    assert path == tmp_path / "kinetics3"
    assert files_in(path) == sorted(GOOD)
    assert KineticsDataset.download_micro(tmp_path, url=server.url) == path
    assert len(server.ranges) == 1


def test_a_damaged_archive_leaves_nothing(server, tmp_path):
    broken = bytearray(server.content)
    broken[len(broken) // 2] ^= 255
    server.content = bytes(broken)
    with pytest.raises(DownloadError):
        KineticsDataset.download_micro(tmp_path / "set", url=server.url)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"readme.txt": b"hello"}, 0),
        ({"deep/kinetics3/splits/train.json": b"{}", "deep/kinetics3/data/a.mp4": b""}, 0),
        ({f"{top}/{name}": content for top in "ab" for name, content in GOOD.items()}, 2),
    ],
)
def test_an_archive_without_a_data_set_is_an_error(server, tmp_path, files, count):
    server.content = zipped(files)
    with pytest.raises(DownloadError, match=f"has {count} data sets in it, expected the folders"):
        KineticsDataset.download_micro(tmp_path / "set", url=server.url)


def test_existing_files_are_not_overwritten(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"data": b"new"}))
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "data").write_bytes(b"old")
    with pytest.raises(DownloadError, match=r"contains \['data'\] already"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "to")
    assert (tmp_path / "to" / "data").read_bytes() == b"old"
