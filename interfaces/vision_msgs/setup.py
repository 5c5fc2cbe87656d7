"""Build the substitute for vision_msgs with pip; see ../README.md."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from rosidl_build.wheel import setup_interfaces

setup_interfaces(HERE, "opendr-har-vision-msgs")
