"""The child of `cage`: reads inputs one after the other and writes a line of JSON about each.

Arguments: target, seed, first, end, folder, megabytes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Dict, List

from targets import BY_NAME, Target
from traps import TRAP, USES

from opendr_har_core.errors import HarError

# What reading a file has no business with.
FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "pickle.find_class", "socket.")


class Watcher:
    """Notes what the process is asked to do, by Python's audit hooks, and what it leaves in its folder."""

    def __init__(self, folder: Path) -> None:
        self.seen: List[str] = []
        self._folder = folder
        self._active = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: Any) -> None:
        if not self._active:
            return
        if event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments!r}"[:300])
        elif event == "open" and isinstance(arguments[0], (str, bytes)) and self._writes(arguments[2]):
            name = str(Path(os.fsdecode(arguments[0])).absolute())
            if not name.startswith((str(self._folder), "/dev/null")):
                self.seen.append(f"wrote {name}")

    @staticmethod
    def _writes(flags: Any) -> bool:
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

    def __enter__(self) -> Watcher:
        self.seen = []
        self._before = self._listing()
        self._active = True
        return self

    def __exit__(self, *error: object) -> None:
        self._active = False
        after = self._listing()
        self.seen += [f"changed {name}" for name in sorted(set(after.items()) ^ set(self._before.items()))][:5]

    def _listing(self) -> Dict[str, Any]:
        return {
            str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in self._folder.rglob("*")
            if not path.is_dir()
        }


def main() -> None:
    name, seed, first, end, place, megabytes = sys.argv[1:]
    folder = Path(place).absolute()
    trap = name.startswith(TRAP)
    target = Target(name, "trap", lambda _: [b"seed"], USES[name[len(TRAP) :]]) if trap else BY_NAME[name]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contents = target.seeds(folder)
    for content in contents if not trap else ():  # whatever is loaded at first use must be loaded before the limits
        with suppress(HarError):
            _tried(target, folder, content)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + (int(megabytes) << 20),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watcher = Watcher(folder)
    _say(out, {"ready": True})
    for index in range(int(first), int(end)):
        data = target.input(contents, int(seed), index)
        sys.stderr.truncate(0) if sys.stderr.seekable() else None
        _say(out, {"index": index, **_outcome(target, folder, data, watcher)})


def _outcome(target: Any, folder: Path, data: bytes, watcher: Watcher) -> Dict[str, Any]:
    before = _peak_from_here()
    start = time.perf_counter()
    what = ""
    try:
        _tried(target, folder, data, watcher)
        outcome = "used"
    except HarError as error:
        outcome = "refused" if len(str(error)) < 100_000 else "a long error"
        what = str(error)[:300]
    except BaseException as error:
        outcome = type(error).__name__ + _place(error)
        what = str(error)[:300] + "\n    " + "".join(traceback.format_tb(error.__traceback__)[-1:])
    if watcher.seen:
        outcome, what = "side effects", str(watcher.seen[:5])
    seconds = time.perf_counter() - start
    return {"outcome": outcome, "what": what, "seconds": seconds, "megabytes": (_status("VmHWM") - before) / (1 << 20)}


def _tried(target: Any, folder: Path, data: bytes, watcher: Any = None) -> None:
    path = folder / target.file
    path.write_bytes(data)
    try:
        with watcher or nullcontext():
            target.use(path)
    finally:
        path.unlink()


def _place(error: BaseException) -> str:
    """The innermost line of our own that an error came from, and of whatever it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "opendr_har" in frame.filename] or frames
    return f" in {Path(ours[-1].filename).name}:{ours[-1].lineno}"


def _peak_from_here() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    """A line of the process's status, in bytes."""
    with Path("/proc/self/status").open(encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name + ":"))


def _say(out: Any, event: Dict[str, Any]) -> None:
    out.write(json.dumps(event) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
