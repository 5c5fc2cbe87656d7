"""Renders clips of a moving figure, with another person, motion, room and camera for every seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple

import numpy as np

from opendr_har_core.errors import ConfigError
from opendr_har_core.frame import Frame
from opendr_har_core.spec import NANOSECONDS
from opendr_har_core.synthetic.actions import ACTIONS, ACTIONS_OF, Motion
from opendr_har_core.synthetic.camera import CLEAN, MARGIN, Sensor, View, random_sensor, random_view
from opendr_har_core.synthetic.figure import Person, joints, random_person, silhouette, surfaces
from opendr_har_core.synthetic.raster import Capsule, Light, draw
from opendr_har_core.synthetic.room import Thing, plain_room, random_desk, random_room, random_thing

Size = Tuple[int, int]

NO_ACTIVITY = "no activity"
TRAVELLING = ("walking", "running", "jumping", "jumping jacks")
# Shares of clips with ...
SILHOUETTES, THINGS, BYSTANDERS, DESKS, NEAR, NEAR_TRAVELLER = 0.12, 0.15, 0.12, 0.08, 0.45, 0.12
# ... and of those without activity the shares that show nobody, or only people far away.
EMPTY, CROWDS = 0.12, 0.15
# A clip begins somewhere in the action's first half minute.
LATEST_START_SEC = 30.0


@dataclass(frozen=True)
class Actor:
    """A person, a motion, and a place: (x, z) from the middle, in heights."""

    person: Person
    motion: Motion
    place: Tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """Everything about a clip."""

    actors: Tuple[Actor, ...]
    room: np.ndarray
    things: Tuple[Thing, ...]
    desk: Optional[Tuple[int, np.ndarray]]
    light: Light
    view: View
    sensor: Sensor
    start_sec: float
    size: Size
    seed: int


def render_clip(
    action: str, seconds: float, fps: float = 30.0, size: Size = (240, 320), seed: int = 0
) -> Iterator[Frame]:
    """Frames of (height, width) `size`, stamped from 0; raises ConfigError for an unknown action."""
    times = np.arange(round(seconds * fps)) / fps
    return render_at(action, times.tolist(), size, seed)


def render_at(action: str, times_sec: Sequence[float], size: Size = (240, 320), seed: int = 0) -> Iterator[Frame]:
    """Only the frames of a clip at the given times; each is the same as in the whole clip."""
    if action not in ACTIONS_OF:
        raise ConfigError(f"no synthetic action is named {action!r}, expected one of {list(ACTIONS)}")
    scene = _scene(action, size, seed)
    for time in times_sec:
        yield Frame(_draw(scene, time), round(time * NANOSECONDS))


def _scene(action: str, size: Size, seed: int) -> Scene:
    """The same seed gives the same person in the same room, whatever the action."""
    rng, style = np.random.default_rng(seed), np.random.default_rng((seed, ACTIONS.index(action)))
    canvas = (round(size[0] * (1 + 2 * MARGIN)), round(size[1] * (1 + 2 * MARGIN)))
    is_mask = bool(rng.random() < SILHOUETTES)
    person = silhouette(rng) if is_mask else random_person(rng)
    room = plain_room(rng, canvas) if is_mask else random_room(rng, canvas)
    light = Light(_towards(rng), 1.0 if is_mask else rng.uniform(0.35, 0.75))
    sensor = CLEAN if is_mask else random_sensor(rng)
    travels = action in TRAVELLING
    hidden = not travels and not is_mask and style.random() < DESKS
    return Scene(
        actors=_actors(style, action, person, is_mask),
        room=room,
        things=(random_thing(style, canvas),) if not is_mask and style.random() < THINGS else (),
        desk=random_desk(style, canvas) if hidden else None,
        light=light,
        view=random_view(style, canvas, size, travels, NEAR_TRAVELLER if travels else NEAR),
        sensor=sensor,
        start_sec=float(style.uniform(0, LATEST_START_SEC)),
        size=size,
        seed=seed,
    )


def _actors(style: np.random.Generator, action: str, person: Person, is_mask: bool) -> Tuple[Actor, ...]:
    kind = style.random()
    if action == NO_ACTIVITY and not is_mask and kind < EMPTY:
        return ()
    if action == NO_ACTIVITY and not is_mask and kind < EMPTY + CROWDS:
        return tuple(_far_away(style) for _ in range(int(style.integers(1, 7))))
    actor = Actor(person, ACTIONS_OF[action](style), (0.0, 0.0))
    if is_mask or style.random() >= BYSTANDERS:
        return (actor,)
    aside = (float(style.choice([-1, 1]) * style.uniform(0.5, 1.2)), float(-style.uniform(0.3, 2.5)))
    return actor, Actor(random_person(style), ACTIONS_OF[NO_ACTIVITY](style), aside)


def _far_away(rng: np.random.Generator) -> Actor:
    """A passer-by, too far away to have an activity."""
    place = (float(rng.uniform(-6, 6)), float(-rng.uniform(6, 16)))
    return Actor(random_person(rng), ACTIONS_OF["walking" if rng.random() < 0.7 else NO_ACTIVITY](rng), place)


def _draw(scene: Scene, time: float) -> np.ndarray:
    image: np.ndarray = scene.room.copy()
    for thing in scene.things:
        thing.draw(image, time)
    capsules = [capsule for actor in scene.actors for capsule in _capsules(scene, actor, time)]
    draw(image, capsules, scene.light)
    if scene.desk is not None:
        top, front = scene.desk
        image[top:] = front
    seen = scene.view.moved(image, scene.size, time)
    return scene.sensor.expose(seen, np.random.default_rng((scene.seed, round(time * 1000))))


def _capsules(scene: Scene, actor: Actor, time: float) -> List[Capsule]:
    points = joints(actor.person.body, actor.motion(scene.start_sec + time))
    offset = np.array([actor.place[0], 0.0, actor.place[1]])
    capsules = []
    for start, end, first, second, material in surfaces(actor.person, points):
        (a, near), (b, far) = scene.view.project(start + offset), scene.view.project(end + offset)
        radii = (scene.view.focal_px * first / near, scene.view.focal_px * second / far)
        capsules.append(Capsule((a, b), radii, (near + far) / 2, material))
    return capsules


def _towards(rng: np.random.Generator) -> np.ndarray:
    """A direction towards the light, above and in front of the figure."""
    direction: np.ndarray = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-1.0, -0.1), rng.uniform(0.3, 1.0)])
    unit: np.ndarray = direction / np.linalg.norm(direction)
    return unit
