"""Training on real gestures over services, and a running recognizer that labels another person with the result."""

from __future__ import annotations

import csv
import re
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")
pytest.importorskip("torch")
pytest.importorskip("lightning")
sys.path.insert(0, str(Path(__file__).parents[1]))
from rcl_interfaces.srv import SetParameters
from std_msgs.msg import String
from trainer_support import JOB_SEC, Trainer, parameter

GESTURES = ("both arms circle overhead", "wave one hand", "raise both arms forward")
FILE = re.compile(r"PS7A(?P<action>\d)P(?P<person>\d)T(?P<take>\d)")
HELD_OUT = "1"
# Rows per video, each augmented differently; otherwise the end of an epoch costs more than its clips.
VIEWS = 8
SETTINGS = {
    "network": "x3d",
    "size": "xs",
    "epochs": 3,
    "batch_size": 8,
    "lr": 1e-3,
    "backbone_lr_factor": 0.3,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "lr_schedule": "cosine",
    "warmup_steps": 4,
    "label_smoothing": 0.1,
    "freeze": "last_stage",
    "freeze_batch_norm": True,
    "keep": "last",
    "nice": 0,
    "threads": 1,  # two are slower on a busy machine
}
LABELS_SEEN = 20
# After three short epochs with two persons these are distinguished; waving is mistaken for circling in some runs.
SURE = {"both arms circle overhead", "raise both arms forward"}


@pytest.fixture
def material(shared, tmp_path):
    """The table of two persons' videos, the classes, and the third person's videos by gesture."""
    folder = shared / "videos" / "gestures_rgb"
    if not folder.is_dir():
        pytest.skip(f"no gestures at {folder}")
    rows, held_out = [], {}
    for path in sorted(folder.glob("*.avi")):
        found = FILE.fullmatch(path.stem)
        label = GESTURES[int(found["action"]) - 1]
        if found["person"] == HELD_OUT:
            held_out.setdefault(label, path)
        else:
            rows += [(path, "", "", label)] * VIEWS
    table, labels = tmp_path / "gestures.csv", tmp_path / "classes.csv"
    write_csv(table, [("path", "start", "end", "label"), *rows])
    write_csv(labels, [("id", "name"), *enumerate(GESTURES)])
    return table, labels, held_out


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_a_running_recognizer_labels_another_person_with_the_trained_model(
    start, client, shared, material, tmp_path, record_property
):
    table, classes, held_out = material
    recognizer, node = start("recognizer"), start("trainer")
    labels = client.collect(String, "/recognizer/label")
    trainer = Trainer(client)
    files = {"data": table, "labels": classes, "output": tmp_path / "gestures.onnx", "cache": tmp_path / "cache"}
    base = shared / "weights" / "x3d_xs_k400_slowfast.pyth"
    assert trainer.set(**files, base=base, **SETTINGS) == []
    begun = time.monotonic()
    assert trainer.start().success
    end = trainer.until_true(lambda status: status["state"] in ("done", "failed"), JOB_SEC)
    assert end["state"] == "done", end
    record_property("training (s)", round(time.monotonic() - begun))

    request = SetParameters.Request(parameters=[parameter("model", end["output"])])
    (result,) = client.call(SetParameters, "/recognizer/set_parameters", request).results
    assert result.successful, result.reason
    assert sorted(held_out) == sorted(GESTURES)
    for gesture, video in sorted(held_out.items()):
        seen = labels_of(start, client, labels, video)
        record_property(gesture, dict(seen))
        assert set(seen) <= set(GESTURES)
        assert gesture not in SURE or seen.most_common(1)[0][0] == gesture, seen
    assert (recognizer.process.poll(), node.process.poll()) == (None, None)


def labels_of(start, client, labels, video):
    """Counts of the labels while the video is played in a loop."""
    publisher = start("video_publisher", {"video": video, "loop": 0})
    labels.clear()
    client.until(lambda: len(labels) >= LABELS_SEEN, what=f"labels of {video}")
    seen = Counter(message.data for message in labels)
    publisher.end()
    client.spin(2.5)  # so that the next video resets the history
    return seen
