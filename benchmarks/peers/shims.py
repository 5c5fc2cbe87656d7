"""What today's Python lacks for the peers to be imported; nothing here runs while a peer is timed.

torchvision is the only thing missing. It can't be had for this CPU build of torch, and the peers import names of it
for jobs that inference does not do: the original's data sets (random crops, a video reader) and PyTorchVideo's
detection head (RoIAlign). The names exist after `stand_in_for_torchvision`, and do nothing. The real package would
take longer to import, so that an import time measured with this one flatters the peer.

Everything else is the real thing: pytorch_lightning (the original only derives classes from its LightningModule),
OpenDR's engine, continual-inference, fvcore, OpenCV.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Dict, Mapping

ABSENT: Mapping[str, Dict[str, object]] = {
    "torchvision": {"__version__": "none"},
    "torchvision.io": {},
    "torchvision.ops": {"RoIAlign": object},
    "torchvision.transforms": {"Compose": object},
    "torchvision.transforms._transforms_video": {
        "CenterCropVideo": object,
        "NormalizeVideo": object,
        "RandomCropVideo": object,
        "RandomHorizontalFlipVideo": object,
        "RandomResizedCropVideo": object,
        "ToTensorVideo": object,
    },
}


def stand_in_for_torchvision() -> None:
    """Make `import torchvision` succeed, unless it does already.

    Call it after pytorch_lightning was imported, which looks for torchvision by itself and goes on without it.
    """
    try:
        import torchvision  # noqa: F401
    except ImportError:
        for name, content in ABSENT.items():
            module = ModuleType(name)
            vars(module).update(content)
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
