"""Builds the stand-in with the rosidl generators of rclpy's wheels; see README.md."""

import importlib.util
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


class GenerateAndCompile(build_ext):
    """Stands in for compiling an extension: writes a whole importable package."""

    def run(self):
        """Generate, compile, and hand the share files to the installer."""
        refuse_beside_the_real_one()
        require_compilers()
        from rosidl_build.compile import compile_package
        from rosidl_build.generate import generate
        from rosidl_build.package import InterfacePackage, share_files

        package = InterfacePackage(source=HERE, work=Path(self.build_temp).resolve(), dependencies=DEPENDENCIES)
        generate(package)
        compile_package(package, Path(self.build_lib).resolve() / package.name)
        self.distribution.data_files = share_files(package)

    def get_outputs(self):
        """Nothing that setuptools would have to track: the build folder holds the package."""
        return []


DEPENDENCIES = ("builtin_interfaces", "std_msgs")


def refuse_beside_the_real_one():
    """Two packages of one name would shadow each other unpredictably."""
    found = importlib.util.find_spec("vision_msgs")
    if found and not Path(found.origin or "").resolve().is_relative_to(Path(sys.prefix).resolve()):
        sys.exit(f"a vision_msgs is installed already ({found.origin}); the stand-in is not needed there")


def require_compilers():
    """Fail with advice instead of with a compiler's traceback."""
    missing = [name for name in ("gcc", "g++") if not shutil.which(name)]
    if missing:
        sys.exit(f"building vision_msgs needs {' and '.join(missing)}: apt-get install build-essential")


setup(
    name="opendr-har-vision-msgs",
    version="4.1.1",
    description="Stand-in for vision_msgs on machines without ROS 2",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[],
    # setuptools only builds a platform wheel, and only calls build_ext, where it sees an extension and data.
    ext_modules=[Extension("vision_msgs", [])],
    data_files=[("share/vision_msgs", [])],
    cmdclass={"build_ext": GenerateAndCompile},
    install_requires=["ros-rclpy~=9.1", "ros-std-msgs"],
)
