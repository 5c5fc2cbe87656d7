"""Squares around people: where they lie, what they show, how they follow."""

import numpy as np
import pytest

from opendr_har_core.people.crops import Square, cut, own_columns

IMAGE = np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)


def test_a_square_is_centred_on_the_box_and_larger_than_its_longer_side():
    assert Square.around(np.array([10, 20, 30, 60]), scale=1.5) == Square(20, 40, 60)


def test_a_square_inside_the_image_is_a_view():
    part = cut(IMAGE, Square(40, 30, 20))
    assert part.shape == (20, 20, 3)
    assert np.shares_memory(part, IMAGE)
    assert np.array_equal(part, IMAGE[20:40, 30:50])


@pytest.mark.parametrize("square", [Square(5, 30, 40), Square(78, 58, 40), Square(40, 30, 200)])
def test_beyond_the_image_its_border_is_replicated(square):
    side, left, top = round(square.side), round(square.x - square.side / 2), round(square.y - square.side / 2)
    rows = np.clip(np.arange(top, top + side), 0, 59)
    columns = np.clip(np.arange(left, left + side), 0, 79)
    assert np.array_equal(cut(IMAGE, square), IMAGE[rows][:, columns])


@pytest.mark.parametrize("x", [-500.0, 500.0])
def test_a_square_outside_of_the_image_shows_its_border(x):
    part = cut(IMAGE, Square(x, 30, 20))
    assert part.shape == (20, 20, 3)
    assert (part == part[:, :1]).all()


LEFT, RIGHT, BELOW, FAR = (22, 10, 34, 50), (44, 10, 60, 50), (20, 55, 60, 60), (65, 10, 80, 50)


@pytest.mark.parametrize(
    ("others", "columns"),
    [
        ([], (0, 80)),
        ([FAR, BELOW], (0, 80)),  # outside of the square
        ([LEFT], (34, 80)),
        ([RIGHT, FAR], (0, 48)),
        ([LEFT, RIGHT], (34, 48)),
    ],
)
def test_towards_neighbours_in_the_square_only_the_columns_of_the_person_are_seen(others, columns):
    square, box = Square(41, 30, 40), np.array([36, 10, 46, 50])
    assert own_columns(square, box, np.reshape(others, (-1, 4)), 80) == columns
    seen = np.clip(np.arange(21, 61), columns[0], columns[1] - 1)
    assert np.array_equal(cut(IMAGE, square, columns), IMAGE[10:50][:, seen])


@pytest.mark.parametrize("box", [(-40, 0, -20, 50), (90, 0, 95, 50), (30, 0, 30.2, 1)])
def test_a_box_beyond_the_image_or_without_a_width_has_a_column(box):
    first, last = own_columns(Square(40, 30, 200), np.array(box), np.array([LEFT, FAR]), 80)
    assert 0 <= first < last <= 80


def test_a_square_stays_where_it_is_for_small_motion_and_follows_large_motion_without_a_jump():
    square = Square(100, 100, 100)
    assert square.followed(Square(105, 95, 104), 0.1) == square
    after = [square]
    for _ in range(30):
        after.append(after[-1].followed(Square(200, 100, 100), 0.1))
    steps = np.diff([each.x for each in after])
    assert (steps > 0).all()
    assert steps.max() < 20
    assert after[-1].x == pytest.approx(190, abs=1)  # up to the slack
