"""Print a Markdown table of the installed packages that our requirements need, with their licences.

Usage, in an environment whose tests pass: .venv/bin/python .ci/licences.py > docs/licences.md
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
# Libraries within wheels that are under the GPL or LGPL: the metadata of the wheel does not say so.
COPYLEFT = re.compile(r"^lib(x264|x265|mp3lame|gnutls|nettle|hogweed|gmp|unistring|avcodec|avformat|avfilter)-")
HEAD = """# Licences of dependencies

Written by `.ci/licences.py`: what the package's own metadata says, in the versions of `.ci/constraints.txt`. Last, the
libraries under the GPL or LGPL that lie in wheels whose metadata does not name them.

| package | version | licence | libraries within, GPL or LGPL |
| --- | --- | --- | --- |
"""


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


def main():
    """Write the page for all that the constraints name and that is installed."""
    names = re.findall(r"^([\w.-]+)==", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    packages = [metadata.distribution(name) for name in names]
    rows = [f"| {p.metadata['Name']} | {p.version} | {licence(p)} | {copyleft(p)} |" for p in packages]
    sys.stdout.write(HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
