"""Curves drawn with characters."""

import math

import numpy as np

from autotrack.cli.curves import draw, legend, strokes
from autotrack.views import Series


def series(values, key="loss", steps=None):
    steps = range(len(values)) if steps is None else steps
    return Series("R", key, np.array(list(steps), np.int64), np.zeros(len(values)), np.array(values, float), len(values))


def picture(*curves, **how):
    return [line.plain for line in draw(curves, **how)]


def test_a_line_rises_from_corner_to_corner():
    assert picture(series([0, 1, 2, 3]), width=14, height=3) == ["3 │       ⢀⡠⠔⠊", "  │   ⢀⡠⠔⠊⠁", "0 │⡠⠔⠊⠁", "   0         3"]


def test_in_ascii_each_curve_has_its_letter():
    assert picture(series([0, 4], "a"), series([4, 0], "b"), width=13, height=5, braille=False) == [
        "4 |++      **",
        "  |  ++  **",
        "  |    ++",
        "  |  **  ++",
        "0 |**      ++",
        "   0        1",
    ]


def test_what_is_not_finite_is_a_gap():
    assert list(strokes([(0, 0), None, (4, 0), (6, 0)])) == [(0, 0), (4, 0), (5, 0), (6, 0)]
    lines = picture(series([1, math.nan, math.inf, 1]), width=13, height=3, braille=False)
    assert lines[1].count("*") == 2


def test_without_a_finite_point_there_is_no_picture():
    assert picture(series([math.nan, math.inf]), width=40) == []


def test_a_flat_curve_and_a_single_point_lie_in_the_middle():
    assert picture(series([5, 5]), width=11, height=3, braille=False) == ["5 |", "  |********", "  |", "   0      1"]
    assert [line.count("*") for line in picture(series([5]), width=11, height=3, braille=False)] == [0, 1, 0, 0]


def test_the_widest_range_of_floats_does_not_overflow():
    assert len(picture(series([-1.7e308, 1.7e308]), width=40, height=4)) == 5


def test_nothing_is_wider_than_asked():
    many = series(np.sin(np.arange(100_000) / 500) * 1e-7)
    assert max(map(len, picture(many, width=60, height=10))) <= 60


def test_a_legend_names_the_curves_with_their_last_values():
    assert legend([series([1, 0.25], "train/loss"), series([1, 0.5], "val\x1b[31m")]).plain == "train/loss 0.25   val\\x1b[31m 0.5"
    assert legend([series([1], "a"), series([2], "b")], braille=False).plain == "* a 1   + b 2"
