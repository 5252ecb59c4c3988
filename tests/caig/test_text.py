"""Figures as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caig import text
from caig.contracts import experiments

EN_DASH = "\u2013"


@pytest.mark.parametrize("figure", ["lift", "ctr", "p_value", "count", "percent"])
def test_unknown_is_an_en_dash_never_a_zero(figure):
    assert getattr(text, figure)(None) == text.UNKNOWN == EN_DASH


def test_an_unknown_interval_is_an_en_dash():
    assert text.interval(None, None) == EN_DASH


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.032, "+3.2 %"),
        (-0.0166, "-1.7 %"),
        (0.0, "0.0 %"),
        (0.0004, "0.0 %"),
        (-0.0004, "0.0 %"),
        (0.0005001, "+0.1 %"),
        (-1.0, "-100.0 %"),
        (9.9994, "+999.9 %"),
        (10.0, "+1,000 %"),
        (12345.678, "+1,234,568 %"),
    ],
)
def test_lift(value, expected):
    assert text.lift(value) == expected


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (0.011, 0.054, "[+1.1, +5.4] %"),
        (-0.02, 0.0001, "[-2.0, 0.0] %"),
        (-0.3, None, "[-30.0, unbounded] %"),
        (None, 0.25, "[unbounded, +25.0] %"),
        (0.0, 0.0, "[0.0, 0.0] %"),
    ],
)
def test_interval(lower, upper, expected):
    assert text.interval(lower, upper) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0231, "2.31 %"),
        (0.00057, "0.057 %"),
        (0.000012, "0.0012 %"),
        (0.0, "0 %"),
        (1.0, "100.00 %"),
        (0.001, "0.10 %"),
        (0.0001, "0.010 %"),
    ],
)
def test_ctr(value, expected):
    assert text.ctr(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "< 0.001"),
        (0.0009, "< 0.001"),
        (0.001, "0.001"),
        (0.0123, "0.012"),
        (0.1, "0.10"),
        (0.456, "0.46"),
        (1.0, "1.00"),
    ],
)
def test_p_value(value, expected):
    assert text.p_value(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), (999, "999"), (1234567, "1,234,567"), (1234.6, "1,235")]
)
def test_count(value, expected):
    assert text.count(value) == expected


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.498, 1, "49.8 %"),
        (0.498, 0, "50 %"),
        (1.0, 2, "100.00 %"),
        (0.0, 1, "0.0 %"),
        (-0.0001, 1, "0.0 %"),
        (-0.25, 1, "-25.0 %"),
    ],
)
def test_percent(value, decimals, expected):
    assert text.percent(value, decimals) == expected


@pytest.mark.parametrize(
    ("number", "nouns", "expected"),
    [
        (1, "", "1 day"),
        (0, "", "0 days"),
        (2, "", "2 days"),
        (1000, "", "1,000 days"),
        (1, "days of traffic", "1 day"),
        (44, "days of traffic", "44 days of traffic"),
    ],
)
def test_plural(number, nouns, expected):
    assert text.plural(number, "day", nouns) == expected


@given(st.floats(-1, 1e6))
def test_a_lift_reads_back_to_its_rounded_value_and_a_zero_has_no_sign(value):
    shown = text.lift(value).removesuffix(" %")
    assert float(shown.replace(",", "")) == pytest.approx(100 * value, abs=0.05, rel=1e-3)
    assert (shown[0] in "+-") == (shown != "0.0")


@pytest.mark.parametrize(
    ("words", "vocabulary"),
    [
        (text.VERDICT_WORDS, experiments.VERDICTS),
        (text.STATUS_WORDS, experiments.CELL_STATUSES),
        (text.CHECK_WORDS, experiments.HEALTH_CHECKS),
        (text.HEALTH_WORDS, experiments.HEALTH_STATUSES),
    ],
)
def test_every_stored_word_has_words_for_people(words, vocabulary):
    assert tuple(words) == vocabulary


def test_tally_leaves_out_what_none_has_and_keeps_one_order():
    found = {"flat": 1_234, "loss": 1, "insufficient": 0}
    assert text.tally(found) == "1 lose, 1,234 without significant difference"
    assert text.tally({}) == ""
