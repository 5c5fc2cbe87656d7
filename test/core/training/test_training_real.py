"""Fine-tuning on real clips: one small fold of what benchmarks/finetune.py does in full."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("HAR_SHARED", ROOT.parent / "shared"))
NEEDED = (SHARED / "weights" / "x3d_xs_k400_slowfast.pyth", SHARED / "videos" / "gestures_rgb")
missing = [str(path) for path in NEEDED if not path.exists()]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"no real data: {missing}")


@pytest.fixture
def finetune(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("finetune")
    monkeypatch.setattr(module, "SHARED", SHARED)
    monkeypatch.setitem(module.VIEWS, "gestures", 8)
    monkeypatch.setattr(module, "TEST_CLIPS", 2)
    return module


def test_gestures_of_a_person_never_seen_before(finetune, tmp_path, record_property):
    """Three short epochs without person 1 tell their nine clips apart far better than chance (three of nine).

    The same weights, stepped over live streams of that person, give the clip network's label.
    """
    material = finetune.gestures(SHARED)
    assert len(material.videos) == 27
    result = finetune.run(material, replace(finetune.SETTINGS, epochs=3, warmup_steps=2), ["1"], tmp_path)
    for name in ("right", "live_right", "live_same", "seconds"):
        record_property(name, result[name])
    assert result["of"] == 9
    assert result["right"] >= 7
    assert result["live_right"] >= 7
    assert result["live_same"] >= 7
    assert result["folds"]["1"]["live_same_steps"] > 0.7
    assert {path.name for path in tmp_path.iterdir()} == {"gestures_confusion.png", "gestures_curves.png"}
