"""Reading the one-line files of sysfs."""

from __future__ import annotations

from pathlib import Path

from opendr_har_core.benchmarking.energy.meter import SensorError


def read_number(path: Path) -> int:
    """The whole number in a file of sysfs; raises SensorError, saying what to do, where it can't be read."""
    text = read_text(path)
    try:
        return int(text)
    except ValueError:
        raise SensorError(f"{path} holds {text[:40]!r}, expected a whole number") from None


def read_text(path: Path) -> str:
    """The text in a file of sysfs; raises SensorError, saying what to do, where it can't be read."""
    try:
        return path.read_text().strip()
    except PermissionError:
        raise SensorError(f"no permission to read {path}; run as root, or 'sudo chmod a+r {path}'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SensorError(f"can't read {path}: {error}") from None
