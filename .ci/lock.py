"""Print what is installed of our requirements, all extras and theirs, as constraints for pip.

Constraints hold for this version of Python only; those of other versions stay. ROS 2's wheels pin one another, and
differ between distributions on the same Python, so they are left out.

Usage, in an environment whose tests pass: .venv/bin/python .ci/lock.py > new && mv new .ci/constraints.txt
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "opendr_har_ros"
CONSTRAINTS = Path(__file__).with_name("constraints.txt")
FORMS = re.compile(r"\+.*$")  # torch's build for CPUs is the same release


def closure(name, extras, found):
    """Add to `found` each installed distribution that `name[extras]` needs, with its version."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return
    for line in distribution.requires or []:
        need = Requirement(line)
        wanted = need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ["", *extras])
        key = (canonicalize_name(need.name), frozenset(need.extras))
        if not wanted or key in found:
            continue
        try:
            found[key] = FORMS.sub("", metadata.version(need.name))
        except metadata.PackageNotFoundError:
            continue
        closure(need.name, need.extras, found)


def main():
    """Write the constraints."""
    found = {}
    closure(ROOT, metadata.distribution(ROOT).metadata.get_all("Provides-Extra"), found)
    marker = ' ; python_version == "{}.{}"'.format(*sys.version_info[:2])
    lines = {f"{name}=={version}{marker}" for (name, _), version in found.items() if not name.startswith("ros-")}
    kept = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#") and marker not in line]
    lines = sorted([*kept, *lines], key=lambda line: (line.split(" ; ")[1], line))
    sys.stdout.write("# Versions that the tests passed with; written by .ci/lock.py.\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
