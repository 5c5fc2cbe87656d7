"""What goes wrong in a minute: functions that yield, for each tick of the camera, the images to publish then."""

from __future__ import annotations

import random
import shutil
from typing import Any, Callable, Iterator, List, Tuple

from player import LARGE, NODE, Player

from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE

Tick = List[Any]
SEED = 7
HOUR_SEC = 3600.0


def nothing(player: Player, count: int) -> Iterator[Tick]:
    """All is well."""
    for _ in range(count):
        yield [player.next_image()]


def twice(player: Player, count: int) -> Iterator[Tick]:
    """Each image comes twice."""
    for _ in range(count):
        yield [player.next_image()] * 2


def overtaken(player: Player, count: int) -> Iterator[Tick]:
    """Every other image is overtaken by the next."""
    for _ in range(count // 2):
        first, second = player.next_image(), player.next_image()
        yield [second]
        yield [first]


def late(player: Player, count: int) -> Iterator[Tick]:
    """One of ten images comes ten ticks late."""
    held = None
    for index in range(count):
        image = player.next_image()
        if index % 10 == 0:
            yield [held] if held is not None else []
            held = image
        else:
            yield [image]


def lossy(player: Player, count: int) -> Iterator[Tick]:
    """One of twenty is lost."""
    rng = random.Random(SEED)
    for _ in range(count):
        image = player.next_image()
        yield [image] if rng.random() >= 0.05 else []


def unreadable(player: Player, count: int) -> Iterator[Tick]:
    """One of five is cut off, of an unknown encoding, or of no size."""
    spoils = ({"encoding": "nonsense"}, {"height": 0, "width": 0}, {"height": 10**6}, {"step": 7})
    for index in range(count):
        image = player.next_image()
        if index % 5 == 0:
            for name, value in spoils[index // 5 % len(spoils)].items():
                setattr(image, name, value)
        yield [image]


def resized(player: Player, count: int) -> Iterator[Tick]:
    """Another resolution for half of the minute."""
    for index in range(count):
        yield [player.next_image(*([LARGE] if index < count // 2 else []))]


def ahead(player: Player, count: int) -> Iterator[Tick]:
    """The camera's clock jumps an hour ahead."""
    yield [player.next_image(ahead_sec=HOUR_SEC)]
    yield from nothing(player, count - 1)


def back(player: Player, count: int) -> Iterator[Tick]:
    """And back."""
    yield [player.next_image(ahead_sec=-HOUR_SEC)]
    yield from nothing(player, count - 1)


def reopened(player: Player, count: int) -> Iterator[Tick]:
    """The camera is closed and opened again, three times."""
    for _ in range(3):
        player.disconnect()
        player.connect()
        player.wait_until_heard()
        yield from nothing(player, count // 3)


def visited(player: Player, count: int) -> Iterator[Tick]:
    """Ten participants join and leave."""
    for _ in range(10):
        player.visit()
        yield from nothing(player, count // 10)


def forgotten(player: Player, count: int) -> Iterator[Tick]:
    """The history is reset twice."""
    for _ in range(2):
        player.reset()
        yield from nothing(player, count // 2)


def other_models(player: Player, count: int) -> Iterator[Tick]:
    """A model that is not there, one that is none, then another file, and the first one again."""
    broken, copy = player.folder / "broken.onnx", player.folder / "copy.onnx"
    broken.write_bytes(b"no model")
    shutil.copy(DEFAULT_BUNDLE, copy)
    for path in (player.folder / "absent.onnx", broken, copy, "default"):
        player.set(NODE, model=str(path))
        yield from nothing(player, count // 4)


FAULTS: Tuple[Tuple[str, Callable[[Player, int], Iterator[Tick]]], ...] = (
    ("none", nothing),
    ("each image twice", twice),
    ("every other one overtaken", overtaken),
    ("one of ten ten ticks late", late),
    ("5 % lost", lossy),
    ("one of five unreadable", unreadable),
    ("another resolution", resized),
    ("clock an hour ahead", ahead),
    ("clock an hour back", back),
    ("camera opened anew three times", reopened),
    ("ten participants come and go", visited),
    ("history reset", forgotten),
    ("two bad models, two good ones", other_models),
)
