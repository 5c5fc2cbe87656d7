"""Files that are written whole or not at all, also by writers that are killed, or several."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from opendr_har_core.datasets.cache import ClipCache
from opendr_har_core.storage.atomic import ABANDONED_AFTER_SEC, atomic_path, remove_abandoned

ROOT = Path(__file__).resolve().parents[3]
# Writes a letter many times over, and is killed with its file half written, or after some files.
WRITER = """
import os, signal, sys
from opendr_har_core.storage.atomic import atomic_path
path, letter, turns, dies = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "dies"
for turn in range(turns):
    with atomic_path(path) as temporary:
        temporary.write_text(letter * 5_000)
        if dies and turn == turns - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        with temporary.open("a") as file:
            file.write(letter * 5_000)
"""


def write(path, letter, turns=1, dies=False):
    command = [sys.executable, "-c", WRITER, str(path), letter, str(turns), "dies" if dies else "lives"]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def grow_old(path, seconds=ABANDONED_AFTER_SEC + 1):
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


@pytest.fixture
def left(tmp_path):
    """What a killed writer of x.ckpt has left."""
    assert write(tmp_path / "x.ckpt", "a", dies=True).wait() == -signal.SIGKILL
    (path,) = tmp_path.iterdir()
    return path


def test_a_killed_writer_leaves_what_was_there_and_a_hidden_file(tmp_path):
    path = tmp_path / "x.ckpt"
    path.write_text("before")
    assert write(path, "a", dies=True).wait() == -signal.SIGKILL
    assert path.read_text() == "before"
    (hidden,) = set(names(tmp_path)) - {"x.ckpt"}
    assert hidden.startswith(".x.")
    assert hidden.endswith(".part.ckpt")


def test_what_was_left_is_removed_after_an_hour_and_nothing_else_is(tmp_path, left):
    others = [".x.ckpt", ".x.abcdefgh.ckpt", "x.abcdefgh.part.ckpt", ".x.abc.part.ckpt", "x.ckpt"]
    for name in others:
        (tmp_path / name).write_text("mine")
        grow_old(tmp_path / name)
    (tmp_path / ".x.aaaaaaaa.part.ckpt").mkdir()
    grow_old(tmp_path / ".x.aaaaaaaa.part.ckpt")
    (tmp_path / ".x.bbbbbbbb.part.ckpt").symlink_to("x.ckpt")
    grow_old(tmp_path / ".x.bbbbbbbb.part.ckpt")
    grow_old(left, ABANDONED_AFTER_SEC - 60)
    remove_abandoned(tmp_path)
    assert left.exists()
    grow_old(left)
    remove_abandoned(tmp_path)
    assert not left.exists()
    assert names(tmp_path) == sorted([*others, ".x.aaaaaaaa.part.ckpt", ".x.bbbbbbbb.part.ckpt"])


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path):
    remove_abandoned(tmp_path / "absent")


def test_who_opens_a_cache_removes_what_was_left_in_it(tmp_path, left):
    grow_old(left)
    cache = ClipCache(tmp_path)
    assert not left.exists()
    clip = np.zeros((1, 2, 2, 3), np.uint8)
    np.testing.assert_array_equal(cache.get("key", lambda: clip), clip)


def test_writers_of_one_file_do_not_get_in_each_others_way(tmp_path):
    path = tmp_path / "x.txt"
    with atomic_path(path) as first:
        first.write_text("first")
        with atomic_path(path) as second:
            second.write_text("second")
            assert first != second
        assert path.read_text() == "second"
        assert first.read_text() == "first"
    assert (path.read_text(), names(tmp_path)) == ("first", ["x.txt"])


def test_an_error_removes_what_was_begun_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (path.read_text(), names(tmp_path)) == ("before", ["x.txt"])


def test_many_writers_some_of_which_are_killed_leave_whole_files(tmp_path):
    path = tmp_path / "x.txt"
    writers = [write(path, letter, turns=100, dies=letter in "abc") for letter in "abcdef"]
    seen = set()
    over = threading.Event()

    def read():
        while not over.is_set():
            if path.exists():
                text = path.read_text()
                seen.add((len(text), len(set(text))))

    reader = threading.Thread(target=read)
    reader.start()
    codes = [writer.wait() for writer in writers]
    over.set()
    reader.join()
    assert codes == [-signal.SIGKILL] * 3 + [0] * 3
    assert seen == {(10_000, 1)}
    assert len(names(tmp_path)) == 1 + 3


def test_the_file_has_the_mode_that_the_user_wants_for_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "x.txt") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o640


def test_the_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, flushed = tmp_path / "x.txt", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(path.exists()))
    with atomic_path(path) as temporary:
        temporary.write_text("x")
    assert flushed == [False, True]


def test_no_descriptor_stays_open(tmp_path):
    def opened():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    for _ in range(5):
        with atomic_path(tmp_path / "x.txt") as temporary:
            temporary.write_text("x")
        with pytest.raises(RuntimeError), atomic_path(tmp_path / "x.txt"):
            raise RuntimeError
    assert opened() == before
