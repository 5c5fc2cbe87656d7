"""One vocabulary over all jobs, help whose examples parse, a parser that is quick to make."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opendr_har_core.cli import benchmark, options
from opendr_har_core.cli.main import JOBS, parser
from opendr_har_core.cli.main import main as command_line
from opendr_har_core.media.video import write_video
from opendr_har_core.streaming.recognizer import DEFAULT
from opendr_har_core.synthetic.actions import ACTIONS
from opendr_har_core.synthetic.scene import render_clip

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# What an option must mean wherever it is: how its value is called, and what it may be.
MEANINGS = {
    "--model": "MODEL",
    "--labels": "CSV",
    "--report": "FILE",
    "--threads": "N",
    "--seed": "N",
    "--window": "N",
    "--config": "YAML",
    "--top-k": "K",
    "--threshold": "P",
    "--url": "URL",
}


def jobs():
    (subparsers,) = [item for item in parser()._actions if isinstance(item, argparse._SubParsersAction)]
    return dict(subparsers.choices)


def test_every_job_of_the_list_is_there_and_speaks_json_and_keeps_quiet():
    assert {"infer", "bag", "train", "eval", "export", "tune", "quantize", "download"} <= set(jobs())
    assert {"benchmark", "doctor", "synth"} <= set(jobs())
    assert len(jobs()) == len(JOBS)
    for name, job in jobs().items():
        flags = {flag: action for action in job._actions for flag in action.option_strings}
        if name == "live":  # it runs until it is stopped, and reports on its page
            continue
        assert flags["--json"].nargs == 0, name
        assert flags["--quiet"].nargs == 0, name


def test_an_option_means_the_same_everywhere():
    for name, job in jobs().items():
        for action in job._actions:
            for flag in action.option_strings:
                if flag in MEANINGS and name != "live":
                    assert action.metavar == MEANINGS[flag], (name, flag)


def test_every_option_of_every_job_has_help_that_does_not_break_off():
    for name, job in jobs().items():
        for action in job._actions:
            assert action.help, (name, action.dest)
        assert job.format_help()
        assert job.description


def examples():
    for name, job in jobs().items():
        lines = [line.strip() for line in (job.epilog or "").splitlines() if line.strip().startswith("opendr-har")]
        yield from ((name, line) for line in lines)


def test_every_job_has_examples():
    assert {name for name, _ in examples()} >= set(jobs()) - {"live"}


@pytest.mark.parametrize("line", [line for _, line in examples()])
def test_the_examples_of_the_help_parse(line):
    parser().parse_args(shlex.split(line)[1:])


def commands_of(page):
    """(command line, whether it is a whole one): lines of blocks, and `inline` code, some of it in part."""
    text = page.read_text().replace("\\\n", " ")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M):
        if language not in ("sh", "console", "bash", ""):
            continue
        for line in block.splitlines():
            for command in re.split(r"&&|\|\||[;&|]", line.removeprefix("$ ").split(" #")[0]):
                yield command, True
    inline = re.findall(r"`(opendr-har [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    yield from ((command, page.name == "README.md") for command in inline)


def documented():
    for page in PAGES:
        for command, is_whole in dict.fromkeys(commands_of(page)):
            words = " ".join(command.split())
            if re.match(r"(\S*/)?opendr-har\s", words):
                yield pytest.param(words, is_whole, id=f"{page.name}: {words}"[:120])


@pytest.mark.parametrize(("command", "is_whole"), list(documented()))
def test_the_command_lines_of_the_pages_parse(command, is_whole, capsys):
    _, job, *words = shlex.split(command)
    if job == "live" and job not in jobs():
        pytest.skip("this build has no live page")
    if is_whole and words != ["..."] and (words or job in ("doctor", "benchmark")):
        parser().parse_args([job, *words])
        return
    flags = {flag for action in jobs()[job]._actions for flag in action.option_strings} if job in jobs() else {job}
    assert {word for word in words if word.startswith("--")} <= flags
    assert job in jobs() or job.startswith("-") or "|" in job


def test_there_are_many_of_them():
    assert len(list(documented())) > 50


@pytest.mark.parametrize(
    ("ours", "module", "theirs"),
    [
        (options.SIZES, "networks.config", lambda module: tuple(module.X3D_CONFIGS)),
        (options.SIZES, "download", lambda module: module.SIZES),
        (options.SAMPLINGS, "sampling", lambda module: module.MODES),
        (options.WARM_STARTS, "stream", lambda module: module.WARM_STARTS),
        (options.DEVICES, "training.settings", lambda module: module.DEVICES),
        (options.DEFAULT, "recognizer", lambda module: module.DEFAULT),
        (options.VIDEOS, "datasets.video_file", lambda module: tuple(name[1:] for name in module.SUFFIXES)),
        (benchmark.NAMES, "benchmarking.models", lambda module: module.NAMES),
        (benchmark.RUNTIMES, "benchmarking.models", lambda module: module.RUNTIMES),
        (benchmark.LARGEST_BATCH, "benchmarking.measure", lambda module: module.LARGEST_BATCH),
        (("float16", "int8"), "bundle", lambda module: module.PRECISIONS[1:]),
        (("foxy", "humble", "jazzy", "kilted"), "bags.label_messages", lambda module: module.DISTRIBUTIONS),
        (("name", "index"), "bags.label_messages", lambda module: module.CLASS_ID_FORMATS),
    ],
)
def test_choices_that_are_written_out_are_those_of_the_modules_that_know_them(ours, module, theirs):
    if module in ("networks.config", "datasets.video_file", "bags.label_messages", "training.settings"):
        pytest.importorskip("torch" if module.startswith(("net", "data", "train")) else "rosbags")
    assert ours == theirs(importlib.import_module(f"opendr_har_core.{module}"))


def test_augmentation_flags_are_fields_of_the_transform_and_default_to_its_own():
    pytest.importorskip("torch")
    from opendr_har_core.cli.augmentation import Augmentation
    from opendr_har_core.cli.config_file import with_config
    from opendr_har_core.datasets.transforms import TrainTransform

    parsed = with_config(parser().parse_args(["train", "--data", "d", "--output", "o.onnx"]))
    assert Augmentation(parsed, 32)._transform == TrainTransform(32)


def test_the_parser_needs_no_heavy_module():
    code = "import json, sys; from opendr_har_core.cli.main import parser; parser(); print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"numpy", "cv2", "av", "onnxruntime", "torch", "onnx", "rosbags", "rich", "yaml", "aiohttp", "argcomplete"}
    assert heavy & set(json.loads(done.stdout)) == set()


def test_help_is_quick(record_property):
    """Best of five, beside Python's own start: others may be using the machine."""

    def best(*arguments):
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True, cwd=ROOT)
            times.append(time.perf_counter() - begun)
        return min(times)

    own = best("-m", "opendr_har_core.cli.main", "--help") - best("-c", "pass")
    record_property("help_sec_beyond_python", round(own, 3))
    assert own < 0.25


def test_the_default_model_has_its_name():
    assert parser().parse_args(["infer", "clip.mp4"]).model == DEFAULT


# Commands of docs/cli.md that run as they stand on drawn clips, in this order; the others need weights or a robot.
RUNNABLE = (
    "opendr-har synth --list",
    "opendr-har synth clips/few --actions walking jumping --seconds 3 --size 160x120",
    "opendr-har infer clip.mp4",
    "opendr-har infer videos 'more/*.avi' --output results --write timeline,csv --smoothing 0.5 --threshold 0.5",
    "opendr-har infer clip.mp4 --json --quiet",
)


def test_commands_of_the_page_run_as_they_stand(tmp_path, monkeypatch, capsys):
    written = {" ".join(command.split()) for command, _ in commands_of(ROOT / "docs" / "cli.md")}
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "videos/one.mp4", "more/two.avi"):
        Path(name).parent.mkdir(exist_ok=True)
        write_video(name, render_clip(ACTIONS[0], 2.0, 15.0, (72, 96), 1), 15.0)
    for command in RUNNABLE:
        assert command in written
        words = shlex.split(command)[1:]
        known = [word if word not in ("walking", "jumping") or word in ACTIONS else ACTIONS[0] for word in words]
        assert command_line(known) == 0, (command, capsys.readouterr().err)
    assert len(list(Path("clips/few").rglob("*.mp4"))) >= 10
    assert len(list(Path("results").iterdir())) == 6
