"""Fine-tuning on real clips: one small fold of what benchmarks/finetune.py does in full."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("HAR_SHARED", ROOT.parent / "shared"))
NEEDED = (SHARED / "weights" / "x3d_xs_k400_slowfast.pyth", SHARED / "videos" / "gestures_rgb")
missing = [str(path) for path in NEEDED if not path.exists()]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"no real data: {missing}")


@pytest.fixture
def finetune(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    spec = importlib.util.spec_from_file_location("finetune", ROOT / "benchmarks" / "finetune.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SHARED", SHARED)
    monkeypatch.setitem(module.VIEWS, "gestures", 8)
    monkeypatch.setattr(module, "TEST_CLIPS", 2)
    return module


def test_gestures_of_a_person_never_seen_before(finetune, tmp_path, record_property):
    """Four short epochs without person 1 tell their nine clips apart far better than chance (three of nine)."""
    material = finetune.gestures(SHARED)
    assert len(material.videos) == 27
    result = finetune.run(material, replace(finetune.SETTINGS, epochs=4, warmup_steps=2), ["1"], tmp_path)
    record_property("right_of_9", result["right"])
    record_property("seconds", result["seconds"])
    assert result["right"] >= 7
    assert {path.name for path in tmp_path.iterdir()} == {"gestures_confusion.png", "gestures_curves.png"}
