"""Compile generated sources into an importable package.

The libraries lie in the package's own folder and find one another there ($ORIGIN) and ROS's in the prefix's lib
folder, so that nothing has to be on a search path but what the wheels put there themselves.
"""

import os
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List

from rosidl_build.generate import COMPILED, DISPATCH, FAST, INTROSPECTION, PYTHON, C
from rosidl_build.package import InterfacePackage, ros_prefix

COMPILER = {".c": ("gcc", "-std=gnu11"), ".cpp": ("g++", "-std=c++17")}
ENTRY = "entry"


def compile_package(package: InterfacePackage, target: Path) -> None:
    """Compile what `generate` wrote and lay the package out in `target`."""
    target.mkdir(parents=True, exist_ok=True)
    _Linker(package, target, _compile_objects(package)).link_all()
    generated = package.generated_by(PYTHON)
    for module in generated.rglob("*.py"):
        copy = target / module.relative_to(generated)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, copy)


def _compile_objects(package: InterfacePackage) -> Dict[str, List[str]]:
    """Object files by the generator they come from; the Python entry point has a key of its own."""
    flags = _flags(package)
    folder = package.work / "objects"
    folder.mkdir(exist_ok=True)
    objects: Dict[str, List[str]] = {}
    commands = []
    for group, sources in _sources(package, folder).items():
        objects[group] = []
        for source in sources:
            output = folder / f"{group}__{source.name}.o"
            objects[group].append(str(output))
            commands.append([*COMPILER[source.suffix], *flags, "-c", str(source), "-o", str(output)])
    commands.sort(key=lambda command: command[0], reverse=True)  # g++ takes longest: start it first
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda command: subprocess.run(command, check=True), commands))
    return objects


def _sources(package: InterfacePackage, folder: Path) -> Dict[str, List[Path]]:
    found = {}
    for generator in COMPILED:
        base = package.generated_by(generator)
        sources = sorted(base.rglob("*.c"))
        cpp = sorted(base.rglob("*.cpp"))
        if generator == PYTHON:
            # There is one entry point per type support; only the dispatching one is used.
            found[ENTRY] = [path for path in sources if path.parent == base]
            sources = [path for path in sources if path.parent != base]
        if cpp:
            # One translation unit, since the C++ headers cost more than the code.
            joined = folder / f"{generator}.cpp"
            joined.write_text("".join(f'#include "{path}"\n' for path in cpp))
            sources.append(joined)
        found[generator] = sources
    return found


def _flags(package: InterfacePackage) -> List[str]:
    import numpy

    include = ros_prefix() / "include"
    folders = [package.work / generator for generator in COMPILED]
    folders += [include, *sorted(folder for folder in include.iterdir() if folder.is_dir())]
    folders += [sysconfig.get_path("include"), numpy.get_include()]
    building = [f"-D{generator.upper()}_BUILDING_DLL_{package.name}" for generator in (C, FAST, INTROSPECTION)]
    return ["-O1", "-fPIC", "-w", *(f"-I{folder}" for folder in folders), *building]


class _Linker:
    """Links the five libraries and the extension module in the order of their dependencies."""

    def __init__(self, package: InterfacePackage, target: Path, objects: Dict[str, List[str]]) -> None:
        self._package, self._target, self._objects = package, target, objects
        self._lib = ros_prefix() / "lib"

    def link_all(self) -> None:
        """Write all of them into the target folder."""
        runtime = self._named("rosidl_runtime_c", "rcutils")
        base = [*self._of_dependencies(C), *runtime]
        messages = self._library(C, base)
        fast_needs = self._named(FAST, "rosidl_typesupport_fastrtps_cpp", "fastcdr")
        fast = self._library(FAST, [messages, *self._of_dependencies(FAST), *base, *fast_needs])
        introspection_needs = [*self._of_dependencies(INTROSPECTION), *self._named(INTROSPECTION)]
        introspection = self._library(INTROSPECTION, [messages, *base, *introspection_needs])
        dispatch = self._library(
            DISPATCH, [messages, *base, *self._of_dependencies(DISPATCH), *self._named("rosidl_typesupport_c")]
        )
        python = self._library(PYTHON, [messages, dispatch, *self._of_dependencies(PYTHON), *base])
        # The dispatching library opens the two others by name at run time, so they must be loaded before.
        loaded = ["-Wl,--no-as-needed", fast, introspection]
        module = f"{self._package.name}_s__{DISPATCH}.so"
        self._link(module, self._objects[ENTRY], [python, dispatch, messages, *loaded])

    def _library(self, generator: str, libraries: List[str]) -> str:
        return self._link(f"lib{self._package.name}__{generator}.so", self._objects[generator], libraries)

    def _link(self, name: str, objects: List[str], libraries: List[str]) -> str:
        output = str(self._target / name)
        search = ["-Wl,-rpath,$ORIGIN:$ORIGIN/../../..", f"-Wl,-rpath-link,{self._lib}", f"-Wl,-soname,{name}"]
        subprocess.run(["g++", "-shared", "-o", output, *objects, *libraries, *search], check=True)
        return output

    def _named(self, *names: str) -> List[str]:
        return [str(self._lib / f"lib{name}.so") for name in names]

    def _of_dependencies(self, generator: str) -> List[str]:
        files = [self._lib / f"lib{name}__{generator}.so" for name in self._package.dependencies]
        return [str(file) for file in files if file.exists()]
