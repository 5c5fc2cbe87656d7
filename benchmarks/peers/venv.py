"""The virtual environment of the peers: they need packages that this project does not, and must not get."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# What the peers import while they infer, from today's releases; torch is the one that this project trains with.
NEEDED = (
    "torch==2.13.0",
    "numpy",
    "pyyaml",
    "tqdm",
    "joblib",
    "onnxruntime",
    "opencv-python-headless",
    "av",
    "fvcore",
    "pytorch-lightning",
)
# Their own requirements pin releases of 2021 and 2022 (torch 1.13, Lightning 1.2, PyAV 8, ...), hence without
# dependencies: on the same torch as ours the comparison is one of code.
PEERS = (
    "opendr-toolkit-engine==3.0.0",
    "opendr-toolkit-activity-recognition==3.0.0",
    "continual-inference==1.2.4",
    "pytorchvideo==0.1.5",
)


def ready_python(folder: Path) -> Path:
    """The interpreter of the peers' environment in `folder`, which is made on first use (1.5 GB).

    Raises subprocess.CalledProcessError when something can't be installed.
    """
    python = folder / "bin" / "python"
    marker, wanted = folder / ".ready", "\n".join((*NEEDED, *PEERS))
    if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return python
    sys.stderr.write(f"setting up {folder} ...\n")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *NEEDED], check=True)
    subprocess.run([*install, "--no-deps", *PEERS], check=True)
    marker.write_text(wanted, encoding="utf-8")
    return python
