"""P(yes) of the first token: added up over spellings, with mass, never made up."""

import math

import pytest

from caig.chat.message import TokenLogprob
from evaluation.judge.first_token import read_first_token, spelling

VECTOR = {"Yes": -0.35, "yes": -3.1, " Yes": -6, "No": -1.5, "no": -4.2, "The": -5}
"""With a known answer: of an overwriting loop, the unlikeliest spelling would win."""


def read(told, *, min_mass=0.5, complete=False):
    tokens = [TokenLogprob(token, logprob) for token, logprob in told.items()]
    return read_first_token(tokens, min_mass=min_mass, complete=complete)


def test_the_known_vector():
    reading = read(VECTOR)
    assert (reading.verdict, reading.status) == ("yes", "judged")
    assert reading.score == pytest.approx(0.7595519633, abs=1e-10)
    assert reading.mass == pytest.approx(0.9903417813, abs=1e-10)


def test_the_order_does_not_count():
    assert read(dict(reversed(VECTOR.items()))).score == pytest.approx(read(VECTOR).score)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("Yes", "yes"),
        (" YES", "yes"),
        ("\N{LOWER ONE EIGHTH BLOCK}yes", "yes"),
        ("\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}No", "no"),
        ("no\n", "no"),
        ("Yesterday", ""),
        ("None", ""),
        ("Y", ""),
        ("", ""),
    ],
)
def test_spellings(token, said):
    assert spelling(token) == said


def test_little_mass_is_no_verdict_and_the_mass_is_told():
    reading = read({"Yes": math.log(0.3), "No": math.log(0.1), "The": math.log(0.6)})
    assert (reading.verdict, reading.status, reading.score) == ("unknown", "low_mass", None)
    assert reading.mass == pytest.approx(0.4)
    assert read({"Yes": math.log(0.3), "No": math.log(0.1)}, min_mass=0.4).score == pytest.approx(
        0.75
    )


def test_one_side_alone_bounds_the_other():
    # The list has 0.6 + 0.1; what is missing, 0.3, might all be no.
    yes = read({"Yes": math.log(0.6), "The": math.log(0.1)})
    assert (yes.verdict, yes.detail) == ("yes", "no spelling of no was told: the least P(yes)")
    assert yes.score == pytest.approx(0.6 / 0.9)
    no = read({"No": math.log(0.6), "The": math.log(0.1)})
    assert (no.verdict, no.detail) == ("no", "no spelling of yes was told: the largest P(yes)")
    assert no.score == pytest.approx(0.3 / 0.9)
    # A complete list lacks nothing.
    assert read({"Yes": math.log(0.6)}, complete=True).score == 1


def test_a_draw_is_no_verdict():
    assert read({"Yes": math.log(0.4), "No": math.log(0.4)}).status == "no_verdict"


@pytest.mark.parametrize("tokens", [None, ()])
def test_nothing_told_is_no_verdict(tokens):
    reading = read_first_token(tokens, min_mass=0.5, complete=False)
    assert (reading.verdict, reading.status, reading.mass) == ("unknown", "no_verdict", None)
