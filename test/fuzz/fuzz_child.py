"""Reads damaged files in a process with limited memory and time; arguments: reader, number of inputs, folder, seconds.

Fails with a traceback, or dies, on the first input that a reader neither takes nor refuses with a HarError.
"""

from __future__ import annotations

import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from edits import damaged
from hypothesis import HealthCheck, given, settings
from readers import READERS

from opendr_har_core.errors import HarError

# Reading a file needs none of these.
FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "pickle.find_class", "socket.")
GROWTH_BYTES, PEAK_BYTES = 2 << 30, 700 << 20


def main() -> None:
    name, inputs, folder, seconds = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    reader = READERS[name]
    contents = reader.examples(folder)
    path = folder / reader.file
    for content in contents:  # load lazily imported modules before the limits
        path.write_bytes(content)
        with suppress(HarError):
            reader.read(path)
    resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + GROWTH_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seen, is_reading = [], [False]
    sys.addaudithook(lambda event, _: seen.append(event) if is_reading[0] and event.startswith(FORBIDDEN) else None)
    path.touch()
    before = sorted(folder.rglob("*"))

    @settings(
        max_examples=inputs, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(damaged(contents, reader.is_text))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        resident = status("VmRSS")
        signal.alarm(seconds)
        is_reading[0] = True
        with suppress(HarError):
            reader.read(path)
        is_reading[0] = False
        signal.alarm(0)
        assert not seen, f"forbidden: {seen}"
        assert status("VmHWM") - resident < PEAK_BYTES, "memory"
        assert sorted(folder.rglob("*")) == before, "files changed"

    check()


def status(name: str) -> int:
    """A line of the process's status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name + ":"))


if __name__ == "__main__":
    main()
