"""Labels: names, ids and their CSV."""

from __future__ import annotations

import csv

import pytest

from opendr_har_core.errors import LabelError
from opendr_har_core.labels import LabelMap


def test_a_name_has_the_id_of_its_position():
    labels = LabelMap(["run", "jump"])
    assert labels.id("jump") == 1
    assert labels[1] == "jump"
    assert list(labels) == ["run", "jump"]
    assert labels == LabelMap(["run", "jump"])
    assert hash(labels) == hash(LabelMap(["run", "jump"]))


@pytest.mark.parametrize(("names", "message"), [(["a", "a"], "twice.*'a'"), (["a", " "], "' '"), (["a", 3], "3")])
def test_names_must_be_unique_and_not_empty(names, message):
    with pytest.raises(LabelError, match=message):
        LabelMap(names)


def test_kinetics_has_its_400_classes_in_the_order_of_the_published_weights(shared):
    with (shared / "kinetics400_classes.csv").open(newline="") as file:
        expected = [row["name"] for row in csv.DictReader(file)]
    assert list(LabelMap.kinetics400()) == expected


def test_a_csv_is_read_or_refused_with_the_reason(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,name\n0,run\n1,jump\n")
    assert list(LabelMap.read_csv(path)) == ["run", "jump"]
    path.write_text("id,name\n0,run\n2,jump\n")
    with pytest.raises(LabelError, match=r"row 2.*id 1"):
        LabelMap.read_csv(path)
    with pytest.raises(LabelError, match="can't read"):
        LabelMap.read_csv(tmp_path / "absent.csv")


def test_numbered_labels_need_one_name_per_class():
    assert list(LabelMap.numbered(2)) == ["class 0", "class 1"]
    assert len(LabelMap.numbered(400)) == 400
    with pytest.raises(LabelError, match="3 class names for a model of 2"):
        LabelMap.numbered(2, ["a", "b", "c"])
