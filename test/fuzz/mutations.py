"""Valid files made wrong, by a seed: the same seed always gives the same bytes."""

from __future__ import annotations

import random
from typing import Callable, Tuple

# Values that sizes and counts are fond of breaking on.
EDGES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
    (1 << 64) - 1,
)
TEXT_EDGES = (
    *(b"", b"\0", b"-1", b"1e999", b"NaN", b"Infinity", b"1" * 5000, b"null", b"[]", b"{}", b'"', b"'", b",", b"\n"),
    *(b"../", b"/etc/passwd", b"\\u0000", b"\\ud800", b"\xff\xfe", b"\xc3\x28", b"\xef\xbb\xbf", b"&a [*a]", b"*b"),
    *(b"!!python/object/apply:os.system", b"[" * 3000, b'{"a":' * 3000, b"%s%n", b"true", b"- ", b": ", b"\t"),
)


def mutated(data: bytes, rng: random.Random, text: bool = False) -> bytes:
    """`data` after one to six changes; those of `text` files are words more often than bits."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        change = rng.choice(TEXT_CHANGES if text else CHANGES)
        data = change(data, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Somewhere, the beginning and the end more often than the rest: that is where headers and indices are."""
    size = max(1, len(data))
    near = min(size, 512)
    return rng.choice((rng.randrange(size), rng.randrange(near), size - 1 - rng.randrange(near)))


def _flip_bit(data: bytes, rng: random.Random) -> bytes:
    return _set(data, place := _place(data, rng), bytes([(data[place] if data else 0) ^ 1 << rng.randrange(8)]))


def _flip_bytes(data: bytes, rng: random.Random) -> bytes:
    return _set(data, _place(data, rng), rng.randbytes(rng.choice((1, 2, 4, 16))))


def _edge_number(data: bytes, rng: random.Random) -> bytes:
    """A size of 1, 2, 4 or 8 bytes, of either byte order."""
    width = rng.choice((1, 2, 4, 8))
    number = rng.choice(EDGES) & ((1 << 8 * width) - 1)
    return _set(data, _place(data, rng), number.to_bytes(width, rng.choice(("little", "big"))))


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _cut_out(data: bytes, rng: random.Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + data[place + rng.choice((1, 4, 64, 1024)) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    place = _place(data, rng)
    piece = data[place : place + rng.choice((1, 8, 128, 2048))]
    return data[:place] + piece * rng.choice((2, 2, 3, 20)) + data[place:]


def _insert_zeros(data: bytes, rng: random.Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + bytes(rng.choice((1, 4, 100, 5000))) + data[place:]


def _overwrite_with_itself(data: bytes, rng: random.Random) -> bytes:
    start, length = _place(data, rng), rng.choice((4, 16, 256))
    return _set(data, _place(data, rng), data[start : start + length])


def _append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.choice((1, 64, 4096)))


def _insert_word(data: bytes, rng: random.Random) -> bytes:
    place = _place(data, rng)
    return data[:place] + rng.choice(TEXT_EDGES) + data[place:]


def _replace_word(data: bytes, rng: random.Random) -> bytes:
    """What stands between two of the characters that texts are divided by."""
    start = _place(data, rng)
    while start > 0 and data[start - 1] not in b" ,:;[]{}\"'\n":
        start -= 1
    end = start
    while end < len(data) and data[end] not in b" ,:;[]{}\"'\n":
        end += 1
    return data[:start] + rng.choice(TEXT_EDGES) + data[end:]


def _as_utf16(data: bytes, rng: random.Random) -> bytes:
    return data.decode("latin-1").encode(rng.choice(("utf-16", "utf-32", "utf-16-be")))


def _set(data: bytes, place: int, piece: bytes) -> bytes:
    return data[:place] + piece + data[place + len(piece) :]


Change = Callable[[bytes, random.Random], bytes]
CHANGES: Tuple[Change, ...] = (
    *(_flip_bit, _flip_bit, _flip_bytes, _edge_number, _edge_number, _truncate, _cut_out),
    *(_repeat, _insert_zeros, _overwrite_with_itself, _append),
)
TEXT_CHANGES: Tuple[Change, ...] = (
    *(_insert_word, _replace_word, _replace_word, _replace_word),
    *(_flip_bit, _truncate, _cut_out, _repeat, _as_utf16),
)
