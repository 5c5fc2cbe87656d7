"""Official weights for a learner: fetched, and proven to fit the network of their size."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Dict, Iterable, Union

from opendr_har_core.errors import ConfigError
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage import download


def download_official(folder: Union[str, Path], names: Iterable[str]) -> Dict[str, Path]:
    """Fetch x3d_{name}.pyth for every name, smallest first, and say where each is.

    Raises ConfigError, before anything is fetched, for a name that is none of xs, s, m and l; DownloadError where a
    file can't be had whole or does not fit the network.
    """
    if not isinstance(names, (str, Iterable)):
        raise ConfigError(f"model_names are {names!r}, expected some of {download.SIZES}")
    wanted = {names} if isinstance(names, str) else set(names)
    strays = sorted(str(name) for name in wanted if name not in download.SIZES)
    if strays or not wanted:
        raise ConfigError(f"model_names are {strays or 'empty'}, expected some of {download.SIZES}")
    return {size: _fetched(size, folder) for size in download.SIZES if size in wanted}


def _fetched(size: str, folder: Union[str, Path]) -> Path:
    return download.download_weights(size, folder, url=download.WEIGHTS_URL, check=partial(_check_fits, size))


def _check_fits(size: str, path: Path) -> None:
    """Raises CheckpointError unless the file holds exactly the tensors of X3D-`size` for 400 classes."""
    load_weights(X3D(x3d_config(size)), path)
