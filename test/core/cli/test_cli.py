"""The command line as a whole: exit codes, flags, help, and the commands in the documentation."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from opendr_har_core.cli.main import JOBS, main, parser
from opendr_har_core.cli.options import read_settings
from opendr_har_core.media.video import write_video
from opendr_har_core.streaming.settings import LabelSettings, StreamSettings
from opendr_har_core.synthetic.scene import render_clip

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# Loaded by some subcommands only: the help of all, and completion, must not wait for them.
HEAVY = {"numpy", "cv2", "av", "onnxruntime", "torch", "onnx", "rosbags", "rich", "aiohttp", "argcomplete"}


def commands():
    (subparsers,) = [item for item in parser()._actions if isinstance(item, argparse._SubParsersAction)]
    return dict(subparsers.choices)


def flags_of(command):
    return {flag: action for action in command._actions for flag in action.option_strings}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "clip.mp4", render_clip("walking", 1.5, seed=2), 30.0)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("synth --list", 0, ""),
        ("infer --help", 0, ""),
        ("--version", 0, ""),
        ("infer absent.mp4", 1, "there is no video file absent.mp4"),
        ("infer {clip} --model absent.onnx", 1, "no model 'absent.onnx'"),
        ("infer {clip} --model {clip}", 1, "it is not an ONNX model"),
        ("infer {clip} --providers warp", 1, "no execution provider 'warp'"),
        ("", 2, "the following arguments are required"),
        ("dance", 2, "invalid choice: 'dance'"),
        ("infer", 2, "the following arguments are required: VIDEO"),
        ("infer {clip} --speed 2", 2, "unrecognized arguments: --speed"),
        ("infer {clip} --threshold 2", 2, "threshold is 2.0, expected a number, 0 to 1"),
        ("infer {clip} --top-k 0", 2, "top_k is 0, expected a whole number, 1 to 1000"),
        ("infer {clip} --write poem", 2, "invalid choice: 'poem'"),
        ("infer {clip} --sampling all", 2, "sampling is 'all', expected one of"),
        ("infer {clip} --output {clip}", 2, "can't be created"),
        ("synth", 2, "FOLDER"),
        ("export best.ckpt", 2, "the following arguments are required: --output"),
        ("eval @absent.txt", 2, "No such file or directory: 'absent.txt'"),
        ("eval @{clip}", 2, "can't read the options in a file"),
        ("eval @{loop}", 2, "can't read the options in a file: maximum recursion depth"),
    ],
)
def test_exit_codes_are_the_documented_ones(command, code, message, clip, tmp_path, capsys):
    """130, of an interrupted command, is in test_cli_interrupt."""
    loop = tmp_path / "loop.txt"
    loop.write_text(f"@{loop}")
    assert main(shlex.split(command.format(clip=clip, loop=loop))) == code
    written = capsys.readouterr()
    assert message in written.err
    assert bool(written.err) == (code != 0)
    assert "Traceback" not in written.err


def test_the_flags_of_settings_give_the_settings():
    options = parser().parse_args(["bag", "walk"])
    assert read_settings(options, StreamSettings) == StreamSettings()
    assert read_settings(options, LabelSettings) == LabelSettings()
    stream = "--sampling dense --warm-start repeat --min-frames 5 --max-gap-sec 1.5"
    labels = "--top-k 2 --threshold 0.5 --hysteresis 0.1 --smoothing 1 --min-duration-sec 2"
    options = parser().parse_args(["bag", "walk", *stream.split(), *labels.split(), "--no-activity-label", "nothing"])
    assert read_settings(options, StreamSettings) == StreamSettings("dense", "repeat", 5, 1.5)
    assert read_settings(options, LabelSettings) == LabelSettings(2, 0.5, 0.1, "nothing", 1, 2)


def test_every_command_has_help_examples_json_and_quiet():
    assert len(commands()) == len(JOBS)
    for name, command in commands().items():
        assert command.description, name
        assert "examples:\n  opendr-har" in command.format_help(), name
        assert {"--json", "--quiet"} <= set(flags_of(command)), name
        assert [action.dest for action in command._actions if not action.help] == [], name


def test_the_parser_loads_no_heavy_module():
    code = "import json, sys; from opendr_har_core.cli.main import parser; parser(); print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(json.loads(done.stdout))
    assert HEAVY & loaded == set()
    assert len([name for name in loaded if name.startswith("opendr_har_core")]) < 50


def documented():
    """(command, whether it is complete) in examples of --help, in blocks of code and in `inline` code."""
    for name, command in commands().items():
        for line in re.findall(r"^  (opendr-har .*)$", command.epilog or "", re.MULTILINE):
            yield f"{name} --help", line, True
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for block in re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for part in re.split(r"\n|&&|\|\||[;&|]", re.sub(r" #.*", "", block)):
                found = re.match(r"\s*(?:\$ )?(?:\S*/)?(opendr-har\s.*)", part)
                if found:
                    yield page.name, found[1], True
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        yield from ((page.name, line, False) for line in re.findall(r"`(opendr-har [^`]+)`", prose))


@pytest.mark.parametrize("page", sorted({page for page, _, _ in documented()}))
def test_documented_commands_parse(page):
    for _, line, is_complete in (item for item in documented() if item[0] == page):
        name, *words = shlex.split(line)[1:]
        if is_complete and not re.search(r"\.\.\.|\[| @", line):
            parser().parse_args([name, *words])
        elif not name.startswith("-"):
            assert {word for word in words if word.startswith("--")} <= set(flags_of(commands()[name])), line


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("opendr-har inf", {"infer"}),
        ("opendr-har infer clip.mp4 --sampling ", {"stamps", "every_frame", "dense"}),
        ("opendr-har infer clip.mp4 --warm", {"--warm-start"}),
        ("opendr-har train --base we", {"weights.pyth"}),
    ],
)
def test_a_shell_completes_commands_options_choices_and_files(line, expected, tmp_path):
    pytest.importorskip("argcomplete")
    (tmp_path / "weights.pyth").touch()
    answer = tmp_path / "answer"
    shell = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "COMP_LINE": line}
    env = {**os.environ, **shell, "COMP_POINT": str(len(line)), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "opendr_har_core.cli.main"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True)
    assert {word.strip() for word in answer.read_text().split("\013")} == expected
