"""The packaged model `kinetics400`: X3D-XS's official weights as a CoX3D without lookahead.

Nothing is trained. Weights that were exported in int8 are stored in int8 without loss; docs/kinetics400-model.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from opendr_har_core.bundle import INT8, PRECISIONS
from opendr_har_core.export import export_bundle
from opendr_har_core.networks.checkpoints import load_weights
from opendr_har_core.networks.config import x3d_config
from opendr_har_core.networks.cox3d import CoX3D
from opendr_har_core.quantization import quantize_bundle
from opendr_har_core.recognizer import MODELS
from opendr_har_core.spec import NONE

SOURCE = (
    "X3D-XS with Kinetics-400 weights (PyTorchVideo's model zoo, Apache-2.0), run as a CoX3D without lookahead; "
    "its card is docs/kinetics400-model.md"
)


def write(weights: Path, path: Path, precision: str = INT8) -> Path:
    """The bundle of official weights; raises CheckpointError for weights that can't be used."""
    network = CoX3D(x3d_config("xs", NONE))
    digest = load_weights(network, weights)
    with tempfile.TemporaryDirectory() as folder:
        whole = export_bundle(network, Path(folder) / "whole.onnx", source=SOURCE, weights_sha256=digest)
        return quantize_bundle(whole, path, precision).path


def main() -> None:
    """Write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="x3d_xs.pyth, of Kinetics-400")
    parser.add_argument(
        "--output", type=Path, default=MODELS / "kinetics400.onnx", help="bundle to write (default: the packaged)"
    )
    parser.add_argument("--precision", choices=PRECISIONS[1:], default=INT8, help="of what is stored")
    options = parser.parse_args()
    path = write(options.weights, options.output, options.precision)
    sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
