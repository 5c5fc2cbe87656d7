"""Clips per second of the loader, with and without its cache, beside those of the network's training step.

python benchmarks/loader.py FOLDER [--size xs] [--workers 0 1 2] [--batch 8] [--passes 3] [--json FILE]

FOLDER has a folder for each class with its videos, or just videos. Training decodes random clips and augments them; the
first pass over a cache, which fills it, is given alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import torch
from torch.utils.data import DataLoader

from opendr_har_core.datasets.annotations import AnnotationDataset
from opendr_har_core.datasets.base import ClipDataset
from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.datasets.folder import FolderDataset
from opendr_har_core.datasets.video_file import SUFFIXES
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage.atomic import atomic_path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="xs", help="xs, s, m or l")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--passes", type=int, default=3, help="passes over the folder, of which the median counts")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.manual_seed(0)
    rates: Dict[str, float] = {"training step": step_rate(options.size, options.batch, options.passes)}
    with tempfile.TemporaryDirectory() as temporary:
        for name, caching in (("decoding", False), ("cache", True)):
            data = dataset(options.folder, options.size, caching, Path(temporary))
            if caching:
                rates["cache, while it is filled"] = loader_rates(data, options.batch, 0, 1)[0]
            for workers in options.workers:
                measured = loader_rates(data, options.batch, workers, options.passes)
                rates[f"{name}, {workers} workers"] = statistics.median(measured)
    for name, rate in rates.items():
        sys.stdout.write(f"{name:28} {rate:8.1f} clips/s  {rate / rates['training step']:6.1f} x training step\n")
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps({"size": options.size, "clips": len(data), "rates": rates}, indent=1))


def dataset(folder: Path, size: str, caching: bool, temporary: Path) -> ClipDataset:
    """The folder's videos for training."""
    clip = ClipSpec.of(x3d_config(size))
    settings: Dict[str, Any] = {"train": True, "use_caching": caching, "cache_folder": temporary / "cache"}
    videos = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not videos:
        return FolderDataset(folder, clip, **settings)
    table = temporary / "table.csv"
    table.write_text("\n".join(["path,start,end,label", *(f'"{name}",,,any' for name in videos)]))
    return AnnotationDataset(table, ["any"], clip, root=folder, **settings)


def loader_rates(data: ClipDataset, batch: int, workers: int, passes: int) -> List[float]:
    """Clips per second of each pass; processes are started before the clock."""
    loader = DataLoader(data, batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    if workers:
        next(iter(loader))
    rates = []
    for _ in range(passes):
        start = time.perf_counter()
        count = sum(len(classes) for _, classes in loader)
        rates.append(count / (time.perf_counter() - start))
    return rates


def step_rate(size: str, batch: int, steps: int) -> float:
    """Clips per second of forward, backward and update on this processor, from clips that are there."""
    config = x3d_config(size)
    network = X3D(config, 10).train()
    optimizer = torch.optim.AdamW(network.parameters())
    clips = torch.randn(batch, 3, config.frames, config.image_size, config.image_size)
    classes = torch.arange(batch) % 10
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(network(clips), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return batch / statistics.median(times[1:])


if __name__ == "__main__":
    main()
