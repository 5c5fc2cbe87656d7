"""Charts as image files, drawn with matplotlib, which is an optional dependency."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, Union

from opendr_har_core.errors import ConfigError, DataError
from opendr_har_core.storage.atomic import atomic_path

DOTS_PER_INCH = 100


def new_figure(width_inches: float, height_inches: float) -> Any:
    """An empty `matplotlib.figure.Figure`; raises ConfigError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("charts need matplotlib: pip install 'opendr_har_ros[plots]'") from None
    return Figure((width_inches, height_inches), dpi=DOTS_PER_INCH, layout="constrained")


def save_figure(figure: Any, path: Union[str, Path]) -> Path:
    """Write a figure in the format of the file's suffix, such as .png; raises DataError if that fails."""
    path = Path(path)
    drawn = BytesIO()  # in memory, as libraries raise various errors on a full disk
    try:
        figure.savefig(drawn, format=path.suffix[1:] or "png")
        with atomic_path(path) as temporary:
            temporary.write_bytes(drawn.getvalue())
    except (OSError, ValueError) as error:
        raise DataError(f"the chart {path} can't be written: {error}") from None
    return path
