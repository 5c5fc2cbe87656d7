"""Looking after processes; Linux's /proc."""

from __future__ import annotations

from pathlib import Path


def _fields(pid):
    """From the state on; none for a process that is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def alive(pid):
    """Whether the process is there and not only waits to be reaped."""
    fields = _fields(pid)
    return fields is not None and fields[0] != "Z"


def processes_of_group(group):
    """The numbers of the live processes in a process group."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return {pid for pid in pids if alive(pid) and int((_fields(pid) or [0, 0, 0])[2]) == group}
