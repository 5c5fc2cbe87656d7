"""Real nodes in processes of their own, on this machine only, each test in a DDS domain of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
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
# Linux has ports for domains 0 to 101.
DOMAINS = itertools.cycle(range(1 + os.getpid() % 100, 101))


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

    def __init__(self, executable, parameters, domain, log, extra=(), remaps=None, env=None):
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        arguments += [part for pair in (remaps or {}).items() for part in ("-r", ":=".join(pair))]
        code = f"import sys; from opendr_har_ros.entry import {executable}; sys.exit({executable}())"
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONPATH": python_path(), **(env or {})}
        self.may_log_tracebacks = False
        self._log = log
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
        return self._log.read_text(errors="replace")

    @property
    def mapped_files(self):
        """Paths of what the process has mapped into its memory: its shared libraries among them."""
        lines = Path(f"/proc/{self.process.pid}/maps").read_text().splitlines()
        return {line.split(maxsplit=5)[5] for line in lines if line.count("/")}

    @property
    def peak_rss_mb(self):
        """The most memory that the process has had in use."""
        return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) // 1024

    def wait(self, seconds=LONG_SEC):
        """The exit code, once it has ended by itself."""
        return self.process.wait(seconds)

    def wait_for_output(self, text):
        return wait_until(lambda: text in self.output or self.process.poll(), what=f"{text!r} in:\n{self.output}\n")

    def wait_for_library(self, name):
        wait_until(lambda: any(name in path for path in self.mapped_files), what=f"the loading of {name}")

    def interrupt(self):
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LONG_SEC)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(LONG_SEC)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._file.close()


def python_path():
    """Our sources first; ROS's own path after."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


class Client:
    """A node in the test's own process, in the test's domain, that keeps what it receives."""

    def __init__(self, domain):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self.node = rclpy.create_node("test_client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def collect(self, message_type, topic, qos=10):
        """A list that messages of a topic are added to while something waits."""
        received = []
        self.node.create_subscription(message_type, topic, received.append, qos)
        return received

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
        """Let messages come in for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.01)

    def call(self, service_type, name, request=None, attempts=1):
        """A service's response.

        A server that has not yet found the client loses its answer, which happens on a busy machine; what only asks
        may be asked in several `attempts`.
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
        self._context.try_shutdown()


@pytest.fixture
def domain():
    return next(DOMAINS)


@pytest.fixture
def client(domain):
    pytest.importorskip("rclpy")
    made = Client(domain)
    yield made
    made.close()


@pytest.fixture
def start(domain, tmp_path):
    """start("recognizer", parameters, extra=arguments, remaps={}, env={}) -> NodeProcess, ended after the test."""
    pytest.importorskip("rclpy")
    pytest.importorskip("vision_msgs")
    started = []

    def start_node(executable, parameters=None, extra=(), remaps=None, env=None):
        log = tmp_path / f"{executable}_{len(started)}.log"
        started.append(NodeProcess(executable, parameters or {}, domain, log, extra, remaps, env))
        return started[-1]

    yield start_node
    for node in started:
        node.end()
    assert [node.output for node in started if "Traceback" in node.output and not node.may_log_tracebacks] == []


@pytest.fixture
def running(client, start):
    """A recognizer on the default model that gets images from a camera in this test."""
    from recognizer_support import RELIABLE, Camera

    node = start("recognizer", RELIABLE)
    camera = Camera(client)
    camera.wait_for_recognizer()
    return node, camera
