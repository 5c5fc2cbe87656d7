"""Where mixed precision may not be trusted."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import Any, Iterator

import torch
from torch import Tensor, nn

from opendr_har_core.networks.x3d import X3D


@contextmanager
def sound_gradients(network: X3D) -> Iterator[None]:
    """Keep the stem's convolution over time out of bfloat16 on CPUs.

    PyTorch 2.13 (oneDNN 3.12) computes wrong gradients for the weights of a depthwise convolution in bfloat16 with the
    channels last whose kernel is longer than the clip, as that one's is for X3D-XS: from memory that nothing was
    written to, now and then no numbers at all. A network without that layer, such as a Tail, stays as it is.
    """
    conv = dict(network.named_modules()).get("s1.pathway0_stem.conv")
    if conv is None:
        yield
        return
    conv.forward = partial(_in_float32, conv)  # on the instance, and picklable for strategies that spawn
    try:
        yield
    finally:
        del conv.forward


def _in_float32(conv: nn.Module, x: Tensor) -> Any:
    """The convolution's own forward."""
    if x.device.type != "cpu":
        return type(conv).forward(conv, x)
    with torch.autocast("cpu", enabled=False):
        return type(conv).forward(conv, x.float())
