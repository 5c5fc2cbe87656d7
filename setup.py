"""Packaging for both colcon (ament_python) and pip."""

from glob import glob

from setuptools import find_packages, setup

PACKAGE = "opendr_har_ros"
# Why each bound: docs/packaging.md.
INFERENCE = ["numpy>=1.21.6,<3", "onnxruntime>=1.13,<2", "opencv-python-headless>=4.5.1,<6", "av>=12,<19"]
PLOTS = ["matplotlib>=3.5,<4"]
PROGRESS = ["rich>=12,<16"]
TRAIN = [
    "torch>=2.0,<3",
    "onnx>=1.14,<2",
    "lightning>=2.2,<3",
    "torchmetrics>=1.0,<2",
    "tensorboard>=2.10,<3",
    *PLOTS,
    *PROGRESS,
]
BAGS = ["rosbags>=0.11,<0.12"]
SCALE = ["pyarrow>=12,<27", "fsspec>=2023.1", "ray[data]>=2.40,<2.64; python_version >= '3.9'"]
LIVE = ["aiohttp>=3.9,<4"]
ENERGY = ["nvidia-ml-py>=12,<14"]
COMPLETION = ["argcomplete>=2,<4"]
DOCS = ["sphinx>=7", "myst-parser>=3", "furo>=2024.1.29"]
# Only for machines without ROS 2: its Python wheels. A sourced ROS 2 brings all of these itself.
ROS = [
    "ament-index-python",
    "diagnostic-msgs",
    "lifecycle-msgs",
    "rclpy",
    "rmw-fastrtps-cpp",
    "rosgraph-msgs",
    "sensor-msgs",
    "std-srvs",
]
# With which colcon builds interfaces/opendr_har_msgs, as on a robot.
AMENT_CMAKE = [
    "ament-cmake",
    "ament-cmake-gmock",
    "ament-cmake-gtest",
    "ament-cmake-include-directories",
    "ament-cmake-pytest",
    "ament-cmake-ros",
    "ament-package",
    "python-cmake-module",
    "rosidl-core-generators",
    "rosidl-default-generators",
]
TEST = ["pytest>=7", "pytest-xdist>=3", "pytest-rerunfailures>=12", "hypothesis>=6", "psutil"]
DEV = [*TEST, "mypy>=1.8", "ruff>=0.5", "colcon-common-extensions", "cmake>=3.20", "playwright>=1.40", "pyyaml>=5.4"]


def wheels(names, distribution):
    """Names of a distribution's wheels on PyPI; setuptools builds ./interfaces against them."""
    return [*(f"ros-{distribution}-{name}" for name in names), "setuptools>=68"]


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Live human activity recognition for ROS 2: X3D on clips, CoX3D frame by frame",
    long_description=open("README.md", encoding="utf-8").read(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="opendr_har_ros maintainers",
    maintainer_email="maintainers@opendr-har-ros.invalid",
    python_requires=">=3.8",
    keywords=["ROS 2", "human activity recognition", "action recognition", "video", "X3D", "CoX3D", "ONNX"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.8",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["opendr_har_core*", "opendr_har_ros*"]),
    package_data={
        "opendr_har_core": ["py.typed", "data/*.csv", "models/*.onnx", "people/*.onnx", "live/page/*"],
        "opendr_har_ros": ["py.typed", "data/*"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        # Where `ros2 run` looks, and not on the PATH of those who install with pip.
        (f"lib/{PACKAGE}", glob("scripts/*")),
        (f"share/{PACKAGE}/launch", glob("launch/*.launch.py")),
        (f"share/{PACKAGE}/config", [*glob("config/*"), "opendr_har_ros/data/fastdds_large_images.xml"]),
    ],
    zip_safe=False,
    install_requires=INFERENCE,
    extras_require={
        "train": TRAIN,
        "plots": PLOTS,
        "progress": PROGRESS,
        "bags": BAGS,
        "scale": SCALE,
        "live": LIVE,
        "energy": ENERGY,
        "completion": COMPLETION,
        "jazzy": wheels(ROS, "jazzy"),
        "kilted": wheels(ROS, "kilted"),
        "jazzy-dev": wheels(AMENT_CMAKE, "jazzy"),
        "docs": DOCS,
        "test": TEST,
        "dev": DEV,
    },
    entry_points={
        "console_scripts": [
            "opendr-har = opendr_har_core.cli.main:main",
        ],
    },
)
