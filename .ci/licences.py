"""Print a Markdown table of the installed packages that our requirements need, with their licences.

Usage, in an environment whose tests pass: .venv/bin/python .ci/licences.py > docs/licences.md
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

from lock import CONSTRAINTS, ROOT, closure
from packaging.utils import canonicalize_name

# Libraries within wheels that are under the GPL or LGPL: the metadata of the wheel does not say so.
COPYLEFT = re.compile(r"^lib(x264|x265|mp3lame|gnutls|nettle|hogweed|gmp|unistring|avcodec|avformat|avfilter)-")
HEAD = """# Licences of dependencies

Written by `.ci/licences.py`: what the package's own metadata says, in the versions of `.ci/constraints.txt` for
Python 3.11. First what every installation brings, then what the extras add, each with those that ask for it. Last in a
row, the libraries under the GPL or LGPL that lie in wheels whose metadata does not name them. ROS 2's wheels are not
listed: they don't say their licence.

| package | version | for | licence | libraries within, GPL or LGPL |
| --- | --- | --- | --- | --- |
"""
EVERY = "all"


def licence(package):
    """The SPDX expression, else the classifiers, else the first line of the free text."""
    info = package.metadata
    classifiers = [line.rsplit(" :: ", 1)[1] for line in info.get_all("Classifier") or [] if line.startswith("License")]
    text = (info.get("License") or "not said").strip().splitlines()[0]
    return info.get("License-Expression") or "; ".join(classifiers) or text[:60]


def copyleft(package):
    """The names of such libraries among the package's files."""
    found = {match.group(1) for file in package.files or [] if (match := COPYLEFT.match(file.name))}
    return ", ".join(sorted(found))


def uses():
    """For each package the extras that bring it, or EVERY where no extra is needed."""
    found = {}
    for extra in ["", *metadata.distribution(ROOT).metadata.get_all("Provides-Extra")]:
        needs = {}
        closure(ROOT, [extra], needs)
        for name, _ in needs:
            found.setdefault(name, []).append(extra)
    return {name: sorted(set(extras)) if "" not in extras else [EVERY] for name, extras in found.items()}


def main():
    """Write the page for all that the constraints name and that is installed."""
    marker = 'python_version == "{}.{}"'.format(*sys.version_info[:2])
    names = re.findall(rf"^([\w.-]+)==.*{re.escape(marker)}", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    uses_of = uses()
    rows = []
    for package in map(metadata.distribution, names):
        extras = uses_of[canonicalize_name(package.metadata["Name"])]
        cells = [package.metadata["Name"], package.version, ", ".join(extras), licence(package), copyleft(package)]
        rows.append((extras != [EVERY], f"| {' | '.join(cells)} |"))
    sys.stdout.write(HEAD + "\n".join(row for _, row in sorted(rows, key=lambda item: item[0])) + "\n")


if __name__ == "__main__":
    main()
