"""What a network costs: its parameters, and the multiply-adds of one evaluation, counted as it runs.

Counted are the multiply-adds of convolutions and linear layers, as in the X3D paper (Feichtenhofer, CVPR 2020), which
calls one multiply-add one FLOP. Normalisations (they fold into the convolutions), activations, poolings and sums are
left out, there and here. Who counts a multiplication and an addition as two operations takes `Cost.flops`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.networks.x3d import X3D

CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)
# Tensors of this device have shapes but no values: a count costs no computation.
SHAPES_ONLY = "meta"


@dataclass(frozen=True)
class Cost:
    """What a network holds and what one evaluation of it computes.

    Attributes:
        parameters: number of trainable values; running statistics of normalisations are not among them.
        multiply_adds: of one evaluation; the papers' 'FLOPs'.
    """

    parameters: int
    multiply_adds: int

    @property
    def flops(self) -> int:
        """Floating point operations: a multiplication and an addition are two."""
        return 2 * self.multiply_adds


class MultiplyAddCounter(TorchFunctionMode):
    """While active, adds up the multiply-adds of every convolution and linear layer that runs, module or function.

    A step of CoX3D calls its convolutions as functions, past any hook on modules; this sees both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total: int = 0

    def __torch_function__(
        self, func: Callable, types: Iterable[type], args: Tuple = (), kwargs: Optional[Dict[str, Any]] = None
    ) -> Any:
        """Run the function as it is, and count what it did."""
        result = func(*args, **(kwargs or {}))
        if func in CONVOLUTIONS or func is F.linear:
            weight: Tensor = args[1] if len(args) > 1 else (kwargs or {})["weight"]
            self.total += multiply_adds(result, weight)
        return result


def multiply_adds(output: Tensor, weight: Tensor) -> int:
    """Of a convolution or linear layer: every output value is a sum over one filter, weight[0]'s worth of products.

    `output` is (B, Cout, ...) or, of a linear layer, (..., Cout); `weight` is (Cout, Cin/groups, *kernel). The bias
    is not counted.
    """
    return output.numel() * weight[0].numel()


def parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters())


def clip_cost(network: X3D, batch: int = 1, image_size: Optional[int] = None) -> Cost:
    """Of classifying `batch` clips; the side of the image defaults to the network's own."""
    config = network.config
    side = image_size or config.image_size
    shadow = _shadow(network)
    clips = torch.empty(batch, 3, config.frames, side, side, device=SHAPES_ONLY)
    return Cost(parameters(network), _counted(lambda: shadow(clips)))


def step_cost(network: CoX3D, batch: int = 1, image_size: Optional[int] = None) -> Cost:
    """Of stepping `batch` streams by one frame; the side of the image defaults to the network's own."""
    side = image_size or network.config.image_size
    shadow = _shadow(network)
    state = shadow.initial_state(batch, side)
    frames = torch.empty(batch, 3, side, side, device=SHAPES_ONLY)
    return Cost(parameters(network), _counted(lambda: shadow.step(frames, state)))


def evaluation_cost(network: X3D) -> Cost:
    """Of one evaluation at batch 1: a step of a CoX3D, a clip of an X3D."""
    return step_cost(network) if isinstance(network, CoX3D) else clip_cost(network)


def _shadow(network: Any) -> Any:
    """The same layers without values, in evaluation mode; the network itself stays untouched."""
    return copy.deepcopy(network).to(SHAPES_ONLY).eval()


def _counted(run: Callable[[], object]) -> int:
    counter = MultiplyAddCounter()
    with torch.no_grad(), counter:
        run()
    return counter.total
