"""A model on this machine: what it wants, and whether the machine can give it."""

from __future__ import annotations

import time
from statistics import median
from typing import List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.doctor.report import Finding, Section
from opendr_har_core.errors import HarError
from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.streaming.recognizer import Recognizer, bundle_path
from opendr_har_core.streaming.settings import EVERY_FRAME, ModelSettings

TITLE = "Model"
MEGABYTE = 1e6
MEASURE_SEC = 2.0
FEWEST_STEPS, MOST_STEPS = 3, 50
# The first steps set up what later ones use.
UNCOUNTED_STEPS = 2
# What is left of the processor is for the camera, for DDS, and for whatever else the robot does.
SHARE_OF_TIME = 0.8


def model(
    name: str = ModelSettings.model, providers: Optional[Sequence[str]] = None, threads: Optional[int] = None
) -> Tuple[Section, Optional[float]]:
    """Facts of a model, its step measured here, and the frame rate in Hz that it needs; None where it won't open."""
    try:
        recognizer = Recognizer.open(name, providers, threads)
        step_sec = measured_step(recognizer)
    except HarError as error:
        do = "give a bundle that runs here: --model, --providers; 'opendr-har export' makes one"
        return Section(TITLE, (("model", name),), (Finding(str(error), do),)), None
    spec = recognizer.spec
    needed_hz = NANOSECONDS / spec.period_ns
    stream = recognizer.stream()
    first = f"the first with sampled frame {stream.status.silent_frames + 1}, after {stream.silent_sec:.1f} s"
    facts = (
        ("model", f"{spec.name}, {name}, {bundle_path(name).stat().st_size / MEGABYTE:.1f} MB"),
        ("input", f"{spec.image_size}x{spec.image_size} pixels, window of {spec.window}"),
        ("classes", f"{len(recognizer.labels)}: {', '.join(recognizer.labels.names[:3])}, ..."),
        ("weights", recognizer.source),
        ("runs on", recognizer.provider),
        ("needs", f"a camera of {needed_hz:.2f} Hz or more"),
        ("labels", f"{needed_hz:.2f} a second, {first}"),
        ("label delay", f"{spec.delay_sec:.1f} s"),
        ("step here", f"{1000 * step_sec:.1f} ms: {1 / step_sec:.0f} labels a second would be possible"),
    )
    return Section(TITLE, facts, tuple(_too_slow(needed_hz, step_sec))), needed_hz


def measured_step(recognizer: Recognizer) -> float:
    """Median time in seconds from a frame of the network's own size to its scores, over two seconds or 50 frames."""
    spec = recognizer.spec
    stream = recognizer.stream(EVERY_FRAME)
    rgb = np.random.default_rng(0).integers(0, 256, (spec.image_size, spec.image_size, 3), dtype=np.uint8)
    # A clip is classified once it is whole; a state's steps all cost the same.
    before = (0 if spec.is_continual else spec.warm_up) + UNCOUNTED_STEPS
    times: List[float] = []
    index, end = 0, 0.0
    while len(times) < FEWEST_STEPS or (len(times) < MOST_STEPS and time.perf_counter() < end):
        start = time.perf_counter()
        stream.push(Frame(rgb, index * spec.period_ns))
        if index >= before:
            times.append(time.perf_counter() - start)
        elif index == before - 1:
            end = time.perf_counter() + MEASURE_SEC
        index += 1
    return median(times)


def _too_slow(needed_hz: float, step_sec: float) -> List[Finding]:
    if step_sec * needed_hz <= SHARE_OF_TIME:
        return []
    what = (
        f"a step takes {1000 * step_sec:.0f} ms, and the model makes {needed_hz:.1f} of them a second: frames will be"
    )
    do = "use a smaller model, more threads or another provider; 'opendr-har tune' makes CoX3D faster on x86"
    return [Finding(what, do)]
