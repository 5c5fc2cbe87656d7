"""Three actions taught beside the nine of a packaged model: accuracy of the nine before and after, and of the three.

python benchmarks/teaching/keep.py features_default.npz [--draws 5]

The means of the nine come from half of the synthetic clips, the other half is tested. The limits come from the
background that `base_head.py` gives the bundles.
The gesture "wave one hand" is taught under the model's own name for it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np
from base_head import carried
from footage import NINE, Clip, read_clips
from heads import draw

from opendr_har_core.bundles.head import GRAPH, Head
from opendr_har_core.labels import LabelMap
from opendr_har_core.teaching.fit import fit_head

NEW: Dict[str, Tuple[str, ...]] = {
    "gestures": ("both arms circle overhead", "raise both arms forward", "wave one hand"),
    "silhouettes": ("side", "skip", "jump"),
}
REAL = {
    "wave one hand": "waving one hand",
    "bend": "bending",
    "jack": "jumping jacks",
    "pjump": "jumping",
    "run": "running",
    "walk": "walking",
    "wave1": "waving one hand",
    "wave2": "waving both hands",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path, help="a file that footage.py wrote, of a packaged model of nine actions")
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    clips = [clip for clip in read_clips(options.features) if not clip.mirrored]
    synthetic = [clip for clip in clips if clip.group == "synthetic"]
    half = set(sorted({clip.name for clip in synthetic}, key=int)[::2])
    classes = [[c.features for c in synthetic if c.kind == name and c.name in half] for name in NINE]
    means = np.stack([np.concatenate(rows).mean(axis=0) for rows in classes])
    base = Head(LabelMap(NINE), means, (GRAPH,) * 9, means[:0], kept=9, background=carried(clips))
    tested = [clip for clip in synthetic if clip.name not in half]
    for group, kinds in NEW.items():
        mine = [clip for clip in clips if clip.group == group]
        for extra in ((), ("walk", "run", "pjump")) if group == "silhouettes" else ((),):
            measured(mine, tested, base, kinds, extra, options.draws)


def measured(
    mine: Sequence[Clip], synthetic: Sequence[Clip], base: Head, kinds: Sequence[str], extra: Sequence[str], draws: int
) -> None:
    """Print accuracies; three examples of each of `kinds` are taught, and of `extra` classes of the model."""
    rng = np.random.default_rng(0)
    found: Dict[str, List[bool]] = {}
    for _ in range(draws):
        for person in sorted({clip.person for clip in mine}):
            examples = draw(mine, person, 3, rng, False, (*kinds, *extra))
            head = fit_head({REAL.get(kind, kind): rows for kind, rows in examples.items()}, base, keep_base=True)
            for clip in [*synthetic, *(clip for clip in mine if clip.person == person)]:
                is_new = clip.kind in kinds
                truth = REAL.get(clip.kind, clip.kind if is_new or clip.group == "synthetic" else None)
                if truth is not None:
                    name = "the three" if is_new else f"the nine, {clip.group}"
                    scores = head.apply(clip.features, clip.probabilities)[0].mean(axis=0)
                    found.setdefault(name, []).append(head.labels[int(scores.argmax())] == truth)
                    if not is_new:
                        before = base.labels[int(clip.probabilities.mean(axis=0).argmax())]
                        found.setdefault(f"{name}, before", []).append(before == truth)
    cells = "  ".join(f"{name} {100 * np.mean(right):.1f} %" for name, right in found.items())
    sys.stdout.write(f"{', '.join((*kinds, *extra))}: {cells}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
