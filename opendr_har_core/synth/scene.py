"""Draws a figure in motion: another person, view, room and tempo for every seed."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Dict, Iterator, Sequence, Tuple

import cv2
import numpy as np

from opendr_har_core.errors import ConfigError
from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.synth.figure import Body, Point, joints
from opendr_har_core.synth.motions import ACTIONS, MOTIONS

Size = Tuple[int, int]
Colour = Tuple[int, int, int]

# From back to front, with the widths as shares of the figure's height.
BONES = (
    ("left_hip", "left_knee", "trousers", 0.075),
    ("right_hip", "right_knee", "trousers", 0.075),
    ("left_knee", "left_foot", "trousers", 0.06),
    ("right_knee", "right_foot", "trousers", 0.06),
    ("hips", "neck", "shirt", 0.17),
    ("left_shoulder", "right_shoulder", "shirt", 0.08),
    ("left_shoulder", "left_elbow", "shirt", 0.06),
    ("right_shoulder", "right_elbow", "shirt", 0.06),
    ("left_elbow", "left_hand", "skin", 0.045),
    ("right_elbow", "right_hand", "skin", 0.045),
)


@dataclass(frozen=True)
class Scene:
    """Everything about a clip that does not move, and how its figure moves."""

    body: Body
    colours: Dict[str, Colour]
    background: np.ndarray
    yaw: float
    height_px: float
    foot: Tuple[float, float]
    tempo: float
    phase: float
    shake_px: float
    noise: float
    mirrored: bool
    seed: int


def render_clip(
    action: str, seconds: float, fps: float = 30.0, size: Size = (240, 320), seed: int = 0
) -> Iterator[Frame]:
    """Frames of (height, width) `size`, stamped from 0; raises ConfigError for an unknown action."""
    times = np.arange(round(seconds * fps)) / fps
    return render_at(action, times.tolist(), size, seed)


def render_at(action: str, times_sec: Sequence[float], size: Size = (240, 320), seed: int = 0) -> Iterator[Frame]:
    """The frames of a clip at chosen times only; each looks as it does in the whole clip."""
    if action not in MOTIONS:
        raise ConfigError(f"no motion is called {action!r}, expected one of {list(ACTIONS)}")
    scene = _scene(size, seed)
    for time in times_sec:
        yield Frame(_draw(scene, action, time), round(time * NANOSECONDS))


def _scene(size: Size, seed: int) -> Scene:
    rng = np.random.default_rng(seed)
    height, width = size
    height_px = height * rng.uniform(0.55, 0.78)
    body = Body(
        trunk=0.30 * rng.uniform(0.92, 1.08),
        shoulders=0.22 * rng.uniform(0.85, 1.2),
        arm=0.36 * rng.uniform(0.9, 1.1),
        leg=0.50 * rng.uniform(0.93, 1.05),
        head=0.075 * rng.uniform(0.85, 1.2),
    )
    return Scene(
        body=body,
        colours={"shirt": _colour(rng), "trousers": _colour(rng), "skin": _skin(rng)},
        background=_background(rng, size),
        yaw=float(rng.uniform(-0.8, 0.8)),
        height_px=float(height_px),
        foot=(width * float(rng.uniform(0.42, 0.58)), height * float(rng.uniform(0.88, 0.96))),
        tempo=2 * pi * float(rng.uniform(0.7, 1.1)),
        phase=float(rng.uniform(0, 2 * pi)),
        shake_px=float(rng.uniform(0, 1.5)),
        noise=float(rng.uniform(0, 6)),
        mirrored=bool(rng.random() < 0.5),
        seed=seed,
    )


def _draw(scene: Scene, action: str, time: float) -> np.ndarray:
    rng = np.random.default_rng((scene.seed, round(time * 1000)))
    image: np.ndarray = scene.background.copy()
    shake = rng.normal(0, scene.shake_px, 2) if scene.shake_px else np.zeros(2)
    pose = MOTIONS[action](scene.phase + scene.tempo * time)
    points = {name: _project(scene, point) + shake for name, point in joints(scene.body, pose).items()}
    for start, end, part, width in BONES:
        thickness = max(2, round(width * scene.height_px))
        cv2.line(image, _pixel(points[start]), _pixel(points[end]), scene.colours[part], thickness, cv2.LINE_AA)
    radius = round(scene.body.head * scene.height_px)
    cv2.circle(image, _pixel(points["head"]), radius, scene.colours["skin"], -1, cv2.LINE_AA)
    if scene.mirrored:
        image = np.ascontiguousarray(image[:, ::-1])
    if scene.noise:
        noisy = image + rng.normal(0, scene.noise, image.shape)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
    return image


def _project(scene: Scene, point: Point) -> Point:
    """Seen from the front, turned by the yaw, without perspective."""
    x, y, z = point
    across = x * np.cos(scene.yaw) + z * np.sin(scene.yaw)
    return np.array([scene.foot[0] + across * scene.height_px, scene.foot[1] - y * scene.height_px])


def _pixel(point: Point) -> Tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _background(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A wall with a gradient, a floor, and some boxes."""
    height, width = size
    top, bottom = rng.integers(60, 220, 3), rng.integers(60, 220, 3)
    rows = np.linspace(0, 1, height)[:, None, None]
    image: np.ndarray = np.broadcast_to((1 - rows) * top + rows * bottom, (height, width, 3)).astype(np.uint8).copy()
    image[int(height * rng.uniform(0.75, 0.9)) :] = rng.integers(40, 200, 3)
    for _ in range(int(rng.integers(0, 6))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        corner = (x + int(rng.integers(10, width // 3)), y + int(rng.integers(10, height // 3)))
        cv2.rectangle(image, (x, y), corner, _colour(rng), -1)
    blurred: np.ndarray = cv2.GaussianBlur(image, (5, 5), 0)
    return blurred


def _skin(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(value) for value in np.array((225, 172, 140)) * rng.uniform(0.35, 1.1))
    return red, green, blue


def _colour(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue
