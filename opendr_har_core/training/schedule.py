"""How the learning rate goes over a run: a function of the step, and of the losses for "plateau"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional

from opendr_har_core.training.settings import TrainingSettings

DECAY = 0.1
STEP_AT = (0.5, 0.75)
PLATEAU_EPOCHS = 2


@dataclass
class Plateau:
    """Counts epochs without a lower loss; its state goes into checkpoints."""

    lowest: Optional[float] = None
    stale: int = 0
    factor: float = 1.0

    def update(self, loss: float) -> None:
        """Take in the loss of one more epoch."""
        if self.lowest is None or loss < self.lowest:
            self.lowest, self.stale = loss, 0
            return
        self.stale += 1
        if self.stale >= PLATEAU_EPOCHS:
            self.factor, self.stale = self.factor * DECAY, 0


def lr_factor(settings: TrainingSettings, step: int, total: int, plateau: Plateau) -> float:
    """Share of the peak learning rate for update number `step` (from zero) of `total`."""
    if step < settings.warmup_steps:
        return (step + 1) / (settings.warmup_steps + 1)
    done = (step - settings.warmup_steps) / max(1, total - settings.warmup_steps)
    if settings.lr_schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    if settings.lr_schedule == "step":
        return DECAY ** sum(done >= at for at in STEP_AT)
    return plateau.factor if settings.lr_schedule == "plateau" else 1.0
