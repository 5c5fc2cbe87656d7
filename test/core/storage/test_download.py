"""Downloads against a server that misbehaves on purpose."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from pathlib import Path

import pytest
from download_server import Server

from opendr_har_core.errors import CheckpointError, ConfigError, DownloadError
from opendr_har_core.storage import download
from opendr_har_core.storage.download import download_weights, fetch


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def test_a_file_arrives_whole_with_its_progress(server, tmp_path):
    seen = []
    path = download_weights("xs", tmp_path, lambda done, total: seen.append((done, total)), url=server.url)
    assert path.read_bytes() == server.content
    assert path.name == "x3d_xs.pyth"
    assert seen[-1] == (len(server.content), len(server.content))


def test_a_dropped_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cuts = [1000, 50_000]
    path = download_weights("s", tmp_path, url=server.url)
    assert path.read_bytes() == server.content
    assert server.ranges == [None, "bytes=1000-", "bytes=51000-"]


def test_an_interrupted_download_is_not_taken_for_a_file_and_goes_on_later(server, tmp_path):
    server.cuts = [1000]
    with pytest.raises(DownloadError, match="after 1 attempts: got 1000 of"):
        fetch(server.url, tmp_path / "x3d_xs.pyth", attempts=1)
    assert [file.name for file in tmp_path.iterdir()] == ["x3d_xs.pyth.part"]
    assert not (tmp_path / "x3d_xs.pyth").exists()
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content
    assert server.ranges[-1] == "bytes=1000-"


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    download_weights("xs", tmp_path, url=server.url)
    download_weights("xs", tmp_path, url=server.url)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusing_server_is_an_error_that_says_so(server, tmp_path, status):
    server.status = status
    with pytest.raises(DownloadError, match=str(status)):
        fetch(server.url, tmp_path / "x3d_xs.pyth", attempts=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"<html>log in first</html>", b"PK\x03\x04 broken"])
def test_damaged_content_is_removed_and_reported(server, tmp_path, content):
    server.content = content
    with pytest.raises(DownloadError, match="damaged"):
        download_weights("xs", tmp_path, url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_size_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'xl'"):
        download_weights("xl", tmp_path)


def test_a_slow_server_is_waited_for_as_long_as_something_comes(server, tmp_path):
    server.pause_sec = 0.2
    seen = []
    started = time.monotonic()
    fetch(server.url, tmp_path / "x3d_xs.pyth", lambda done, _: seen.append(done), timeout_sec=1.0, attempts=1)
    assert time.monotonic() - started > 1.0  # longer than the time of silence that ends it
    assert (tmp_path / "x3d_xs.pyth").read_bytes() == server.content
    assert seen == sorted(seen)


def test_a_silent_connection_is_given_up_and_taken_up_again(server, tmp_path):
    server.stalls = 1
    fetch(server.url, tmp_path / "x3d_xs.pyth", timeout_sec=0.3)
    assert (tmp_path / "x3d_xs.pyth").read_bytes() == server.content
    assert server.ranges[0] is None
    assert len(server.ranges) == 2


def test_a_server_that_can_not_resume_sends_it_all_again(server, tmp_path):
    server.cuts, server.resumes = [1000], False
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content


def test_a_part_that_is_already_whole_is_only_verified(server, tmp_path):
    (tmp_path / "x3d_xs.pyth.part").write_bytes(server.content)
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content


def test_a_part_of_another_longer_file_is_thrown_away(server, tmp_path):
    (tmp_path / "x3d_xs.pyth.part").write_bytes(server.content + b"more")
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content


def test_the_sha256_is_recorded_as_sha256sum_reads_it(server, tmp_path):
    path = download_weights("xs", tmp_path, url=server.url)
    record = (tmp_path / "x3d_xs.pyth.sha256").read_text()
    assert record == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  x3d_xs.pyth\n"


def test_a_part_of_a_file_under_the_files_own_name_is_never_taken_for_it(server, tmp_path):
    """As a download by other means leaves it that broke off."""
    (tmp_path / "x3d_xs.pyth").write_bytes(server.content[:-500])
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content


def test_a_file_that_was_changed_since_is_fetched_again(server, tmp_path):
    path = download_weights("xs", tmp_path, url=server.url)
    path.write_bytes(b"PK something else")
    assert download_weights("xs", tmp_path, url=server.url).read_bytes() == server.content


def test_a_whole_file_of_other_origin_is_verified_recorded_and_kept(server, tmp_path):
    (tmp_path / "x3d_xs.pyth").write_bytes(server.content)
    download_weights("xs", tmp_path, url=server.url)
    assert server.ranges == []
    assert (tmp_path / "x3d_xs.pyth.sha256").exists()


def test_another_file_than_the_first_time_is_refused(server, tmp_path):
    download_weights("xs", tmp_path, url=server.url).unlink()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("weights", b"others")
    server.content = buffer.getvalue()
    with pytest.raises(DownloadError, match=r"its sha256 is not [0-9a-f]{64}"):
        download_weights("xs", tmp_path, url=server.url)
    assert not (tmp_path / "x3d_xs.pyth").exists()


def test_content_that_does_not_pass_the_check_is_removed(server, tmp_path):
    def check(_):
        raise CheckpointError("2 missing: head")

    with pytest.raises(DownloadError, match="2 missing: head"):
        download_weights("xs", tmp_path, url=server.url, check=check)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_made_is_an_error(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="can't be read or written"):
        download_weights("xs", tmp_path / "file" / "folder", url=server.url)


def test_a_full_disk_is_not_tried_again(server, tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "x3d_xs.pyth.part").symlink_to(full)
    with pytest.raises(DownloadError, match="No space left on device; make room"):
        fetch(server.url, tmp_path / "x3d_xs.pyth")
    assert len(server.ranges) == 1


def weights_of(size, num_classes=400):
    torch = pytest.importorskip("torch")
    from opendr_har_core.networks.config import x3d_config
    from opendr_har_core.networks.x3d import X3D

    buffer = io.BytesIO()
    torch.save({"model_state": X3D(x3d_config(size), num_classes).state_dict()}, buffer)
    return buffer.getvalue()


def test_a_learner_downloads_and_loads_what_it_got(server, tmp_path, monkeypatch):
    server.content = weights_of("xs")
    server.cuts = [1_000_000]
    monkeypatch.setattr(download, "WEIGHTS_URL", server.url)
    from opendr_har_core import CoX3DLearner, X3DLearner

    paths = X3DLearner.download(tmp_path / "weights", model_names={"xs"})
    assert paths == {"xs": tmp_path / "weights" / "x3d_xs.pyth"}
    assert server.ranges[1] == "bytes=1000000-"
    for kind in (X3DLearner, CoX3DLearner):
        kind(backbone="xs", device="cpu").load(tmp_path / "weights")


def test_a_learner_refuses_weights_of_another_network(server, tmp_path, monkeypatch):
    server.content = weights_of("xs", num_classes=7)
    monkeypatch.setattr(download, "WEIGHTS_URL", server.url)
    from opendr_har_core import X3DLearner

    with pytest.raises(DownloadError, match=r"head\.projection\.weight \(7, 2048\)"):
        X3DLearner.download(tmp_path, model_names=["xs"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [{"xs", "xl"}, set(), {3}])
def test_a_learner_names_the_sizes_that_there_are_and_fetches_none(server, tmp_path, monkeypatch, names):
    pytest.importorskip("torch")
    monkeypatch.setattr(download, "WEIGHTS_URL", server.url)
    from opendr_har_core import X3DLearner

    with pytest.raises(ConfigError, match=r"'xs', 's', 'm', 'l'"):
        X3DLearner.download(tmp_path, model_names=names)
    assert server.ranges == []


def test_the_official_address_is_the_documented_one():
    official = "https://dl.fbaipublicfiles.com/pyslowfast/x3d_models/x3d_xs.pyth"
    assert download.WEIGHTS_URL.format(size="xs") == official
