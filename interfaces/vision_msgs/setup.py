"""Build the substitute for vision_msgs with the rosidl generators of rclpy's wheels; see README.md."""

import importlib.util
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


class GenerateAndCompile(build_ext):
    """Writes an importable package in place of a compiled extension."""

    def run(self):
        """Generate, compile, and hand the share files to the installer."""
        refuse_next_to_a_real_one()
        require_compilers()
        from rosidl_build.compile import compile_package
        from rosidl_build.generate import generate
        from rosidl_build.package import InterfacePackage, share_files

        package = InterfacePackage(source=HERE, work=Path(self.build_temp).resolve(), dependencies=DEPENDENCIES)
        generate(package)
        compile_package(package, Path(self.build_lib).resolve() / package.name)
        self.distribution.data_files = share_files(package)

    def get_outputs(self):
        """None, since the build folder contains the package."""
        return []


DEPENDENCIES = ("builtin_interfaces", "std_msgs")


def refuse_next_to_a_real_one():
    """Exit if a real vision_msgs is installed: one would shadow the other."""
    found = importlib.util.find_spec("vision_msgs")
    if found and not Path(found.origin or "").resolve().is_relative_to(Path(sys.prefix).resolve()):
        sys.exit(f"vision_msgs is already installed ({found.origin}); the substitute is not needed")


def require_compilers():
    """Exit with advice if a compiler is missing."""
    missing = [name for name in ("gcc", "g++") if not shutil.which(name)]
    if missing:
        sys.exit(f"building vision_msgs needs {' and '.join(missing)}: apt-get install build-essential")


setup(
    name="opendr-har-vision-msgs",
    version="4.1.1",
    description="Substitute for vision_msgs on machines without ROS 2",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[],
    # setuptools builds a platform wheel and calls build_ext only if there are an extension and data files.
    ext_modules=[Extension("vision_msgs", [])],
    data_files=[("share/vision_msgs", [])],
    cmdclass={"build_ext": GenerateAndCompile},
    install_requires=["ros-rclpy~=9.1", "ros-std-msgs"],
)
