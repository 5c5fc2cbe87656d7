"""Process states from /proc."""

from __future__ import annotations

from pathlib import Path


def _fields(pid):
    """Fields of /proc/PID/stat from the state on; None without such a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def alive(pid):
    """Whether the process exists and is not a zombie."""
    fields = _fields(pid)
    return fields is not None and fields[0] != "Z"


def processes_of_group(group):
    """Ids of the live processes in a process group."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return {pid for pid in pids if alive(pid) and int((_fields(pid) or [0, 0, 0])[2]) == group}
