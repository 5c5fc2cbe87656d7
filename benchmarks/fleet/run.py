"""Checks and measures `opendr-har label` on a folder of recordings, see recordings.py.

compare   the tables of a local run and of a Ray cluster of three nodes are the same, row for row
kills     kill -9 of workers, the command and, on Ray, nodes at random moments; the tables are complete, without
          repeated rows
cost      seconds per hour of recordings for models, with and without people, and over the bare library; recordings of
          one length, without broken ones
overhead  CPU time of a worker over that of the library, recording by recording in turns
memory    memory of the command and of a worker over a run; seconds to skip and to read what it has written

python benchmarks/fleet/run.py compare /tmp/fleet/recordings --work /tmp/fleet
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.update({"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"})
# The default of 15 lets other programs slow down Ray, but not the rest.
os.environ.update({"RAY_worker_niceness": "0"})
NODES = 3
STORE_BYTES = 100_000_000
SIZES = "command_mb", "worker_mb"
COPIES = "opendr-har-copy-"
ACTOR = "ray::MapWorker"


class Cluster:
    """A Ray cluster of node processes of one core each, on this machine."""

    def __init__(self, nodes: int = NODES) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        self._arguments = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
        self._cluster = RayCluster(initialize_head=True, head_node_args={"include_dashboard": False, **self._arguments})
        self.address = self._cluster.address
        self._others = [self._cluster.add_node(**self._arguments) for _ in range(nodes - 1)]

    def kill_node(self, chance: random.Random) -> None:
        """Kill a node other than the head, and start another one."""
        node = self._others.pop(chance.randrange(len(self._others)))
        self._cluster.remove_node(node, allow_graceful=False)
        self._others.append(self._cluster.add_node(**self._arguments))

    def stop(self) -> None:
        self._cluster.shutdown()


def command(sources, to, *flags):
    arguments = ["label", str(sources), "--to", str(to), "--quiet", "--json", *map(str, flags)]
    return [sys.executable, "-m", "opendr_har_core.cli.main", *arguments]


def label(sources, to, *flags):
    """(the result of the command, seconds)."""
    begun = time.monotonic()
    done = subprocess.run(command(sources, to, *flags), stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    if not lines or "labelled" not in json.loads(lines[-1]):
        raise SystemExit(f"{flags}: exit code {done.returncode}: {done.stdout}")
    return json.loads(lines[-1]), time.monotonic() - begun


def tables(folder):
    from opendr_har_core.recordings.label_table import SCHEMAS, read_label_table

    return {name: read_label_table(folder, name) for name in SCHEMAS}


def check_complete(folder, expected, sources):
    """Exit unless each source has one row set and all tables equal `expected`, those that were never interrupted."""
    from opendr_har_core.recordings.sources import find_sources

    found = tables(folder)
    names = sorted(name for table in ("recordings", "failures") for name in found[table]["recording"].to_pylist())
    if names != sorted(source.uri for source in find_sources([str(sources)])):
        raise SystemExit(f"{folder}: recordings are missing or repeated: {len(names)} rows")
    for name, table in found.items():
        if not table.equals(expected[name]):
            raise SystemExit(f"{folder}: the table {name} differs: {table.num_rows}, {expected[name].num_rows} rows")
    return {name: table.num_rows for name, table in found.items()}


def reference(options):
    """Tables of a local run without interruption."""
    folder = options.work / "local"
    shutil.rmtree(folder, ignore_errors=True)
    done, seconds = label(options.recordings, folder, *options.flags)
    return tables(folder), done, seconds


def compare(options):
    expected, done, seconds = reference(options)
    folder = options.work / "ray"
    shutil.rmtree(folder, ignore_errors=True)
    cluster = Cluster()
    try:
        on_ray, ray_seconds = label(options.recordings, folder, "--ray", cluster.address, *options.flags)
    finally:
        cluster.stop()
    rows = check_complete(folder, expected, options.recordings)
    return {"rows": rows, "local": done, "local_sec": seconds, "ray": on_ray, "ray_sec": ray_seconds}


def workers_of_all():
    """Pids of the workers of this script's commands."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            line = " ".join(child.cmdline())
            found += [child.pid] if ACTOR in line or "spawn_main" in line else []
    return found


def strike(what, driver, cluster, chance):
    """Kill one; returns seconds until the workers of a killed command have ended, None if there are no workers yet."""
    workers = workers_of_all()
    if what == "node":
        cluster.kill_node(chance)
    elif not workers:
        return None
    elif what == "worker":
        os.kill(chance.choice(workers), signal.SIGKILL)
    else:
        driver.kill()
        driver.wait()
        return seconds_to_end(workers)
    return 0.0


def seconds_to_end(pids):
    """Seconds until these processes have ended; exits if that takes a minute."""
    begun = time.monotonic()
    while any(is_running(pid) for pid in pids):
        if time.monotonic() - begun > 60:
            raise SystemExit(f"workers outlive their command: {pids}")
        time.sleep(0.05)
    return time.monotonic() - begun


def is_running(pid):
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def finished(folder):
    return len(list(folder.glob("model=*/source=*")))


def kills(options):
    """Kill one kind of process at a time until the job is done; then check the tables."""
    expected, _, seconds = reference(options)
    chance, report = random.Random(options.seed), {}
    cluster = Cluster() if "ray" in options.on else None
    try:
        for where in options.on:
            for what in [what for what in options.kill if what != "node" or where == "ray"]:
                folder = options.work / f"kills-{where}-{what}"
                shutil.rmtree(folder, ignore_errors=True)
                flags = [*options.flags, *(["--ray", cluster.address] if where == "ray" else [])]
                killed, runs, outlived, reached = 0, 0, 0.0, []
                while True:
                    runs, done = runs + 1, finished(folder)
                    # A recording that lost two workers has failed: the next run tries it again.
                    driver = subprocess.Popen(
                        command(options.recordings, folder, "--retry-failed", *flags), stdout=subprocess.DEVNULL
                    )
                    while driver.poll() is None and killed < options.times:
                        try:
                            driver.wait(chance.uniform(0.5, options.every))
                        except subprocess.TimeoutExpired:
                            if what == "driver" and finished(folder) == done:
                                continue  # it is still starting
                            seconds_left = strike(what, driver, cluster, chance)
                            killed += seconds_left is not None
                            outlived = max(outlived, seconds_left or 0.0)
                    if driver.wait() in (0, 1) and killed >= options.times:
                        break
                    reached.append(finished(folder))
                    if driver.returncode in (0, 1) and killed < options.times:
                        shutil.rmtree(folder)  # done too early: once more from the beginning
                label(options.recordings, folder, "--retry-failed", *options.flags)
                rows = check_complete(folder, expected, options.recordings)
                left = len(list(Path(tempfile.gettempdir()).glob(f"{COPIES}*")))
                report[f"{where} {what}"] = {"killed": killed, "runs": runs, "rows": rows, "copies_left": left}
                if what == "driver":
                    report[f"{where} {what}"].update({"outlived_sec": outlived, "recordings_at_ends": reached})
                sys.stderr.write(f"{where} {what}: {report[f'{where} {what}']}\n")
    finally:
        if cluster is not None:
            cluster.stop()
    return {"reference_sec": seconds, **report}


def cost(options):
    """CPU seconds and seconds of the bare library, the command and the command on Ray, with a worker each, in turns.

    A run over the first recording is the start-up; what the others take beyond it is per hour of recordings.
    """
    report = {}
    cluster = Cluster(1) if "ray" in options.on else None
    try:
        for model in options.models:
            for flags in ([], ["--people"]) if options.people else ([],):
                report[" ".join([model, *flags])] = cost_of(
                    ["--model", model, "--workers", 1, *flags], options, cluster
                )
    finally:
        if cluster is not None:
            cluster.stop()
    return report


def cost_of(flags, options, cluster):
    from opendr_har_core.recordings.sources import find_sources

    to, first = options.work / "cost", find_sources([str(options.recordings)])[0].uri
    rounds = []
    names = ["bare", *options.on]
    for turn in range(options.rounds):
        rounds.append({})
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            used = []
            for sources in (first, options.recordings):
                shutil.rmtree(to, ignore_errors=True)
                more = ["--ray", cluster.address] if name == "ray" else []
                line = command(sources, to, *flags, *more)
                used.append(usage([*line[:1], __file__, "bare", *line[4:]] if name == "bare" else line))
            rounds[-1][name] = {"start": used[0], "rest": {key: used[1][key] - used[0][key] for key in used[0]}}
    rows = tables(to)["recordings"]
    hours = sum(rows["duration_sec"].to_pylist()) / 3600
    rest = hours * (1 - 1 / rows.num_rows)
    report = {
        "hours": hours,
        "bytes_per_hour": sum(rows["size"].to_pylist()) / hours,
        "label_bytes_per_hour": sum(path.stat().st_size for path in to.rglob("*.parquet")) / hours,
    }
    for name in names:
        found = {key: [row[name]["rest"][key] for row in rounds] for key in rounds[0][name]["rest"]}
        report[name] = {
            **{f"start_{key}": median(row[name]["start"][key] for row in rounds) for key in found},
            **{f"{key}_per_hour": median(values) / rest for key, values in found.items()},
            "hours_per_core_hour": 3600 * rest / median(found["cpu_sec"]),
            **{
                f"{key}_over_bare": spread(row[name]["rest"][key] / row["bare"]["rest"][key] for row in rounds)
                for key in ("cpu_sec", "wall_sec")
            },
        }
    return report


def spread(values):
    """Least, median and greatest."""
    values = sorted(values)
    return [round(value, 3) for value in (values[0], median(values), values[-1])]


def usage(line):
    """Seconds, and CPU seconds of a command with its workers, actors of Ray among them, and of Ray's own processes."""
    before, times, begun = cluster_cpu(0), os.times(), time.monotonic()
    process, seen = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), {}
    while process.poll() is None:
        seen.update(cluster_cpu(process.pid))
        time.sleep(0.2)
    seconds, after = time.monotonic() - begun, os.times()
    if process.returncode:
        raise SystemExit(f"{line}: exit code {process.returncode}")
    cpu = {False: 0.0, True: after.children_user + after.children_system - times.children_user - times.children_system}
    for pid, (is_actor, value) in seen.items():
        cpu[is_actor] += value - before.get(pid, (False, 0.0))[1]
    return {"wall_sec": seconds, "cpu_sec": cpu[True], "ray_cpu_sec": cpu[False]}


def cluster_cpu(driver):
    """{pid: (whether it is an actor, its CPU seconds)} of the cluster's processes."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if driver not in (child.pid, *(parent.pid for parent in child.parents())):
                times = child.cpu_times()
                found[child.pid] = ACTOR in " ".join(child.cmdline()), times.user + times.system
    return found


def bare(line):
    """`label_video` or `label_people` over the recordings, in this process, with the options of `label`."""
    import cv2

    from opendr_har_core import Recognizer
    from opendr_har_core.people.detector import NanoDet
    from opendr_har_core.recordings.label_video import label_people, label_video
    from opendr_har_core.recordings.sources import find_sources

    cv2.setNumThreads(1)
    recognizer = Recognizer.open(line[line.index("--model") + 1], threads=1)
    detector = NanoDet(threads=1) if "--people" in line else None
    for source in find_sources(line[:1]):
        path = Path(source.uri)
        label_people(recognizer, detector, path) if detector else label_video(recognizer, path)


def overhead(options):
    """CPU time of a worker for a recording over that of the library, which take turns in this process; by model."""
    from dataclasses import asdict

    from opendr_har_core import Recognizer
    from opendr_har_core.recordings.label_many import LabelJob, Worker
    from opendr_har_core.recordings.label_video import label_video
    from opendr_har_core.recordings.sources import find_sources
    from opendr_har_core.streaming.settings import LabelSettings, ModelSettings, StreamSettings

    def seconds(call, *arguments):
        begun = time.process_time()
        call(*arguments)
        return time.process_time() - begun

    report, folder = {}, options.work / "overhead"
    for model in options.models:
        shutil.rmtree(folder, ignore_errors=True)
        job = LabelJob(folder, ModelSettings(model, threads=1), StreamSettings(), LabelSettings())
        job.table().open()
        worker, recognizer, ratios = Worker(job), Recognizer.open(model, threads=1), []
        for number, source in enumerate(find_sources([str(options.recordings)])):
            turns = [(label_video, recognizer, Path(source.uri)), (worker, asdict(source))]
            used = {turn[0]: seconds(*turn) for turn in (turns if number % 2 else turns[::-1])}
            ratios.append(used[worker] / used[label_video])
        report[model] = {"pairs": len(ratios), "quartiles": quantiles(ratios)}
    return report


def memory(options):
    """MB of the command and of its largest worker by quarters of a run, and seconds to skip and to read it all."""
    report = {}
    cluster = Cluster() if "ray" in options.on else None
    try:
        for where in options.on:
            folder = options.work / f"memory-{where}"
            shutil.rmtree(folder, ignore_errors=True)
            flags = [*options.flags, *(["--ray", cluster.address] if where == "ray" else [])]
            begun = time.monotonic()
            driver, samples = (
                subprocess.Popen(command(options.recordings, folder, *flags), stdout=subprocess.DEVNULL),
                [],
            )
            while driver.poll() is None:
                with suppress(psutil.NoSuchProcess):
                    sizes = [psutil.Process(pid).memory_info().rss for pid in workers_of_all()]
                    if sizes:
                        samples.append((psutil.Process(driver.pid).memory_info().rss, max(sizes)))
                time.sleep(1)
            seconds = time.monotonic() - begun
            parts = [samples[len(samples) * part // 4 : len(samples) * (part + 1) // 4] for part in range(4)]
            columns = {name: [median(row[i] for row in part) / 1e6 for part in parts] for i, name in enumerate(SIZES)}
            _, skip_sec = label(options.recordings, folder, *options.flags)
            report[where] = {"run_sec": seconds, **columns, "skip_sec": skip_sec, "read": reading(folder)}
    finally:
        if cluster is not None:
            cluster.stop()
    return report


def reading(folder):
    """{table: rows, MB of its files, seconds to read it with `read_label_table`, and to count it in DuckDB}."""
    import duckdb

    from opendr_har_core.recordings.label_table import SCHEMAS, read_label_table

    found = {}
    for name in SCHEMAS:
        files = list(folder.glob(f"model=*/source=*/{name}.parquet"))
        begun = time.monotonic()
        rows, read = read_label_table(folder, name).num_rows, time.monotonic()
        if files:
            duckdb.sql(f"select count(recording) from '{folder}/model=*/source=*/{name}.parquet'").fetchall()
        sizes = sum(file.stat().st_size for file in files) / 1e6
        found[name] = {"rows": rows, "mb": sizes, "sec": read - begun, "duckdb_sec": time.monotonic() - read}
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        sys.exit(bare(sys.argv[2:]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops the cluster
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compare", "kills", "cost", "overhead", "memory"))
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for labels")
    parser.add_argument("--on", nargs="+", choices=("local", "ray"), default=["local", "ray"], help="not compare")
    kinds = ("worker", "driver", "node")
    parser.add_argument("--kill", nargs="+", choices=kinds, default=kinds, help="kills: what")
    parser.add_argument("--times", type=int, default=20, help="kills of each kind")
    parser.add_argument("--every", type=float, default=5.0, help="kills: longest pause in seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="+", default=["default"], help="cost, overhead: bundles")
    parser.add_argument("--people", action="store_true", help="cost: also of people mode")
    parser.add_argument("--rounds", type=int, default=5, help="cost: turns of each")
    parser.epilog = "Options of label follow after --."
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:end])
    options.flags = sys.argv[end + 1 :]
    options.work.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(json.dumps(globals()[options.what](options), indent=1) + "\n")
