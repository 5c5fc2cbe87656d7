"""What reads files: for each class of input its seeds, small valid files made here, and the call that has to bear all.

A target's `use` may raise a HarError, or return where a changed file is still a right one; nothing else may happen.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional

import file_seeds as seeds
import file_uses as uses
from mutations import mutated

Make = Callable[[Path], List[bytes]]
Use = Callable[[Path], object]
Change = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """One class of input.

    Attributes:
        name: as in the command's --target.
        file: name of the file, whose suffix some readers go by.
        seeds: makes the contents of valid files, given a scratch folder.
        use: reads one file, given its path.
        text: whether it is mutated as text.
        repair: makes a changed file pass its first checks (checksums), applied to every second one.
        modules: packages that it needs, for a reason to skip.
    """

    name: str
    file: str
    seeds: Make
    use: Use
    text: bool = False
    repair: Optional[Callable[[bytes], bytes]] = None
    modules: tuple = ()

    def input(self, contents: List[bytes], seed: int, index: int) -> bytes:
        """The input number `index` of a run: always the same for the same seed."""
        rng = random.Random(f"{self.name}|{seed}|{index}")
        data = mutated(contents[index % len(contents)], rng, self.text)
        return self.repair(data) if self.repair and rng.random() < 0.5 else data


ALL = (
    Target("bundle", "model.onnx", seeds.bundles, uses.bundle, modules=("onnx",)),
    Target("bundle_metadata", "model.onnx", seeds.bundles, uses.bundle, True, seeds.as_bundle, ("onnx",)),
    Target("checkpoint", "weights.pth", seeds.checkpoints, uses.checkpoint, modules=("torch",)),
    Target("checkpoint_pickle", "weights.pth", seeds.pickles, uses.checkpoint, False, seeds.zipped_pickle, ("torch",)),
    Target("resume", "last.ckpt", seeds.training_checkpoints, uses.resume, modules=("torch", "lightning")),
    Target("model_json", "model.json", seeds.model_json, uses.model_json, True, modules=("torch",)),
    Target("labels_csv", "labels.csv", seeds.labels_csv, uses.labels_csv, True),
    Target("annotations_csv", "table.csv", seeds.annotations_csv, uses.annotations_csv, True, modules=("torch",)),
    Target("split_json", "train.json", seeds.split_json, uses.split_json, True, modules=("torch",)),
    Target("config_yaml", "train.yaml", seeds.config_yaml, uses.config_yaml, True, modules=("yaml",)),
    Target("ros_parameters", "params.yaml", seeds.ros_parameters, uses.ros_parameters, True, modules=("rclpy",)),
    Target("bag_db3", "bag.db3", seeds.bags_db3, uses.bag, modules=("rosbags", "torch")),
    Target("bag_mcap", "bag.mcap", seeds.bags_mcap, uses.bag, modules=("rosbags", "torch")),
    Target("bag_yaml", "metadata.yaml", seeds.bag_yaml, uses.bag_folder, True, modules=("rosbags", "torch")),
    Target("bag_message", "message.cdr", seeds.bag_messages, uses.bag_message, modules=("rosbags",)),
    Target("video_mp4", "clip.mp4", seeds.videos_mp4, uses.video, modules=("torch",)),
    Target("video_avi", "clip.avi", seeds.videos_avi, uses.video, modules=("torch",)),
    Target("video_mkv", "clip.mkv", seeds.videos_mkv, uses.video, modules=("torch",)),
    Target("picture", "picture.jpg", seeds.pictures, uses.picture),
    Target("cache_npy", "clip.npy", seeds.cached_clips, uses.cache_npy, modules=("torch",)),
    Target("cache_json", "index.json", seeds.cached_index, uses.cache_json, True, modules=("torch",)),
    Target("zip", "archive.zip", seeds.archives, uses.archive, modules=("torch",)),
)
BY_NAME: Dict[str, Target] = {target.name: target for target in ALL}
