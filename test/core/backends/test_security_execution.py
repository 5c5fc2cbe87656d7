"""Files with code are refused, and nothing in them is executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from opendr_har_core import Recognizer
from opendr_har_core.errors import (
    CheckpointError,
    HarError,
)


class Exploit:
    """An object whose pickle creates a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self._marker = str(marker)

    def __reduce__(self):
        return os.system, (f"touch '{self._marker}'",)


@pytest.fixture
def marker(tmp_path):
    """The file that an exploit creates; it must not exist after the test."""
    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(Exploit(marker)))
    marker.unlink()  # the exploit works
    yield marker
    assert not marker.exists()


@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle", "among tensors", "lightning"])
def test_a_checkpoint_with_code_is_refused(tmp_path, marker, form):
    torch = pytest.importorskip("torch")
    from opendr_har_core.networks.checkpoint_metadata import NetworkFacts
    from opendr_har_core.training.checkpoint import last_step, path_of_step, read_checkpoint

    exploit = Exploit(marker)
    path = tmp_path / "last.ckpt"
    content = {
        "among tensors": {"a": torch.ones(2), "b": exploit},
        "lightning": {"state_dict": {"a": torch.ones(2)}, "callbacks": {"x": exploit}, "format": 1},
    }.get(form, exploit)
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    for read in (
        lambda: NetworkFacts.read(path),
        lambda: read_checkpoint(path),
        lambda: last_step(tmp_path),
        lambda: path_of_step(tmp_path, 3),
    ):
        with pytest.raises(CheckpointError):
            read()


@pytest.mark.parametrize("name", ["x3d_xs.pyth", "model.pth"])
def test_a_learner_refuses_a_file_with_code(tmp_path, marker, name):
    torch = pytest.importorskip("torch")
    from opendr_har_core import X3DLearner

    torch.save(Exploit(marker), tmp_path / name)
    with pytest.raises(HarError):
        X3DLearner(backbone="xs", device="cpu").load(str(tmp_path / name))


def test_a_cached_clip_with_code_is_made_again(tmp_path, marker):
    pytest.importorskip("torch")
    from opendr_har_core.datasets.cache import ClipCache

    cache, good, objects = ClipCache(tmp_path / "cache"), np.ones((1, 2, 2, 3), np.uint8), np.empty(1, object)
    objects[0] = Exploit(marker)
    cache.get("clip", lambda: good)
    for write in (np.save, np.savez):
        (kept,) = (tmp_path / "cache").glob("*.npy")
        with kept.open("wb") as file:
            write(file, objects, allow_pickle=True)
        assert np.array_equal(cache.get("clip", lambda: good), good)


def test_a_pickle_is_no_input_under_any_name(tmp_path, marker):
    pytest.importorskip("torch")
    from opendr_har_core.datasets.annotations import AnnotationDataset
    from opendr_har_core.datasets.clips import ClipSpec
    from opendr_har_core.labels import LabelMap
    from opendr_har_core.learners.model_folder import read_record

    path = tmp_path / "file.joblib"
    path.write_bytes(pickle.dumps(Exploit(marker)))
    for read in (
        lambda: Recognizer.open(path),
        lambda: LabelMap.read_csv(path),
        lambda: read_record(path),
        lambda: AnnotationDataset(path, ["a"], ClipSpec(4, 1, 30.0, 32)),
    ):
        with pytest.raises(HarError):
            read()
