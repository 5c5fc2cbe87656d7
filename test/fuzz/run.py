"""Fuzz the readers of files for as long as you like:

python test/fuzz/run.py --inputs 20000 [--seed 1] [--target bundle --target zip] [--first 0] [--show 5]

The same seed gives the same inputs; a finding is tried again with --target NAME --seed SEED --first INDEX --inputs 1.
Exits with 1 where there are findings.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import cage
from targets import BY_NAME


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--target", action="append", choices=sorted(BY_NAME))
    parser.add_argument("--show", type=int, default=3, help="findings of each kind to print whole")
    options = parser.parse_args()
    found = 0
    for name in options.target or BY_NAME:
        with tempfile.TemporaryDirectory() as folder:
            report = cage.run(name, options.inputs, options.seed, Path(folder) / name, first=options.first)
        print(report.line(), flush=True)
        found += len(report.findings)
        shown: Counter = Counter()
        for finding in report.findings:
            shown[finding["kind"]] += 1
            if shown[finding["kind"]] <= options.show:
                print(f"  input {finding['index']}: {finding['kind']}\n    {finding['what']}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
