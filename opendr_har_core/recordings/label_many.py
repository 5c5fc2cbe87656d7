"""Labels of many recordings: a worker that keeps its model open, on the cores of this machine or a Ray cluster."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import signal
import socket
import threading
import warnings
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple
from urllib.parse import urlsplit

import cv2

from opendr_har_core import __version__
from opendr_har_core.errors import ConfigError, DataError, ResourceError
from opendr_har_core.people.detector import MODEL, NanoDet
from opendr_har_core.people.settings import PeopleSettings
from opendr_har_core.recordings.label_table import DONE, FAILED, LabelTable
from opendr_har_core.recordings.label_video import label_people, label_video
from opendr_har_core.recordings.sources import Source, local_copy, remove_left_copies
from opendr_har_core.storage.reading import sha256
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings

# Raised when another rule makes other rows of the same settings.
FORMAT = 1
# A recording whose worker dies is tried once more.
TRIES = 2
MOST_DEATHS_IN_A_ROW = 20
REACH_SEC = 5.0
UNWRITTEN = "unwritten"
Outcome = Dict[str, Any]
# (recordings done, recordings in all)
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class LabelJob:
    """What to label with, and where labels go.

    Attributes:
        folder: of the labels; workers on other machines need it, too.
        model, stream, labels: as those of a recognizer.
        people: how people are found; None labels the whole picture.
        topic: of the images in bags; None for the only one.
        timeout: seconds after which a recording's worker dies, 0 for any time.
    """

    folder: Path
    model: ModelSettings
    stream: StreamSettings
    labels: LabelSettings
    people: Optional[PeopleSettings] = None
    topic: Optional[str] = None
    timeout: float = 0.0

    def table(self) -> LabelTable:
        """The labels of this model with these settings; raises ModelError if there is no such model."""
        settings = {
            "format": FORMAT,
            "providers": self.model.providers,
            "stream": asdict(self.stream),
            "labels": asdict(self.labels),
            "people": {**asdict(self.people), "detector_sha256": sha256(MODEL)} if self.people else None,
            "topic": self.topic,
        }
        text = json.dumps(settings, sort_keys=True)
        facts = {
            "version": __version__,
            "model": self.model.model,
            "model_sha256": sha256(bundle_path(self.model.model)),
            "settings": text,
            "settings_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        return LabelTable(self.folder, f"model={facts['model_sha256'][:8]}-{facts['settings_sha256'][:8]}", facts)


@dataclass
class LabelledMany:
    """Counts of recordings.

    Attributes:
        path: the folder with the labels of this model and these settings.
        labelled, failed: in this run.
        skipped, failed_before: labels or failures that an earlier run has left.
        duration_sec: of what was labelled in this run.
    """

    path: Path
    labelled: int = 0
    failed: int = 0
    skipped: int = 0
    failed_before: int = 0
    duration_sec: float = 0.0


class Worker:
    """Labels one recording after the other; Ray keeps it as an actor, a process as a global."""

    def __init__(self, job: LabelJob) -> None:
        """Open the models; raises ModelError, BackendError or ConfigError."""
        cv2.setNumThreads(1)  # a process per core
        remove_left_copies()
        model = job.model
        self._job, self._table = job, job.table()
        self._recognizer = Recognizer.open(model.model, model.providers, model.threads, model.spin)
        self._detector = NanoDet(job.people.detector_size, model.providers, model.threads) if job.people else None

    def __call__(self, row: Dict[str, Any]) -> Outcome:
        """Label the `Source` with these values; whatever fails is written as a failure.

        Returns uri, state (DONE, FAILED or UNWRITTEN), duration_sec and error.
        """
        source = Source(**row)
        outcome = {"uri": source.uri, "state": DONE, "duration_sec": 0.0, "error": ""}
        # The alarm ends the process: nothing less ends a decoder or file system that hangs.
        signal.setitimer(signal.ITIMER_REAL, self._job.timeout)
        try:
            # Ray repeats what a lost machine had finished.
            if self._table.state(source) != DONE:
                outcome.update(self._label(source))
        except DataError as error:
            return {**outcome, "state": UNWRITTEN, "error": str(error)}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return outcome

    def _label(self, source: Source) -> Outcome:
        where = ""
        job = self._job
        kept: Dict[str, Any] = {"stream": job.stream, "labels": job.labels, "topic": job.topic}
        try:
            with local_copy(source) as path:
                where = str(path)
                if job.people is None or self._detector is None:
                    labels: Any = label_video(self._recognizer, path, **kept)
                else:
                    labels = label_people(self._recognizer, self._detector, path, job.people, **kept)
        except Exception as error:  # one recording must not stop the others, whatever its decoder raises
            message = str(error).replace(where, source.uri) if where else str(error)
            self._table.write_failure(source, type(error).__name__, message)
            return {"state": FAILED, "error": message}
        self._table.write(source, labels)
        return {"duration_sec": labels.duration_sec}


def label_many(
    job: LabelJob,
    sources: Sequence[Source],
    workers: int = 0,
    ray: Optional[str] = None,
    retry_failed: bool = False,
    on_progress: Optional[OnProgress] = None,
) -> LabelledMany:
    """Label all recordings that are new, have changed or, with `retry_failed`, have failed before.

    `workers` is the number of processes (default: one per core), or of actors in the Ray cluster at the address `ray`
    (default: as many as it has room for). An interruption ends the workers; the next run continues. Raises ConfigError,
    ModelError, DataError if labels can't be written, ResourceError if workers keep dying.
    """
    table = job.table()
    table.open()
    done = LabelledMany(table.path)
    todo: Dict[str, Source] = {}
    for source in sources:
        state = table.state(source)
        if state is None or (state == FAILED and retry_failed):
            todo[source.uri] = source
        done.skipped += state == DONE
        done.failed_before += state == FAILED and not retry_failed
    rows, total = [asdict(source) for source in todo.values()], len(todo)
    outcomes = _on_ray(job, rows, workers, ray) if ray else _on_cores(job, rows, workers)
    for outcome in outcomes if rows else ():
        if outcome["state"] == UNWRITTEN:
            raise DataError(outcome["error"])
        del todo[outcome["uri"]]
        done.labelled += outcome["state"] == DONE
        done.failed += outcome["state"] == FAILED
        done.duration_sec += outcome["duration_sec"]
        if on_progress is not None:
            on_progress(total - len(todo), total)
    for source in todo.values():
        why = f"the worker died {TRIES} times while it labelled this: killed, out of memory, a crash while decoding"
        why += f", or {job.timeout:g} s passed" if job.timeout else ""
        table.write_failure(source, ResourceError.__name__, why)
        done.failed += 1
    return done


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_cores(job: LabelJob, rows: Sequence[Dict[str, Any]], workers: int) -> Iterator[Outcome]:
    """Outcomes as they come; a recording whose worker died twice has none."""
    Recognizer.open(job.model.model, job.model.providers, job.model.threads)  # an error here says why
    context = multiprocessing.get_context("spawn")
    alive, lifeline = context.Pipe(duplex=False)

    def new_pool() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, context, _start, (job, alive))

    # A pool for each process: if one dies, only its recording is lost.
    free = [new_pool() for _ in range(min(workers or cores(), len(rows)))]
    todo = deque((row, 1) for row in rows)
    running: Dict[Future, Tuple[ProcessPoolExecutor, Dict[str, Any], int]] = {}
    deaths = 0
    try:
        while todo or running:
            while free and todo:
                pool, (row, number) = free.pop(), todo.popleft()
                try:
                    running[pool.submit(_work, row)] = pool, row, number
                except BrokenProcessPool:  # died between two recordings
                    pool.shutdown()
                    free.append(new_pool())
                    todo.appendleft((row, number))
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                pool, row, number = running.pop(future)
                free.append(pool)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    free.pop().shutdown()
                    free.append(new_pool())
                    deaths += 1
                    if number < TRIES:
                        todo.append((row, number + 1))
                    continue
                deaths = 0
                yield outcome
            if deaths > MOST_DEATHS_IN_A_ROW:
                raise ResourceError(f"{deaths} workers died in a row; use fewer --workers if memory is short")
    finally:
        lifeline.close()
        for pool in [*free, *(pool for pool, _, _ in running.values())]:
            pool.shutdown()


_worker: List[Worker] = []


def _start(job: LabelJob, alive: Any) -> None:
    """Start a process: it ends with the one that holds the other end of the pipe, which handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        alive.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    _worker.append(Worker(job))


def _work(row: Dict[str, Any]) -> Outcome:
    return _worker[0](row)


def _reach(address: str) -> None:
    """Raise ResourceError if nothing listens at the address of a cluster, which takes Ray minutes to say."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        parts = urlsplit(address if "://" in address else f"ray://{canonicalize_bootstrap_address(address)}")
        socket.create_connection((parts.hostname or "", parts.port or 0), REACH_SEC).close()
    except (OSError, ValueError) as error:
        raise ResourceError(f"there is no Ray cluster at {address}: {error}; expected HOST:PORT of its head") from None


def _on_ray(job: LabelJob, rows: Sequence[Dict[str, Any]], workers: int, address: str) -> Iterator[Outcome]:
    """As `_on_cores`; scheduling, retries and autoscaling are those of Ray Data."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray

        _reach(address)
        import ray.data
    except ImportError:
        raise ConfigError("--ray needs Ray Data: pip install 'opendr_har_ros[scale]'") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        settings = ray.data.DataContext.get_current()
        settings.enable_progress_bars = False
        settings.max_errored_blocks = -1
        settings.target_max_block_size = 1 << 20  # rows are tiny: leave room for as many tasks as there are cores
        # One task at a time: those that wait for an actor would lose a try when it dies.
        size = {"size": workers} if workers else {"min_size": 1}
        actors = ray.data.ActorPoolStrategy(**size, max_tasks_in_flight_per_actor=1)
        with warnings.catch_warnings():
            # Releases before 2.64 have no other way to limit the tries.
            warnings.filterwarnings("ignore", message=".*ray_remote_args_fn.* is deprecated")
            labelled = ray.data.from_items(list(rows), override_num_blocks=len(rows)).map(
                Worker,
                fn_constructor_args=(job,),
                compute=actors,
                num_cpus=1,
                num_gpus=0 if job.model.providers[0] == "cpu" else 1,
                ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": TRIES - 1},
            )
        yield from labelled.iter_rows()
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise ResourceError(f"Ray at {address}: {error}") from error
    finally:
        ray.shutdown()
