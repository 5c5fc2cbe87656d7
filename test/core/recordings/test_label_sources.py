"""Which recordings paths, patterns, folders, manifests and URLs name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

fsspec = pytest.importorskip("fsspec")
from opendr_har_core.errors import ConfigError, DataError, ResourceError
from opendr_har_core.recordings import sources
from opendr_har_core.recordings.sources import Source, find_sources, is_bag, local_copy


@pytest.fixture
def tree(tmp_path):
    """Videos, a bag, a bag of one file, and what is none."""
    for name in (
        "a.mp4",
        "a.annotated.mp4",
        "deep/b.AVI",
        "deep/notes.txt",
        "deep/one.mcap",
        "deep/walk/metadata.yaml",
        "deep/walk/walk_0.db3",
        "deep/walk/front.mp4",
        "clips/metadata.yaml",
        "clips/c.mkv",
        ".cache/d.mp4",
        ".cache/deep/e.mp4",
        ".a.0123abcd.part.mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(tree, found):
    return [os.path.relpath(source.uri, tree) for source in found]


ALL = ["a.mp4", "clips/c.mkv", "deep/b.AVI", "deep/one.mcap", "deep/walk", "deep/walk/front.mp4"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["."], ALL),
        (["deep/walk"], ["deep/walk", "deep/walk/front.mp4"]),
        (["deep/walk/walk_0.db3"], ["deep/walk/walk_0.db3"]),
        (["*.mp4", "a.mp4"], ["a.mp4"]),
        (["**/a*.mp4", ".cache/**/*.mp4"], ["a.mp4", ".cache/d.mp4", ".cache/deep/e.mp4"]),
        (["**/*.mcap", "de*/walk"], ["deep/one.mcap", "deep/walk", "deep/walk/front.mp4"]),
    ],
)
def test_files_folders_and_patterns_name_recordings_once(tree, monkeypatch, arguments, expected):
    monkeypatch.chdir(tree)
    assert names(tree, find_sources(arguments)) == expected


def test_a_manifest_names_recordings_relative_to_itself_also_absent_ones(tree):
    manifest = tree / "deep" / "list.csv"
    manifest.write_text(f"site, path\nx, walk\nx, ../a.mp4\nx, absent.mp4\nx, {tree}/clips/*\n")
    found = find_sources([str(manifest)])
    assert names(tree, found) == [
        "deep/walk",
        "deep/walk/front.mp4",
        "a.mp4",
        "deep/absent.mp4",
        "clips/c.mkv",
        "clips/metadata.yaml",
    ]


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("absent.mp4", DataError),
        ("*.mov", DataError),
        ("empty", DataError),
        ("bad.csv", DataError),
        ("absent.csv", DataError),
        ("nosuch://bucket/a.mp4", ConfigError),
        ("ftp://someone:secret@host/a.mp4", ConfigError),
    ],
)
def test_arguments_that_name_nothing_are_errors(tree, monkeypatch, argument, error):
    monkeypatch.chdir(tree)
    (tree / "empty").mkdir()
    (tree / "bad.csv").write_text("file\na.mp4\n")
    with pytest.raises(error):
        find_sources([argument])


def test_bags_are_folders_with_metadata_and_files_with_an_ending_of_theirs(tree):
    names = ["deep/walk", "deep/one.mcap", "ONE.DB3", "old.bag", "deep", "a.mp4", "missing"]
    assert [is_bag(tree / name) for name in names] == [True, True, True, True, False, False, False]


def test_without_locks_of_unix_other_commands_work():
    code = "import sys; sys.modules['fcntl'] = None; from opendr_har_core.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "infer", "x.mp4"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "there is no video file x.mp4" in found.stderr


@pytest.mark.parametrize("name", ["a.mp4", "deep/walk"])
def test_a_recording_is_another_one_after_a_change_but_has_the_same_name(tree, name):
    before = find_sources([str(tree / name)])[0]
    assert find_sources([str(tree / name)])[0] == before
    changed = tree / name if name.endswith(".mp4") else tree / name / "metadata.yaml"
    os.utime(changed, (1, 1))
    after = find_sources([str(tree / name)])[0]
    assert after != before
    assert after.key == before.key


def test_a_link_is_the_recording_that_it_leads_to(tree):
    folder = tree / "links"
    folder.mkdir()
    (folder / "l.mp4").symlink_to(tree / "a.mp4")
    (in_folder,), (direct,) = find_sources([str(folder)]), find_sources([str(folder / "l.mp4")])
    assert in_folder == direct
    os.utime(tree / "a.mp4", (1, 1))
    assert find_sources([str(folder)]) != [in_folder]


@pytest.fixture
def remote(tree):
    """The tree in fsspec's memory."""
    files = fsspec.filesystem("memory")
    files.put(str(tree), "/fleet", recursive=True)
    yield "memory://fleet"
    files.rm("/fleet", recursive=True)


def test_urls_name_recordings_which_are_copied_while_they_are_used(tree, remote):
    found = find_sources([remote])
    assert [source.uri for source in found] == [f"memory:///fleet/{name}" for name in ALL]
    walk = next(source for source in found if source.uri.endswith("walk"))
    for source, content in ((found[0], {"a.mp4"}), (walk, {"metadata.yaml", "walk_0.db3", "front.mp4"})):
        with local_copy(source) as path:
            assert path.name == source.uri.rpartition("/")[2]
            assert {file.name for file in (path.iterdir() if path.is_dir() else [path])} == content
        assert not path.exists()


def test_copies_of_killed_processes_are_removed_those_in_use_are_not(remote, tmp_path_factory, monkeypatch):
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(sources.tempfile, "tempdir", str(temporary))
    code = """
import os, fsspec
from opendr_har_core.recordings.sources import Source, local_copy
fsspec.filesystem("memory").pipe("/a.mp4", b"a")
with local_copy(Source("memory://a.mp4")):
    os._exit(9)
"""
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(temporary)}, check=False)
    assert killed.returncode == 9
    (left,) = temporary.glob("*/a.mp4")
    with local_copy(Source(f"{remote}/a.mp4")) as used:
        sources.remove_left_copies()
        assert used.exists()
        assert not left.exists()
    assert not any(temporary.iterdir())


def test_a_copy_needs_room(remote, monkeypatch):
    monkeypatch.setattr(sources.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 3})())
    with pytest.raises(ResourceError, match="TMPDIR"), local_copy(Source(f"{remote}/a.mp4", 5)):
        pass


def test_local_recordings_are_not_copied(tree):
    (source,) = find_sources([str(tree / "a.mp4")])
    with local_copy(source) as path:
        assert path == tree / "a.mp4"
    assert path.exists()
