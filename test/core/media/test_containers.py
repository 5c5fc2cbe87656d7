"""What the images' files say is so: what they copy, install and start is in the project."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKER = ROOT / "docker"
IMAGES = sorted(DOCKER.glob("*.Dockerfile"))
SHARE = "/opt/har/share/opendr_har_ros/"
BUILD_FILES = {"setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "package.xml"}


def instructions(path):
    """The pairs (instruction, the rest of it) of a Dockerfile, continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def values(path, name):
    return [rest.strip() for instruction, rest in instructions(path) if instruction == name]


@pytest.fixture(scope="module")
def packaging():
    """The arguments that setup.py gives to setup()."""
    setuptools = pytest.importorskip("setuptools")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: found.update(arguments))
        patch.chdir(ROOT)
        runpy.run_path(str(ROOT / "setup.py"))
    return found


@pytest.fixture(scope="module")
def programs(packaging):
    return {line.split("=")[0].strip() for line in packaging["entry_points"]["console_scripts"]}


@pytest.fixture(scope="module")
def shared(packaging):
    """The files that an installation has below its share folder of this package."""
    prefix = "share/opendr_har_ros"
    folders = [(folder[len(prefix) :].lstrip("/"), files) for folder, files in packaging["data_files"]]
    return {f"{folder}/{Path(file).name}" for folder, files in folders for file in files}


@pytest.fixture(scope="module")
def compose():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def context():
    """The tracked files that .dockerignore lets through to the builder; as Docker, the last rule that fits counts."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the project's files are those that git tracks, and this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    return {name for name in listed.split("\0") if name and not ignored(name, rules)}


def ignored(name, rules):
    parts = name.split("/")
    starts = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    last = False
    for rule in rules:
        pattern = rule.lstrip("!")
        if pattern.startswith("**/"):
            fits = any(fnmatch(part, pattern[3:]) for part in parts)
        else:
            fits = any(start.count("/") == pattern.count("/") and fnmatch(start, pattern) for start in starts)
        last = not rule.startswith("!") if fits else last
    return last


def packaged_config(words, shared):
    """Check that the parameter files among the words of a command are installed."""
    files = [word[len(SHARE) :] for word in words if word.startswith(SHARE)]
    assert set(files) <= shared
    return files


def test_the_images_are_there():
    assert {path.name.split(".")[0] for path in IMAGES} == {"cpu", "cuda", "l4t", "slim"}


def test_the_builder_gets_all_that_the_wheel_is_built_of_and_little_else(context, packaging):
    top = {name.split("/")[0] for name in context}
    packages = {name.split(".")[0] for name in packaging["packages"]}
    assert context >= BUILD_FILES
    assert packages <= top
    data = {file for _, files in packaging["data_files"] for file in files}
    assert {file for file in data if (ROOT / file).is_file()} <= context
    assert not top & {"test", "docs", "benchmarks", ".git"}


def test_every_rule_of_the_ignore_file_still_names_something():
    rules = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    missing = [rule for rule in rules if not (ROOT / rule).exists()]
    assert rules
    assert not missing


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_an_image_has_two_stages_no_root_and_no_registry(path):
    bases = values(path, "FROM")
    assert len(bases) == 2
    assert bases[0].endswith(" AS build")
    arguments = dict(line.split("=", 1) if "=" in line else (line, "") for line in values(path, "ARG"))
    names = [*(base.split()[0] for base in bases), *arguments.values()]
    hosts = [name for name in names if "/" in name and re.search(r"[.:]", name.split("/")[0])]
    assert not hosts
    assert int(values(path, "USER")[-1]) >= 1000
    order = [instruction for instruction, _ in instructions(path)]
    assert order.index("USER") > max(n for n, name in enumerate(order) if name == "RUN")


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_an_image_installs_what_setup_names_and_copies_what_is_there(path, packaging, context):
    runs = "\n".join(values(path, "RUN"))
    extras = {extra for group in re.findall(r"[ '\"]\.\[([\w,]+)\]", runs) for extra in group.split(",")}
    assert extras <= set(packaging["extras_require"])
    ours = {*packaging["install_requires"], *packaging["extras_require"]["live"]}
    # Bounds are narrower on ROS 2's images for OpenCV and ONNX Runtime, with the reason beside them; not for these.
    for name in ("av", "aiohttp"):
        assert set(re.findall(rf"'({name}[<>=][^']*)'", runs)) <= ours
    files = re.findall(r"(?:--constraint |(?<=\s)\./)([\w./-]+)|\s(docker/[\w-]+)/", runs)
    for name in (first or second for first, second in files):
        assert any(known == name or known.startswith(f"{name}/") for known in context), name
    for line in values(path, "COPY"):
        assert line in (". .", "--from=build /opt/har /opt/har")


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_an_image_starts_the_recognizer_with_its_parameters(path, programs, shared):
    (entry,) = [json.loads(line) for line in values(path, "ENTRYPOINT")]
    (command,) = [json.loads(line) for line in values(path, "CMD")]
    assert entry[-1] == "recognizer"
    assert entry[-1] in programs
    assert packaged_config(command, shared) == ["config/recognizer.yaml"]


def test_the_compose_file_builds_a_file_that_is_there_and_starts_programs_that_are(compose, programs, shared):
    started = set()
    for service in compose["services"].values():
        build = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", service["build"]["dockerfile"])
        assert (ROOT / build) in IMAGES
        assert (DOCKER / service["build"]["context"]).resolve() == ROOT
        started.add(service["entrypoint"][-1] if "entrypoint" in service else "recognizer")
        packaged_config(service["command"], shared)
    assert started <= programs
    assert started == {"recognizer", "video_publisher", "web"}


def test_the_compose_file_sets_only_parameters_that_the_nodes_have(compose):
    pytest.importorskip("rclpy")
    from opendr_har_ros.video_publisher.parameters import VIDEO_PUBLISHER

    words = compose["services"]["camera"]["command"]
    given = {word.split(":=")[0] for before, word in zip(words, words[1:]) if before == "-p"}
    assert given
    assert given <= {parameter.name for parameter in VIDEO_PUBLISHER}
