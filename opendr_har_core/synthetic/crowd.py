"""Renders scenes of several people, with the box, identity and action of each in every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi
from typing import Callable, Iterator, List, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import ConfigError
from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.synthetic.actions import ACTIONS, ACTIONS_OF, Motion
from opendr_har_core.synthetic.camera import Sensor, View
from opendr_har_core.synthetic.figure import Person, joints, random_person, surfaces
from opendr_har_core.synthetic.raster import Capsule, Light, draw
from opendr_har_core.synthetic.room import random_room

Size = Tuple[int, int]
PASSING = ("walking", "running")  # those who cross the room; the others act on a spot
SPEEDS = {"walking": (0.5, 0.8), "running": (1.2, 1.8)}  # heights per second
NEAREST, FARTHEST = 4.5, 8.5  # from the camera, in heights


@dataclass(frozen=True)
class TruePerson:
    """Ground truth of one person in one frame.

    Attributes:
        id: of the person in the scene.
        action: what the person does.
        box: float32 (4,): left, top, right, bottom in pixels, cut to the image.
        visible: share of the body parts that are in the image and not in the box of a nearer person, in 0..1.
    """

    id: int
    action: str
    box: np.ndarray
    visible: float


@dataclass(frozen=True)
class CrowdFrame:
    """A frame and the people in it; people outside of the image are left out."""

    frame: Frame
    people: Tuple[TruePerson, ...]


@dataclass(frozen=True)
class _Actor:
    id: int
    action: str
    person: Person
    motion: Motion
    place: Callable[[float], Tuple[float, float]]  # x and z on the ground at a time


def render_crowd(
    actions: Sequence[str], seconds: float, fps: float = 30.0, size: Size = (480, 640), seed: int = 0
) -> Iterator[CrowdFrame]:
    """Frames of (height, width) `size`, stamped from 0, of a person for each of `actions`.

    People who walk or run cross the room at their own distance from the camera: they enter, leave, and cover one
    another. The others act on a spot. Raises ConfigError for an unknown action.
    """
    unknown = sorted(set(actions) - set(ACTIONS))
    if unknown:
        raise ConfigError(f"there are no synthetic actions {unknown}, expected some of {list(ACTIONS)}")
    rng = np.random.default_rng((seed, len(actions)))
    view = _view(rng, size)
    actors = _actors(rng, actions, view, size)
    room = random_room(rng, size)
    light = Light(np.array([0.3, -0.6, 0.74]), float(rng.uniform(0.45, 0.75)))
    sensor = Sensor((1.0, 1.0, 1.0), 0.0, 1.0, False, 0.4, float(rng.uniform(0, 4)), None)
    for index in range(round(seconds * fps)):
        time = index / fps
        image = room.copy()
        capsules = [(actor, _capsules(actor, view, time)) for actor in actors]
        draw(image, [capsule for _, parts in capsules for capsule in parts], light)
        frame = Frame(sensor.expose(image, np.random.default_rng((seed, index))), round(time * NANOSECONDS))
        yield CrowdFrame(frame, _truth(capsules, size))


def _view(rng: np.random.Generator, size: Size) -> View:
    """A camera at the height of a robot's head or above, that sees the floor from NEAREST on."""
    height = float(rng.uniform(0.7, 1.2))
    focal = 0.8 * size[0] * NEAREST  # the nearest person takes 80 % of the picture's height
    bottom = 0.94 * size[0] - focal / NEAREST * height
    return View(0.0, NEAREST, height, focal, (size[1] / 2, bottom), (0.0, 0.0), (0.0, 0.0, 0.0), 0.0, 0.0)


def _actors(rng: np.random.Generator, actions: Sequence[str], view: View, size: Size) -> List[_Actor]:
    distances = np.linspace(NEAREST, FARTHEST, max(len(actions), 2))[: len(actions)]
    depths = rng.permutation(distances + rng.uniform(-0.2, 0.2, len(actions)).clip(0))
    spots = rng.permutation(np.linspace(-0.8, 0.8, max(len(actions), 2)))[: len(actions)]
    found = []
    for id, (action, depth, spot) in enumerate(zip(actions, depths, spots)):
        reach = size[1] / 2 / view.focal_px * depth  # half the width that the camera sees at this distance
        z = view.distance - float(depth)
        motion = ACTIONS_OF[action](rng)
        if action in PASSING:
            place, motion = _passing(rng, action, motion, reach, z)
        else:
            x = float(spot * (reach - 0.4))
            place = _standing(x, z)
            motion = _on_the_spot(motion)
        found.append(_Actor(id, action, random_person(rng), motion, place))
    return found


def _standing(x: float, z: float) -> Callable[[float], Tuple[float, float]]:
    return lambda time: (x, z)


def _on_the_spot(motion: Motion) -> Motion:
    return lambda time: replace(motion(time), place=(0.0, 0.0), turn=0.0)


def _passing(
    rng: np.random.Generator, action: str, motion: Motion, reach: float, z: float
) -> Tuple[Callable[[float], Tuple[float, float]], Motion]:
    """Across the room and back, from beyond one side of the picture to beyond the other."""
    speed, side = float(rng.uniform(*SPEEDS[action])), float(rng.choice([-1.0, 1.0]))
    way, start = 2 * reach + 1.0, float(rng.uniform(0.1, 0.9))

    def along(time: float) -> Tuple[int, float]:
        turns, rest = divmod(start + speed * time / way, 1.0)
        return int(turns), rest

    def place(time: float) -> Tuple[float, float]:
        turns, rest = along(time)
        return side * (-1 if turns % 2 else 1) * (rest - 0.5) * way, z

    def walk(time: float):  # type: ignore[no-untyped-def]
        heading = side * (-1 if along(time)[0] % 2 else 1)
        return replace(motion(time), place=(0.0, 0.0), turn=heading * pi / 2)

    return place, walk


def _capsules(actor: _Actor, view: View, time: float) -> List[Capsule]:
    x, z = actor.place(time)
    points = joints(actor.person.body, actor.motion(time))
    offset = np.array([x, 0.0, z])
    capsules = []
    for start, end, first, second, material in surfaces(actor.person, points):
        (a, near), (b, far) = view.project(start + offset), view.project(end + offset)
        radii = (view.focal_px * first / near, view.focal_px * second / far)
        capsules.append(Capsule((a, b), radii, (near + far) / 2, material))
    return capsules


def _truth(capsules: Sequence[Tuple[_Actor, List[Capsule]]], size: Size) -> Tuple[TruePerson, ...]:
    boxes = [_box(parts) for _, parts in capsules]
    depths = [float(np.mean([part.depth for part in parts])) for _, parts in capsules]
    people = []
    for index, (actor, parts) in enumerate(capsules):
        box = np.clip(boxes[index], 0, [size[1], size[0]] * 2).astype(np.float32)
        if (box[2:] - box[:2]).min() < 0.3 * (boxes[index][2:] - boxes[index][:2]).min():
            continue  # most of the person is outside of the image
        middles = np.array([(part.ends[0] + part.ends[1]) / 2 for part in parts])
        covered = ((middles < 0) | (middles > size[::-1])).any(axis=1)
        for other, depth in enumerate(depths):
            if depth < depths[index]:
                left, top, right, bottom = boxes[other]
                x, y = middles.T
                covered |= (x > left) & (x < right) & (y > top) & (y < bottom)
        people.append(TruePerson(actor.id, actor.action, box, float(1 - covered.mean())))
    return tuple(people)


def _box(parts: Sequence[Capsule]) -> np.ndarray:
    ends = np.array([[*part.ends[index], part.radii[index]] for part in parts for index in (0, 1)])
    low, high = ends[:, :2] - ends[:, 2:], ends[:, :2] + ends[:, 2:]
    return np.concatenate([low.min(axis=0), high.max(axis=0)])
