"""Hypothesis strategies that damage valid files."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = (
    *(b"", b"\0", b"-1", b"1e999", b"NaN", b"Infinity", b"1" * 5000, b"null", b"[]", b"{}", b'"', b"'", b",", b"\n"),
    *(b"../", b"/etc/passwd", b"\\u0000", b"\\ud800", b"\xff\xfe", b"\xc3\x28", b"\xef\xbb\xbf", b"&a [*a]", b"*b"),
    *(b"!!python/object/apply:os.system", b"[" * 3000, b'{"a":' * 3000, b"%s%n", b"true", b"- ", b": ", b"\t"),
)
# Sizes and counts that overflow, in 1 to 8 bytes of either order.
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 64) - 1)
# Headers and indices are at the beginning and the end.
PLACES = st.one_of(st.integers(0, 512), st.integers(-512, -1), st.integers(0, 1 << 20))
LENGTHS = st.sampled_from((1, 4, 64, 1024))


@st.composite
def numbers(draw):
    width = draw(st.sampled_from((1, 2, 4, 8)))
    number = draw(st.sampled_from(NUMBERS)) & ((1 << 8 * width) - 1)
    return number.to_bytes(width, draw(st.sampled_from(("little", "big"))))


@st.composite
def damaged(draw, contents, is_text=False):
    """One of the contents after one to four edits; text is edited by words."""
    data = draw(st.sampled_from(contents))
    pieces = st.sampled_from(WORDS) if is_text else st.one_of(numbers(), st.binary(min_size=1, max_size=16))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(PLACES) % max(1, len(data))
        edit, length = (
            draw(st.sampled_from(("replace", "replace", "insert", "cut", "repeat", "truncate"))),
            draw(LENGTHS),
        )
        if edit in ("replace", "insert"):
            piece = draw(pieces)
            end = place
            if edit == "replace":
                end = _word_end(data, place) if is_text else place + len(piece)
            data = data[:place] + piece + data[end:]
        elif edit == "cut":
            data = data[:place] + data[place + length :]
        elif edit == "repeat":
            data = data[:place] + data[place : place + length] * draw(st.sampled_from((2, 20))) + data[place:]
        else:
            data = data[:place]
    return data


def _word_end(data, place):
    while place < len(data) and data[place] not in b" ,:;[]{}\"'\n":
        place += 1
    return place
