"""How far a run has come and what was best so far: all of it goes into checkpoints, as plain values and tensors."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from torch import Tensor

from opendr_har_core.training.schedule import Plateau

Row = Dict[str, float]


@dataclass
class Progress:
    """Counts from the very beginning, also across resumes.

    Attributes:
        step: updates of the weights so far.
        epoch, batch: the epoch that has begun, and the batches of it that are done.
        history: one row of numbers per epoch.
        best: the best epoch's row.
        best_weights: the network's state_dict then.
        lowest_loss, stale: for early stopping: lowest loss so far and epochs since.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    history: List[Row] = field(default_factory=list)
    best: Optional[Row] = None
    best_weights: Optional[Dict[str, Tensor]] = None
    lowest_loss: Optional[float] = None
    stale: int = 0
    plateau: Plateau = field(default_factory=Plateau)

    def end_epoch(self, row: Row, weights: Mapping[str, Tensor]) -> bool:
        """Take in an epoch's row; says whether it is the best so far, and then keeps a copy of the weights."""
        self.history.append(row)
        loss = _loss(row)
        self.plateau.update(loss)
        if self.lowest_loss is None or loss < self.lowest_loss:
            self.lowest_loss, self.stale = loss, 0
        else:
            self.stale += 1
        if self.best is not None and _rank(row) <= _rank(self.best):
            return False
        self.best = row
        self.best_weights = {key: tensor.detach().cpu().clone() for key, tensor in weights.items()}
        return True

    def to_dict(self) -> Dict[str, Any]:
        """Plain values and tensors."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "plateau": asdict(self.plateau)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Progress:
        """Undo `to_dict`; raises KeyError, TypeError or ValueError for anything else."""
        for name in ("step", "epoch", "batch", "stale"):
            if not isinstance(values[name], int) or values[name] < 0:
                raise ValueError(f"{name} is {values[name]!r}, expected a number from zero on")
        return cls(**{**values, "history": list(values["history"]), "plateau": Plateau(**values["plateau"])})


def _loss(row: Row) -> float:
    """Validation loss where there is one."""
    return row.get("val_loss", row["train_loss"])


def _rank(row: Row) -> Tuple[float, float]:
    """The better epoch has the higher rank: by validation accuracy, then by loss."""
    loss = _loss(row)
    return row.get("val_accuracy", 0.0), -math.inf if math.isnan(loss) else -loss
