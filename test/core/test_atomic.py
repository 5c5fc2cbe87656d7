"""Files that are written whole or not at all, also by writers that are killed, or several."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opendr_har_core.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[2]
# Writes a letter many times over, and is killed with its file half written, or after some files.
WRITER = """
import os, signal, sys
from opendr_har_core.atomic import atomic_path
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


def test_what_killed_writers_left_is_taken_over_and_gone_after_the_next_write(tmp_path):
    path = tmp_path / "x.ckpt"
    path.write_text("before")
    for _ in range(3):
        assert write(path, "a", dies=True).wait() == -signal.SIGKILL
        assert path.read_text() == "before"
        assert names(tmp_path) == [".x.0.ckpt", "x.ckpt"]
    assert (tmp_path / ".x.0.ckpt").stat().st_size == 5_000
    with atomic_path(path) as temporary:
        assert temporary.stat().st_size == 0
        temporary.write_text("new")
    assert (path.read_text(), names(tmp_path)) == ("new", ["x.ckpt"])


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


def test_an_error_removes_what_was_begun_and_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")
    with atomic_path(path) as others, pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert not others.exists()
    assert path.read_text() == ""
    assert names(tmp_path) == ["x.txt"]


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
    assert len(names(tmp_path)) <= 1 + 3


@pytest.mark.parametrize("what", ["symbolic link", "hard link", "pipe", "folder"])
def test_what_somebody_else_put_there_is_not_written_to(tmp_path, what):
    treasure, trap = tmp_path / "treasure", tmp_path / ".x.0.txt"
    treasure.write_text("gold")
    makers = {
        "symbolic link": lambda: trap.symlink_to(treasure),
        "hard link": lambda: os.link(treasure, trap),
        "pipe": lambda: os.mkfifo(trap),
        "folder": trap.mkdir,
    }
    makers[what]()
    with atomic_path(tmp_path / "x.txt") as temporary:
        temporary.write_text("lead")
    assert (tmp_path / "x.txt").read_text() == "lead"
    assert not (tmp_path / "x.txt").is_symlink()
    assert treasure.read_text() == "gold"
    assert trap.exists()


def test_the_file_has_the_mode_that_the_user_wants_for_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "x.txt") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o640


def test_no_descriptor_stays_open(tmp_path):
    def opened():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    for _ in range(10):
        with atomic_path(tmp_path / "x.txt") as temporary:
            temporary.write_text("x")
    assert opened() == before
