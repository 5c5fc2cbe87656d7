"""The process's set-up: a profile that lets images through, unless the user has one."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from opendr_har_ros.process import OLD_PROFILE_VARIABLE, PROFILE, PROFILE_VARIABLE, large_image_profile


def test_the_shipped_profile_has_room_for_many_images():
    (size,) = (node for node in ElementTree.parse(PROFILE).iter() if node.tag.endswith("segment_size"))
    assert int(size.text) >= 8 << 20


@pytest.mark.parametrize(
    ("distribution", "variable"),
    [("", PROFILE_VARIABLE), ("kilted", PROFILE_VARIABLE), ("humble", OLD_PROFILE_VARIABLE)],
)
def test_the_variable_is_the_one_that_the_distribution_reads(distribution, variable):
    assert large_image_profile({"ROS_DISTRO": distribution}) == {variable: str(PROFILE)}


@pytest.mark.parametrize("variable", [PROFILE_VARIABLE, OLD_PROFILE_VARIABLE])
def test_a_profile_of_the_users_own_stays(variable):
    assert large_image_profile({variable: "/etc/my_profile.xml"}) == {}
