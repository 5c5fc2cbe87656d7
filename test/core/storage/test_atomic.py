"""Atomic file writes, also by killed and concurrent writers."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

from opendr_har_core.storage.atomic import ABANDONED_AFTER_SEC, atomic_path, remove_abandoned

ROOT = Path(__file__).resolve().parents[3]
# Writes a letter many times, and may be killed with a file half written.
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


def age(path, seconds=ABANDONED_AFTER_SEC + 1):
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_only_abandoned_temporary_files_are_removed_after_an_hour(tmp_path):
    others = [".x.ckpt", ".x.abcdefgh.ckpt", "x.abcdefgh.part.ckpt", ".x.abc.part.ckpt", ".x.bbbbbbbb.part.ckpt"]
    for name in others[:-1]:
        (tmp_path / name).write_text("mine")
    (tmp_path / others[-1]).symlink_to("x.ckpt")
    (tmp_path / ".x.aaaaaaaa.part.ckpt").mkdir()
    left = tmp_path / ".x.cccccccc.part.ckpt"
    left.write_text("left")
    for path in tmp_path.iterdir():
        age(path)
    age(left, ABANDONED_AFTER_SEC - 60)
    remove_abandoned(tmp_path)
    assert left.exists()
    age(left)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == sorted([*others, ".x.aaaaaaaa.part.ckpt"])
    remove_abandoned(tmp_path / "absent")


def test_readers_see_only_whole_files_of_many_writers(tmp_path):
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


def test_a_file_is_flushed_before_it_is_renamed_and_respects_the_umask(tmp_path, monkeypatch):
    path, flushed = tmp_path / "x.txt", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(path.exists()))
    before = os.umask(0o027)
    try:
        with atomic_path(path) as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert flushed == [False, True]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
