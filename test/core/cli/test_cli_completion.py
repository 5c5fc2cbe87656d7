"""Shell completion, in a real bash."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")
from opendr_har_core.cli.main import JOBS
from opendr_har_core.synthetic.actions import ACTIONS

BIN = Path(sys.executable).parent
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(
    BASH is None or not (BIN / "opendr-har").exists() or not (BIN / "register-python-argcomplete").exists(),
    reason="needs bash, and the installed commands opendr-har and register-python-argcomplete",
)
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
REGISTER = 'eval "$(register-python-argcomplete opendr-har)"'


@pytest.fixture
def folder(tmp_path):
    for name in ("walk.mp4", "mine.onnx", "weights.pyth", "notes.txt", "settings.yaml", "videos/run.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def offered(folder, line):
    """What bash would offer at the end of the line."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    script = f"""{REGISTER}
COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; COMP_KEY=9
COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
_python_argcomplete opendr-har
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    command = [BASH, "--norc", "-c", script]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return sorted(word.strip().replace("\\ ", " ") for word in done.stdout.splitlines() if word.strip())


def test_the_module_is_marked_for_completion_of_all_commands_at_once():
    """activate-global-python-argcomplete looks for the mark."""
    command = [sys.executable, "-m", "argcomplete._check_console_script", str(BIN / "opendr-har")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_jobs(folder):
    assert set(offered(folder, "opendr-har ")) >= {"infer", "synth", "train"}
    assert len([word for word in offered(folder, "opendr-har ") if not word.startswith("-")]) == len(JOBS)
    assert offered(folder, "opendr-har inf") == ["infer"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("opendr-har infer ", {"walk.mp4", "videos/"}),
        ("opendr-har infer videos/", {"videos/run.avi"}),
        ("opendr-har infer walk.mp4 --model ", {"continual", "default", "kinetics400", "mine.onnx", "videos/"}),
        ("opendr-har infer walk.mp4 --sampling ", {"stamps", "every_frame", "dense"}),
        ("opendr-har infer walk.mp4 --output ", {"videos/"}),
        ("opendr-har infer walk.mp4 --warm", {"--warm-start"}),
        ("opendr-har train --base ", {"weights.pyth", "videos/"}),
        ("opendr-har eval --config ", {"settings.yaml", "videos/"}),
        ("opendr-har download ", {"xs", "s", "m", "l"}),
        ("opendr-har export --network ", {"x3d", "cox3d"}),
        ("opendr-har synth clips --actions ", set(ACTIONS)),
    ],
)
def test_files_choices_and_names(folder, line, expected):
    assert set(offered(folder, line)) == expected


def test_tab_in_an_interactive_shell(folder):
    """As people do it: a terminal, a bash that waits for input, and the key."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [BASH, "--norc", "-i"],
        cwd=folder,
        env={**ENVIRONMENT, "PS1": "ready> ", "TERM": "dumb", "INPUTRC": "/dev/null"},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    try:
        os.write(parent, f"{REGISTER}; echo regis''tered\n".encode())
        until(parent, "registered")
        os.write(parent, b"opendr-har inf\t")
        until(parent, "opendr-har infer ")
        os.write(parent, b"wal\t")
        until(parent, "walk.mp4 ")
    finally:
        process.kill()
        process.wait()
        os.close(parent)


def until(terminal, text, seconds=30.0):
    """What the terminal shows until `text` is there."""
    shown, end = "", time.monotonic() + seconds
    while text not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 4096).decode("utf-8", "replace")
    assert text in shown, shown
    return shown
