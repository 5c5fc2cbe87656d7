"""Process setup: the Fast DDS profile and malloc's arenas."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from opendr_har_ros.common.process import OLD_PROFILE_VARIABLE, PROFILE, PROFILE_VARIABLE, large_image_profile


def test_the_shipped_profile_has_a_large_segment():
    (size,) = (node for node in ElementTree.parse(PROFILE).iter() if node.tag.endswith("segment_size"))
    assert int(size.text) >= 8 << 20


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [("lyrical", PROFILE_VARIABLE), ("kilted", PROFILE_VARIABLE), ("humble", OLD_PROFILE_VARIABLE)],
)
def test_the_variable_is_the_one_that_the_distribution_reads(distribution, variable):
    assert large_image_profile({"ROS_DISTRO": distribution}) == {variable: str(PROFILE)}


@pytest.mark.parametrize("variable", [PROFILE_VARIABLE, OLD_PROFILE_VARIABLE])
def test_the_users_profile_is_kept(variable):
    assert large_image_profile({variable: "/etc/my_profile.xml"}) == {}


SEGMENTS = """
from opendr_har_ros.common.process import prepare_process
prepare_process()
import rclpy
rclpy.init()
node = rclpy.create_node("test_segment")
with open("/proc/self/maps") as maps:
    ends = [line.split()[0].split("-") for line in maps if "/dev/shm/fast" in line]
print(max(int(end, 16) - int(begin, 16) for begin, end in ends))
"""


@pytest.mark.skipif("fastrtps" not in os.environ.get("RMW_IMPLEMENTATION", "fastrtps"), reason="Fast DDS's profile")
def test_fast_dds_reads_the_profile(domain):
    variables = ("ROS_DISTRO", PROFILE_VARIABLE, OLD_PROFILE_VARIABLE)
    env = {name: value for name, value in os.environ.items() if name not in variables}
    env.update({"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "ROS_DOMAIN_ID": str(domain)})
    out = subprocess.run([sys.executable, "-c", SEGMENTS], env=env, capture_output=True, text=True, check=True).stdout
    assert int(out.split()[-1]) >= 8 << 20


def segments():
    """Names of Fast DDS's segments; those of other processes come and go."""
    names = [path.name for path in Path("/dev/shm").iterdir()]
    return {name for name in names if re.fullmatch("fast(dds|rtps)_[0-9a-f]{16}", name)}


def segments_of(node):
    return {Path(path).name for path in node.mapped_files} & segments()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux")
def test_the_next_node_removes_segments_of_killed_processes_and_no_others(client, start):
    dead, alive = start("recognizer", {"autostart": "false"}), start("web", {"port": 0})
    for name in ("recognizer", "web"):
        client.until(lambda name=name: name in client.node.get_node_names(), what=name)
    left, kept = segments_of(dead), segments_of(alive)
    assert left - kept
    assert kept - left
    dead.process.kill()
    dead.wait()
    assert left <= segments()
    start("video_publisher", {"video": "''"}).wait()
    assert not (left - kept) & segments()
    assert kept - left <= segments()
    assert alive.is_running


# Eight threads allocate at once; then malloc reports its arenas.
ARENAS = """
import ctypes, sys, threading
from opendr_har_ros.common.process import prepare_process
prepare_process()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
together = threading.Barrier(8)
def work():
    libc.malloc(ctypes.c_size_t(1000))
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
@pytest.mark.parametrize(("chosen", "expected"), [(None, 2), ("5", 5)])
def test_threads_share_two_arenas_unless_the_user_set_another_number(tmp_path, chosen, expected):
    env = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    env.update(
        {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}, **({"MALLOC_ARENA_MAX": chosen} if chosen else {})
    )
    subprocess.run([sys.executable, "-c", ARENAS, str(tmp_path / "info.xml")], env=env, check=True)
    arenas = ElementTree.parse(tmp_path / "info.xml").findall("heap")
    assert len(arenas) == expected
