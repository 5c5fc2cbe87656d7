"""Charts of a training run, drawn with matplotlib."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

import numpy as np

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.storage.atomic import atomic_path

DOTS_PER_INCH = 110
MOST_NUMBERS = 30  # with more classes, the numbers in the cells are too small to read


def confusion_picture(confusion: np.ndarray, labels: Sequence[str], path: Union[str, Path], title: str = "") -> Path:
    """Write a (C, C) matrix of counts, true classes as rows, as a PNG.

    Raises ConfigError without matplotlib, DataError if the file can't be written.
    """
    count = len(labels)
    figure = _figure((2.5 + 0.45 * count, 2.0 + 0.45 * count))
    axes = figure.subplots()
    rows = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(rows, 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(count), labels, rotation=45, ha="right")
    axes.set_yticks(range(count), labels)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    for row, column in zip(*np.nonzero(confusion)) if count <= MOST_NUMBERS else ():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour)
    return _save(figure, path)


def curves_picture(
    histories: Mapping[str, Sequence[Mapping[str, float]]], path: Union[str, Path], title: str = ""
) -> Path:
    """Write loss and accuracy over epochs, one line per run, as a PNG.

    Raises ConfigError without matplotlib, DataError if the file can't be written.
    """
    figure = _figure((9, 3.6))
    left, right = figure.subplots(1, 2)
    for index, (name, rows) in enumerate(histories.items()):
        colour = f"C{index % 10}"
        epochs = [row["epoch"] + 1 for row in rows]
        for axes, quantity in ((left, "loss"), (right, "accuracy")):
            axes.plot(epochs, [row[f"train_{quantity}"] for row in rows], color=colour, lw=1, ls=":")
            if all(f"val_{quantity}" in row for row in rows):
                axes.plot(epochs, [row[f"val_{quantity}"] for row in rows], color=colour, lw=1.5, label=name)
    left.set(xlabel="epoch", ylabel="loss", title=f"{title} (dotted: training)")
    right.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
    if right.get_legend_handles_labels()[0]:
        right.legend(fontsize="small")
    return _save(figure, path)


def _figure(size: Any) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(f"pictures need matplotlib ({error}); pip install matplotlib") from None
    return Figure(figsize=size, layout="constrained")


def _save(figure: Any, path: Union[str, Path]) -> Path:
    path = Path(path)
    drawn = BytesIO()  # in memory, as libraries raise various errors on a full disk
    figure.savefig(drawn, dpi=DOTS_PER_INCH)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(drawn.getvalue())
    except OSError as error:
        raise DataError(f"the picture {path} can't be written: {error}") from None
    return path
