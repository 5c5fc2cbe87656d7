"""Read files of `torch.save` without running code that they may contain."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, Dict, Union

import torch

from opendr_har_core.errors import CheckpointError

OBJECT = re.compile(r"GLOBAL ([\w.]+)")
EXPECTED = "expected what torch.save writes of tensors and plain values, a .pth, .pyth or .ckpt file"


def read_tensor_file(path: Union[str, Path], what: str = "a file of weights") -> Dict[str, Any]:
    """The dictionary in a file, which messages call `what`.

    Raises CheckpointError if there is no file, or it holds something else or objects that would run code.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about foreign pickles; the error says so
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}; expected {what}") from None
    except OSError as error:
        raise CheckpointError(f"{path} can't be read as {what}: {error.strerror or error}") from None
    except Exception as error:  # torch.load raises a dozen types for broken or hostile files
        raise CheckpointError(f"{path} can't be read as {what}: {_reason(error)}") from None
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds a {type(content).__name__}, expected a dictionary of tensors")
    return content


def _reason(error: Exception) -> str:
    """Our own words: torch advises to let the file run its code."""
    found = OBJECT.search(str(error))
    if not found:
        return f"it is another kind of file, or damaged; {EXPECTED}"
    name = found[1]
    return f"it holds the Python object {name}, which could run any code; save network.state_dict() instead"
