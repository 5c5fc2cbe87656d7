"""Nodes in processes of their own, on this machine only, each test in a DDS domain that nothing else uses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# Before rclpy is loaded: no packet leaves this machine, and images of any size get through.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_LOCALHOST_ONLY"] = "1"

from opendr_har_ros.common.process import prepare_process

prepare_process()

ROOT = Path(__file__).resolve().parents[2]
LONG_SEC = 30.0
# The DDS ports of domains above 101 overlap with Linux's ephemeral ports.
DOMAINS = range(1, 102)


def pytest_collection_modifyitems(config, items):
    """Real processes miss messages on a busy machine: a failed test runs once more, as with colcon's retests."""
    if config.pluginmanager.hasplugin("rerunfailures"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.flaky(reruns=1))


@contextlib.contextmanager
def unused_domain():
    """A domain id that no other test process on this machine uses: it holds a lock file meanwhile."""
    first = os.getpid() % len(DOMAINS)
    for number in [*DOMAINS[first:], *DOMAINS[:first]]:
        with Path(tempfile.gettempdir(), f"opendr_har_test_domain_{number}").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # in use
                continue
            yield number
            return
    raise RuntimeError("all DDS domains are in use")


def wait_until(condition, seconds=LONG_SEC, what="what was expected"):
    """The first true value of `condition()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class NodeProcess:
    """One of our executables; its output is kept."""

    def __init__(self, executable, parameters, domain, log, extra=(), remaps=None, env=None, before=""):
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        arguments += [part for pair in (remaps or {}).items() for part in ("-r", ":=".join(pair))]
        code = f"{before}\nimport sys; from opendr_har_ros.entry import {executable}; sys.exit({executable}())"
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": python_path(), **(env or {})}
        self.may_log_tracebacks = False
        self._log, self._seen = log, 0
        self._file = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--ros-args", *arguments, *extra],
            env=environment,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self):
        """Everything since the start, or since `forget_output`."""
        return self._log.read_bytes()[self._seen :].decode(errors="replace")

    def forget_output(self):
        self._seen = self._log.stat().st_size

    @property
    def is_running(self):
        return self.process.poll() is None

    @property
    def mapped_files(self):
        """Paths of the files that the process has mapped into its memory, such as shared libraries."""
        lines = Path(f"/proc/{self.process.pid}/maps").read_text().splitlines()
        return {line.split(maxsplit=5)[5] for line in lines if line.count("/")}

    @property
    def peak_rss_mb(self):
        return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) // 1024

    @property
    def usage(self):
        """(resident kB, threads, open files)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        rss, threads = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "Threads"))
        return rss, threads, len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def wait(self, seconds=LONG_SEC):
        """The exit code, once the process has ended by itself."""
        return self.process.wait(seconds)

    def wait_for_output(self, text):
        return wait_until(lambda: text in self.output or not self.is_running, what=f"{text!r} in:\n{self.output}\n")

    def wait_for_library(self, name):
        wait_until(lambda: any(name in path for path in self.mapped_files), what=f"the loading of {name}")

    def interrupt(self):
        """Send SIGINT; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LONG_SEC)

    def end(self):
        if self.is_running:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(LONG_SEC)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._file.close()
        assert self.may_log_tracebacks or "Traceback" not in self._log.read_text(errors="replace")


def python_path():
    """Our sources before ROS's own path."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


class Client:
    """A node in the test's own process that keeps what it receives."""

    def __init__(self, domain):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.node = rclpy.create_node("test_client", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._subscriptions = []

    def collect(self, message_type, topic, qos=10):
        """A list to which the topic's messages are added while the client spins."""
        received = []
        self._subscriptions.append(self.node.create_subscription(message_type, topic, received.append, qos))
        return received

    def unsubscribe(self):
        """Undo every `collect`."""
        for subscription in self._subscriptions:
            self.node.destroy_subscription(subscription)
        self._subscriptions = []

    def until(self, condition, seconds=LONG_SEC, what="what was expected"):
        """Spin until `condition()` is true; returns its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            self._executor.spin_once(timeout_sec=0.05)
        raise AssertionError(f"{what} did not happen within {seconds} s")

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.01)

    def call(self, service_type, name, request=None, attempts=1):
        """A service's response.

        A server that has not yet discovered the client loses its answer, which happens on a busy machine; requests
        without side effects may be repeated in `attempts`.
        """
        client = self.node.create_client(service_type, name)
        self.until(client.service_is_ready, what=f"service {name}")
        futures = []
        for left in reversed(range(attempts)):
            futures.append(client.call_async(request or service_type.Request()))
            with contextlib.suppress(*[AssertionError] * (left > 0)):
                self.until(
                    lambda: any(future.done() for future in futures), LONG_SEC / attempts, f"an answer of {name}"
                )
                break
        self.node.destroy_client(client)
        return next(future for future in futures if future.done()).result()

    def close(self):
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@contextlib.contextmanager
def ros_session():
    """(domain, client)"""
    pytest.importorskip("rclpy")
    with unused_domain() as number:
        client = Client(number)
        yield number, client
        client.close()


@pytest.fixture(scope="module")
def module_session():
    with ros_session() as session:
        yield session


@pytest.fixture
def session(request):
    """A session of the test's own; of its module if it uses the module's recognizer."""
    if "running" in request.fixturenames:
        domain, client = request.getfixturevalue("module_session")
        yield domain, client
        client.unsubscribe()
        return
    with ros_session() as own:
        yield own


@pytest.fixture
def domain(session):
    return session[0]


@pytest.fixture
def client(session):
    return session[1]


@pytest.fixture
def start(domain, tmp_path):
    """start("recognizer", parameters, extra=arguments, remaps={}, env={}, before=code) -> NodeProcess, ended after."""
    pytest.importorskip("vision_msgs")
    started = []

    def start_node(executable, parameters=None, **options):
        log = tmp_path / f"{executable}_{len(started)}.log"
        started.append(NodeProcess(executable, parameters or {}, domain, log, **options))
        return started[-1]

    yield start_node
    for node in started:
        node.end()


@pytest.fixture(scope="module")
def module_recognizers(module_session, tmp_path_factory):
    """The recognizer that the module's tests share, the last of a list; further ones replace those that ended."""
    started = []
    yield started
    for node in started:
        node.end()


@pytest.fixture(scope="module")
def module_camera(module_session):
    from recognizer_support import Camera

    return Camera(module_session[1])


@pytest.fixture
def running(client, domain, module_recognizers, module_camera, tmp_path_factory):
    """(process, camera): an active recognizer as it is after its start, with reliable images.

    Tests of a module share the process; it is configured again for each, with the default parameters.
    """
    pytest.importorskip("vision_msgs")
    from recognizer_support import RELIABLE, restart

    if module_recognizers and module_recognizers[-1].is_running:
        node = module_recognizers[-1]
        restart(client, module_camera)
        node.forget_output()
    else:
        log = tmp_path_factory.mktemp("recognizer") / "recognizer.log"
        node = NodeProcess("recognizer", RELIABLE, domain, log)
        module_recognizers.append(node)
    module_camera.wait_for_recognizer()
    return node, module_camera
