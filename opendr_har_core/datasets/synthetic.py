"""Rendered clips of human actions, in any number."""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from opendr_har_core.datasets.clips import ClipSpec
from opendr_har_core.errors import ConfigError
from opendr_har_core.labels import LabelMap
from opendr_har_core.streaming.preprocess import to_network_input
from opendr_har_core.synthetic.actions import ACTIONS, ACTIONS_OF
from opendr_har_core.synthetic.scene import render_at

# A little larger than the networks' squares, like camera images; rendering time grows with the size.
SIZE = (180, 240)
NO_SHARES: Mapping[str, int] = MappingProxyType({})


class SyntheticDataset(Dataset):
    """Items are (uint8 (3, T, S, S) clip, class id); each is rendered when it is read, always the same.

    Attributes:
        labels: the actions.
        targets: class id per item; adjacent items have different ones.
    """

    def __init__(
        self,
        clip: ClipSpec,
        clips_per_action: int,
        first_seed: int = 0,
        actions: Sequence[str] = ACTIONS,
        shares: Mapping[str, int] = NO_SHARES,
    ) -> None:
        """Item n is rendered with the seed `first_seed` + n; an action has `shares` times as many clips (default: 1).

        Raises ConfigError for unknown actions.
        """
        for action in actions:
            if action not in ACTIONS_OF:
                raise ConfigError(f"there is no action {action!r}, expected some of {list(ACTIONS)}")
        if clips_per_action < 1:
            raise ConfigError(f"clips_per_action is {clips_per_action}, expected 1 or more")
        self.labels = LabelMap(actions)
        turn = [class_id for class_id, action in enumerate(actions) for _ in range(shares.get(action, 1))]
        self.targets = turn * clips_per_action
        self._clip, self._first_seed = clip, first_seed

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tuple[Tensor, int]:
        class_id = self.targets[index]
        times = [tick / self._clip.train_fps for tick in range(0, self._clip.span_ticks + 1, self._clip.stride)]
        frames = render_at(self.labels[class_id], times, SIZE, self._first_seed + index)
        squares = np.stack([to_network_input(frame.rgb, self._clip.image_size) for frame in frames])
        return torch.from_numpy(squares).permute(3, 0, 1, 2).contiguous(), class_id
