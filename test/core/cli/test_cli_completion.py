"""Shell completion in a real bash."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")
from opendr_har_core.synthetic.actions import ACTIONS

BIN = Path(sys.executable).parent
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(
    BASH is None or not (BIN / "opendr-har").exists() or not (BIN / "register-python-argcomplete").exists(),
    reason="needs bash, and the installed commands opendr-har and register-python-argcomplete",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for name in ("walk.mp4", "mine.onnx", "weights.pyth", "notes.txt", "settings.yaml", "videos/run.avi"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


def completions(folder, line):
    """What bash offers at the end of the line."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    script = f"""eval "$(register-python-argcomplete opendr-har)"
COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; COMP_KEY=9
COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
_python_argcomplete opendr-har
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [BASH, "--norc", "-c", script]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return {word.strip().replace("\\ ", " ") for word in done.stdout.splitlines() if word.strip()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("opendr-har inf", {"infer"}),
        ("opendr-har infer ", {"walk.mp4", "videos/"}),
        ("opendr-har infer walk.mp4 --model ", {"continual", "default", "kinetics400", "mine.onnx", "videos/"}),
        ("opendr-har infer walk.mp4 --sampling ", {"stamps", "every_frame", "dense"}),
        ("opendr-har infer walk.mp4 --output ", {"videos/"}),
        ("opendr-har infer walk.mp4 --warm", {"--warm-start"}),
        ("opendr-har train --base ", {"weights.pyth", "videos/"}),
        ("opendr-har eval --config ", {"settings.yaml", "videos/"}),
        ("opendr-har synth clips --actions ", set(ACTIONS)),
    ],
)
def test_bash_completes(folder, line, expected):
    assert completions(folder, line) == expected
