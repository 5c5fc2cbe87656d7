"""Labels on a Ray cluster: the same tables as on the cores of this machine."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'opendr_har_ros[scale]'")
cluster_utils = pytest.importorskip("ray.cluster_utils")
sys.path.insert(0, str(Path(__file__).parents[1]))
from label_cases import DeadlyJob, deaths, job_for, tables

from opendr_har_core.errors import ResourceError
from opendr_har_core.media.video import write_video
from opendr_har_core.recordings.label_many import label_many
from opendr_har_core.recordings.sources import Source, find_sources
from opendr_har_core.synthetic.scene import render_clip


@pytest.fixture
def cluster(monkeypatch):
    """The address of a cluster of two nodes of one core on this machine, which see what tests import."""
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    node = {"num_cpus": 1, "object_store_memory": 100_000_000}
    started = cluster_utils.Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **node})
    started.add_node(**node)
    yield started.address
    started.shutdown()


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "auto"])
def test_an_address_without_a_cluster_is_an_error_at_once(tmp_path, monkeypatch, address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    address = address.format(port=port)
    with pytest.raises(ResourceError, match=f"no Ray cluster at {address}: .* refused"):
        label_many(job_for(tmp_path), [Source("a.mp4")], ray=address)


@pytest.mark.slow
def test_tables_are_those_of_a_local_run_although_workers_die(cluster, tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for seed, name in enumerate(("fatal", "unlucky", "fine")):
        write_video(folder / f"{name}.mp4", render_clip("walking", 3.0, 10.0, (60, 80), seed), 10.0)
    (folder / "broken.mp4").write_bytes(b"no video")
    sources = find_sources([str(folder)])
    done = label_many(job_for(tmp_path / "ray", DeadlyJob), sources, ray=cluster)
    assert (done.labelled, done.failed) == (2, 2)
    assert deaths(tmp_path / "ray") == [1, 2]
    label_many(job_for(tmp_path / "local", DeadlyJob), sources, 1)
    assert tables(tmp_path / "ray") == tables(tmp_path / "local")
