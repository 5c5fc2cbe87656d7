"""Downloads from a server that misbehaves on purpose."""

from __future__ import annotations

import io

import pytest
from download_server import Server

from opendr_har_core.errors import ConfigError, DownloadError
from opendr_har_core.storage import download
from opendr_har_core.storage.download import download_weights, fetch


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def test_a_file_arrives_with_its_progress_and_checksum(server, tmp_path):
    seen = []
    path = download_weights("xs", tmp_path, lambda done, total: seen.append((done, total)), url=server.url)
    assert path == tmp_path / "x3d_xs.pyth"
    assert path.read_bytes() == server.content
    assert seen[-1] == (len(server.content), len(server.content))
    download_weights("xs", tmp_path, url=server.url)
    assert len(server.ranges) == 1  # not fetched again


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        ({"cuts": [1000, 50_000]}, [None, "bytes=1000-", "bytes=51000-"]),
        ({"cuts": [1000], "resumes": False}, [None, "bytes=1000-"]),
        ({"stalls": 1}, [None, None]),
    ],
    ids=["dropped", "dropped by a server that can not resume", "silent"],
)
def test_a_connection_that_fails_is_resumed(server, tmp_path, faults, ranges):
    vars(server).update(faults)
    fetch(server.url, tmp_path / "x3d_xs.pyth", timeout_sec=0.5)
    assert (tmp_path / "x3d_xs.pyth").read_bytes() == server.content
    assert server.ranges == ranges


def test_an_interrupted_download_resumes_later(server, tmp_path):
    server.cuts = [1000]
    with pytest.raises(DownloadError, match="after 1 attempts: got 1000 of"):
        fetch(server.url, tmp_path / "x3d_xs.pyth", attempts=1)
    assert [file.name for file in tmp_path.iterdir()] == ["x3d_xs.pyth.part"]
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content
    assert server.ranges[-1] == "bytes=1000-"


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusing_server_is_an_error(server, tmp_path, status):
    server.status = status
    with pytest.raises(DownloadError, match=str(status)):
        fetch(server.url, tmp_path / "x3d_xs.pyth", attempts=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"<html>log in first</html>", b"PK\x03\x04 broken"])
def test_damaged_content_is_removed(server, tmp_path, content):
    server.content = content
    with pytest.raises(DownloadError, match="damaged"):
        download_weights("xs", tmp_path, url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_under_the_final_name_is_fetched_again(server, tmp_path):
    (tmp_path / "x3d_xs.pyth").write_bytes(server.content[:-500])
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content


def test_wrong_arguments_are_errors(server, tmp_path):
    with pytest.raises(ConfigError, match="'xl'"):
        download_weights("xl", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="can't be read or written"):
        download_weights("xs", tmp_path / "file" / "folder", url=server.url)


@pytest.mark.parametrize("announces", [True, False])
def test_an_endless_download_does_not_fill_the_disk(server, tmp_path, announces):
    server.announces = announces
    with pytest.raises(DownloadError, match="larger than 100000 bytes"):
        fetch(server.url, tmp_path / "weights", most_bytes=100_000)
    assert list(tmp_path.iterdir()) == []
    assert len(server.ranges) == 1  # what is too large is not requested again


def test_learners_download_and_load_weights(server, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from opendr_har_core import CoX3DLearner, X3DLearner
    from opendr_har_core.networks.config import x3d_config
    from opendr_har_core.networks.x3d import X3D

    buffer = io.BytesIO()
    torch.save({"model_state": X3D(x3d_config("xs")).state_dict()}, buffer)
    server.content = buffer.getvalue()
    monkeypatch.setattr(download, "WEIGHTS_URL", server.url)
    paths = X3DLearner.download(tmp_path / "weights", model_names={"xs"})
    assert paths == {"xs": tmp_path / "weights" / "x3d_xs.pyth"}
    for kind in (X3DLearner, CoX3DLearner):
        kind(backbone="xs", device="cpu").load(tmp_path / "weights")
