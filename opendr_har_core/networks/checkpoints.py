"""Load published weights with the key names of SlowFast (also OpenDR), PyTorchVideo or MMAction2.

The schemes name the same tensors differently. Names are translated one by one; positions are not used, as each scheme
has another order.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import torch
from torch import Tensor

from opendr_har_core.errors import CheckpointError
from opendr_har_core.labels import LabelMap
from opendr_har_core.networks.checkpoint_metadata import NetworkFacts, read_tensor_file
from opendr_har_core.networks.x3d import X3D
from opendr_har_core.storage.reading import sha256

Weights = Dict[str, Tensor]
HEAD_KEYS = ("head.projection.weight", "head.projection.bias")
COUNTER = "num_batches_tracked"
LISTED = 8

Rules = Tuple[Tuple[str, str], ...]
# By the beginning of a scheme's keys: the pattern of a residual block, and replacements in the order of their use.
SCHEMES: Mapping[str, Tuple[str, Rules]] = {
    "blocks.": (  # PyTorchVideo, whose stem swaps the names of its two convolutions
        r"blocks\.([1-4])\.res_blocks\.(\d+)",
        (
            (r"blocks\.0\.conv\.conv_t\.", "s1.pathway0_stem.conv_xy."),
            (r"blocks\.0\.conv\.conv_xy\.", "s1.pathway0_stem.conv."),
            (r"blocks\.0\.norm\.", "s1.pathway0_stem.bn."),
            (r"blocks\.5\.pool\.pre_conv\.", "head.conv_5."),
            (r"blocks\.5\.pool\.pre_norm\.", "head.conv_5_bn."),
            (r"blocks\.5\.pool\.post_conv\.", "head.lin_5."),
            (r"blocks\.5\.proj\.", "head.projection."),
            (r"\.branch1_conv\.", ".branch1."),
            (r"\.branch1_norm\.", ".branch1_bn."),
            (r"\.norm_b\.1\.block\.0\.", ".se.fc1."),
            (r"\.norm_b\.1\.block\.2\.", ".se.fc2."),
            (r"\.norm_b\.0\.", ".b_bn."),
            (r"\.branch2\.conv_([abc])\.", r".branch2.\1."),
            (r"\.norm_([abc])\.", r".\1_bn."),
        ),
    ),
    "backbone.": (  # MMAction2
        r"backbone\.layer([1-4])\.(\d+)",
        (
            (r"backbone\.conv1_s\.conv\.", "s1.pathway0_stem.conv_xy."),
            (r"backbone\.conv1_t\.conv\.", "s1.pathway0_stem.conv."),
            (r"backbone\.conv1_t\.bn\.", "s1.pathway0_stem.bn."),
            (r"backbone\.conv5\.conv\.", "head.conv_5."),
            (r"backbone\.conv5\.bn\.", "head.conv_5_bn."),
            (r"cls_head\.fc1\.", "head.lin_5."),
            (r"cls_head\.fc2\.", "head.projection."),
            (r"\.downsample\.conv\.", ".branch1."),
            (r"\.downsample\.bn\.", ".branch1_bn."),
            (r"\.se_module\.(fc[12])\.(?:conv\.)?", r".branch2.se.\1."),
            *((rf"\.conv{index}\.conv\.", f".branch2.{part}.") for index, part in enumerate("abc", 1)),
            *((rf"\.conv{index}\.bn\.", f".branch2.{part}_bn.") for index, part in enumerate("abc", 1)),
        ),
    ),
}


def load_weights(
    network: X3D, path: Union[str, Path], *, new_head: bool = False, labels: Optional[LabelMap] = None
) -> str:
    """Load a weight file into `network` and return the file's sha256.

    With `new_head`, a network with another number of classes keeps its initial classifier; without it, that is an
    error. If `labels` of `network` are given as well and the file names its own, the classifier takes over the classes
    with the same names in any order; the others keep their initial weights.

    Raises CheckpointError, and leaves the network unchanged, if the file can't be read safely or tensors are missing,
    extra or misshapen; the message lists them.
    """
    content = read_tensor_file(path)
    weights = to_slowfast_keys(_tensors(content, path))
    own = network.state_dict()
    _complete(weights, own)
    facts = NetworkFacts.of(content, path)
    if new_head and labels is not None and facts is not None:
        _take_classes(weights, facts.labels, own, labels)
    elif new_head and any(weights[key].shape != own[key].shape for key in HEAD_KEYS if key in weights):
        weights.update({key: own[key] for key in HEAD_KEYS})
    _check(weights, own, path)
    network.load_state_dict(weights)
    return sha256(path)


def _tensors(content: Dict[str, Any], path: Union[str, Path]) -> Weights:
    for wrapper in ("model_state", "state_dict"):
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    strays = [key for key, value in content.items() if not isinstance(key, str) or not isinstance(value, Tensor)]
    if strays:
        raise CheckpointError(f"{path} has entries that are not named tensors: {strays[:LISTED]}")
    return dict(content)


def to_slowfast_keys(weights: Mapping[str, Tensor]) -> Weights:
    """Translate the keys of any of the three schemes; keys without a rule stay as they are."""
    for marker, (block, rules) in SCHEMES.items():
        if any(key.startswith(marker) for key in weights):
            return {_translate(key, block, rules): value for key, value in weights.items()}
    return dict(weights)


def _translate(key: str, block: str, rules: Rules) -> str:
    # The stem counts as the first stage.
    key = re.sub(rf"\A{block}", lambda found: f"s{int(found[1]) + 1}.pathway0_res{found[2]}", key)
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def _take_classes(weights: Weights, theirs: LabelMap, own: Weights, ours: LabelMap) -> None:
    """Give the classifier of `weights` our classes: its rows for the same names, our initial ones for the others."""
    shared = [name for name in ours if name in set(theirs)]
    for key in HEAD_KEYS:
        head = own[key].clone()
        if key in weights and weights[key].shape == (len(theirs), *head.shape[1:]):
            head[[ours.id(name) for name in shared]] = weights[key][[theirs.id(name) for name in shared]]
            weights[key] = head


def _complete(weights: Weights, own: Mapping[str, Tensor]) -> None:
    """Add tensors that a scheme omits and that change nothing, and adapt ranks."""
    # PyTorchVideo does not normalise the first stage's shortcut; an identity normalisation changes nothing.
    identity = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
    prefix = "s2.pathway0_res0.branch1_bn."
    if not any(key.startswith(prefix) for key in weights):
        for name, number in identity.items():
            weights[prefix + name] = torch.full_like(own[prefix + name], number)
    for key in own:
        if key.endswith(COUNTER):
            weights.setdefault(key, torch.zeros_like(own[key]))
    # A linear layer as a 1x1x1 convolution, or the other way round.
    for key, value in weights.items():
        if key in own and _squeezed(value) == _squeezed(own[key]):
            weights[key] = value.reshape(own[key].shape)


def _squeezed(tensor: Tensor) -> List[int]:
    """The shape without trailing ones."""
    shape = list(tensor.shape)
    while len(shape) > 1 and shape[-1] == 1:
        shape.pop()
    return shape


def _check(weights: Weights, own: Mapping[str, Tensor], path: Union[str, Path]) -> None:
    missing = sorted(set(own) - set(weights))
    extra = sorted(set(weights) - set(own))
    misshapen = [
        f"{key} {tuple(weights[key].shape)} (expected {tuple(own[key].shape)})"
        for key in own
        if key in weights and weights[key].shape != own[key].shape
    ]
    problems = [
        f"{len(keys)} {name}: {', '.join(keys[:LISTED])}" + (", ..." if len(keys) > LISTED else "")
        for name, keys in (("missing", missing), ("extra", extra), ("misshapen", misshapen))
        if keys
    ]
    if problems:
        advice = "choose the size and number of classes that the file was made for"
        if misshapen and not missing and not extra and all(item.split(" ")[0] in HEAD_KEYS for item in misshapen):
            advice = "the file has another number of classes: use that number, or ask for a new head"
        raise CheckpointError(f"{path} does not fit the network: {'; '.join(problems)}; {advice}")
