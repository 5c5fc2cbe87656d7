"""setuptools' part: what an interface package's setup.py calls."""

import importlib.util
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

from rosidl_build.compile import compile_package
from rosidl_build.generate import generate
from rosidl_build.package import InterfacePackage, share_files


def setup_interfaces(folder: Path, distribution: str) -> None:
    """Run setuptools for the interface package in `folder`; `distribution` is its name for pip."""
    package = InterfacePackage(source=folder, work=folder)

    class GenerateAndCompile(build_ext):
        """Writes an importable package in place of a compiled extension."""

        def run(self) -> None:
            """Generate, compile, and hand the share files to the installer."""
            _require_generators_and_compilers()
            _refuse_a_second(package.name)
            built = InterfacePackage(folder, work=Path(self.build_temp).resolve())
            generate(built)
            compile_package(built, Path(self.build_lib).resolve() / built.name)
            self.distribution.data_files = share_files(built)

        def get_outputs(self) -> list:
            """None, since the build folder contains the package."""
            return []

    setup(
        name=distribution,
        version=package.version,
        description=package.description,
        license="Apache-2.0",
        python_requires=">=3.10",
        packages=[],
        # setuptools builds a platform wheel and calls build_ext only if there are an extension and data files.
        ext_modules=[Extension(package.name, [])],
        data_files=[(f"share/{package.name}", [])],
        cmdclass={"build_ext": GenerateAndCompile},
    )


def _refuse_a_second(name: str) -> None:
    """Exit if the package is already there from elsewhere: one would shadow the other."""
    found = importlib.util.find_spec(name)
    origin = found and found.origin  # None for the folder of the sources, which is no package
    if origin and not Path(origin).resolve().is_relative_to(Path(sys.prefix).resolve()):
        sys.exit(f"{name} is already installed ({origin})")


def _require_generators_and_compilers() -> None:
    if not importlib.util.find_spec("rosidl_generator_py"):
        sys.exit(
            "there are no rosidl generators in this environment: install rclpy's wheel first, and use pip install "
            "--no-build-isolation"
        )
    missing = [name for name in ("gcc", "g++") if not shutil.which(name)]
    if missing:
        sys.exit(f"building interfaces needs {' and '.join(missing)}: apt-get install build-essential")
