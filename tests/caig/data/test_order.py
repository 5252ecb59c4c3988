"""P(L > R) of two Beta variables, against four independent ways to get it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from caig.data.order import chance_of_order

PARAMETERS = st.floats(0.5, 1e5)


def by_sum(a_left, b_left, a_right, b_right):
    """Closed form for whole a_left: P(L > R) as a finite sum of Beta functions."""
    # The sum over j < a of terms of Beta functions is P(R < L).
    j = np.arange(a_left)
    terms = (
        special.betaln(a_right + j, b_left + b_right)
        - np.log(b_left + j)
        - special.betaln(1 + j, b_left)
        - special.betaln(a_right, b_right)
    )
    return float(np.exp(terms).sum())


def by_quadrature(a_left, b_left, a_right, b_right):
    """The integral on the plain scale, by scipy's adaptive rule."""
    left, right = stats.beta(a_left, b_left), stats.beta(a_right, b_right)
    edges = [0, *left.ppf([1e-9, 0.01, 0.5, 0.99, 1 - 1e-9]), 1]
    return sum(
        integrate.quad(lambda x: left.pdf(x) * right.cdf(x), low, high, epsabs=1e-12, limit=200)[0]
        for low, high in itertools.pairwise(edges)
    )


@pytest.mark.parametrize(
    "parameters",
    [
        (3, 90.5, 2.5, 80.0),
        (40, 960, 33.3, 1000.2),
        (7, 3, 5.5, 4.5),
        (1, 1, 1, 1),
        (900, 3e4, 850, 3e4),
    ],
)
def test_against_the_closed_sum(parameters):
    assert chance_of_order(*parameters).item() == pytest.approx(by_sum(*parameters), abs=1e-7)


@pytest.mark.parametrize(
    "parameters",
    [
        (20.4, 600.2, 25.1, 640.8),
        (1.3, 40.0, 60.0, 2000.0),  # one is far wider than the other
        (300.5, 9000.0, 2.2, 70.0),
        (5.5, 4.5, 6.5, 3.5),
        (2.0, 1.2, 0.9, 1.1),
    ],
)
def test_against_adaptive_quadrature(parameters):
    assert chance_of_order(*parameters).item() == pytest.approx(
        by_quadrature(*parameters), abs=1e-7
    )


def test_against_draws():
    rng = np.random.default_rng(7)
    for a, b, c, d in [(30.5, 970.0, 36.0, 1000.0), (3.2, 30.0, 2.1, 30.0)]:
        draws = rng.beta(a, b, 400_000) > rng.beta(c, d, 400_000)
        error = math.sqrt(draws.mean() * (1 - draws.mean()) / draws.size)
        assert abs(chance_of_order(a, b, c, d).item() - draws.mean()) < 4 * error


def test_of_equal_widths_far_from_zero_it_is_the_normal_one():
    chance = chance_of_order(30_000.0, 970_000.0, 30_300.0, 969_700.0).item()
    z = -0.0003 / math.sqrt(2 * 0.03 * 0.97 / 1e6)
    assert chance == pytest.approx(stats.norm.cdf(z), abs=2e-3)


@given(st.lists(st.tuples(PARAMETERS, PARAMETERS, PARAMETERS, PARAMETERS), min_size=1, max_size=5))
def test_sides_swapped_add_up_to_one(rows):
    a, b, c, d = np.array(rows).T
    chance = chance_of_order(a, b, c, d)
    assert np.all((chance >= 0) & (chance <= 1))
    np.testing.assert_allclose(chance + chance_of_order(c, d, a, b), 1, atol=1e-12)


@given(PARAMETERS, PARAMETERS)
@example(a=5.0, b=24556.0)
@example(a=6.0, b=24556.0)
def test_two_of_a_kind_are_even(a, b):
    assert chance_of_order(a, b, a, b).item() == pytest.approx(0.5, abs=1e-7)


def test_many_clicks_and_many_impressions_are_no_less_exact():
    some = np.geomspace(0.5, 1e7, 120)
    a, b = (side.ravel() for side in np.meshgrid(some, some))
    np.testing.assert_allclose(chance_of_order(a, b, a, b), 0.5, rtol=0, atol=1e-7)
    # Two ads of ten million impressions: the normal approximation is as good as exact there.
    clicks = np.array([80_000.0, 80_400.0])
    rest = 1e7 - clicks
    mean = clicks / 1e7
    spread = np.sqrt(np.sum(mean * (1 - mean) / 1e7))
    expected = special.ndtr((mean[1] - mean[0]) / spread)
    found = chance_of_order(clicks[1], rest[1], clicks[0], rest[0]).item()
    assert found == pytest.approx(expected, abs=1e-4)


def test_more_rows_than_are_worked_on_at_once():
    rng = np.random.default_rng(1)
    a, b, c, d = rng.uniform(1, 500, (4, 40_000))
    some = slice(33_000, 33_005)
    np.testing.assert_allclose(
        chance_of_order(a, b, c, d)[some], chance_of_order(a[some], b[some], c[some], d[some])
    )
    assert chance_of_order([], [], [], []).shape == (0,)
