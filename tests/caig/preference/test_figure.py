"""The curves as one SVG."""

import re
from xml.etree import ElementTree

import polars as pl
import pytest

from caig.contracts.preferences import ALIGNMENT_CURVES
from caig.preference.figure import curves_figure, ticks


def drawn(*rows, title="DPO"):
    table = pl.DataFrame(rows, schema=ALIGNMENT_CURVES.schema, orient="row")
    return curves_figure(table, title=title)


def test_known_figures_are_drawn_and_unknown_ones_left_out():
    text = drawn(
        (0, "matching", 0.84, 9),
        (1, "matching", 0.6, 9),
        (0, "true_ctr", None, 0),
        (0, "x", 1.0, 1),
    )
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert "Product-background match" in text
    assert "Gain in true CTR" not in text
    (line,) = re.findall(r'<polyline points="([^"]+)"', text)
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in line.split())
    assert x0 == 0
    assert x1 > x0
    assert y1 > y0  # it fell, and y points down


def test_titles_are_text():
    text = drawn((0, "valid", 0.9, 1), title='<script>"&')
    assert "<script>" not in text
    assert ElementTree.fromstring(text) is not None


@pytest.mark.parametrize(
    ("values", "zero", "expected"),
    [
        ([0.597, 0.842], False, [0.5, 0.6, 0.7, 0.8, 0.9]),
        ([0.0, 0.26], True, [0.0, 0.1, 0.2, 0.3]),
        ([0.5], False, [0.5, 0.505]),
        ([-0.03, 0.05], True, [-0.04, -0.02, 0.0, 0.02, 0.04, 0.06]),
    ],
)
def testticks_are_round(values, zero, expected):
    assert ticks(values, zero=zero) == pytest.approx(expected)
