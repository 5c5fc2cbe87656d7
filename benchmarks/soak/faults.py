"""Faults of one minute: functions that yield, for each tick of the camera, the images to publish at that tick."""

from __future__ import annotations

import random
import shutil
from typing import Any, Callable, Iterator, List, Tuple

from participants import LARGE, RECOGNIZER, Player

from opendr_har_core.streaming.recognizer import DEFAULT_BUNDLE

Tick = List[Any]
SEED = 7
HOUR_SEC = 3600.0


def nothing(player: Player, count: int) -> Iterator[Tick]:
    """No fault."""
    for _ in range(count):
        yield [player.next_image()]


def duplicated(player: Player, count: int) -> Iterator[Tick]:
    """Each image comes twice."""
    for _ in range(count):
        yield [player.next_image()] * 2


def swapped(player: Player, count: int) -> Iterator[Tick]:
    """Images come in pairs in the wrong order."""
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
    """One of twenty images is lost."""
    rng = random.Random(SEED)
    for _ in range(count):
        image = player.next_image()
        yield [image] if rng.random() >= 0.05 else []


def unreadable(player: Player, count: int) -> Iterator[Tick]:
    """One of five images is truncated, of an unknown encoding, or empty."""
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


def clock_jump(hours: int) -> Callable[[Player, int], Iterator[Tick]]:
    """The camera's clock jumps by some hours."""

    def jump(player: Player, count: int) -> Iterator[Tick]:
        yield [player.next_image(ahead_sec=hours * HOUR_SEC)]
        yield from nothing(player, count - 1)

    return jump


def reopened(player: Player, count: int) -> Iterator[Tick]:
    """The camera is closed and opened again, three times."""
    for _ in range(3):
        player.disconnect()
        player.connect()
        player.wait_for_subscriber()
        yield from nothing(player, count // 3)


def visited(player: Player, count: int) -> Iterator[Tick]:
    """Ten participants join and leave."""
    for _ in range(10):
        player.visit()
        yield from nothing(player, count // 10)


def reset(player: Player, count: int) -> Iterator[Tick]:
    """The stream is reset twice."""
    for _ in range(2):
        player.reset()
        yield from nothing(player, count // 2)


def other_models(player: Player, count: int) -> Iterator[Tick]:
    """A missing model, an invalid one, then another file, and the first one again."""
    broken, copy = player.folder / "broken.onnx", player.folder / "copy.onnx"
    broken.write_bytes(b"no model")
    shutil.copy(DEFAULT_BUNDLE, copy)
    for path in (player.folder / "absent.onnx", broken, copy, "default"):
        player.set(RECOGNIZER, model=str(path))
        yield from nothing(player, count // 4)


FAULTS: Tuple[Tuple[str, Callable[[Player, int], Iterator[Tick]]], ...] = (
    ("none", nothing),
    ("each image twice", duplicated),
    ("every pair in the wrong order", swapped),
    ("one of ten ten ticks late", late),
    ("5 % lost", lossy),
    ("one of five unreadable", unreadable),
    ("another resolution", resized),
    ("clock an hour ahead", clock_jump(1)),
    ("clock an hour back", clock_jump(-1)),
    ("camera reopened three times", reopened),
    ("ten participants join and leave", visited),
    ("stream reset", reset),
    ("two invalid models, two valid ones", other_models),
)
