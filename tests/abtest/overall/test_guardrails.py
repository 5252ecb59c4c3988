"""Non-inferiority: tests and bounds agree, and the error is at the level on the margin."""

import numpy as np
import pytest
from scipy import optimize

from abtest.estimation.binomial import Clicks, pooled_z
from abtest.estimation.clustered import UnitMoments, log_lift
from abtest.overall.guardrails import (
    binomial_noninferiority,
    clustered_noninferiority,
    guardrail_state,
    signed_score,
)

MARGIN, ALPHA = 0.1, 0.05


def drawn_clicks(rng: np.random.Generator, size: int, ratio: float) -> tuple[Clicks, Clicks]:
    n = np.full(size, 2000.0)
    return (
        Clicks(rng.binomial(2000, 0.06, size).astype(float), n),
        Clicks(rng.binomial(2000, 0.06 * ratio, size).astype(float), n),
    )


def drawn_units(rng: np.random.Generator, size: int, ratio: float) -> tuple[UnitMoments, ...]:
    arms = []
    for rate in (0.2, 0.2 * ratio):
        n = rng.poisson(5, (size, 300)) + 1
        p = np.clip(rate * rng.gamma(2, 0.5, (size, 300)), 0, 1)
        c = rng.binomial(n, p).astype(float)
        sums = [x.sum(1) for x in (np.ones_like(c), n, c, n * n, c * c, n * c)]
        arms.append(UnitMoments(*(s.astype(float) for s in sums)))
    return tuple(arms)


def judged(design: str, size: int, ratio: float, seed: int = 1):
    rng = np.random.default_rng(seed)
    if design == "impression":
        return binomial_noninferiority(*drawn_clicks(rng, size, ratio), MARGIN, ALPHA)
    return clustered_noninferiority(log_lift(*drawn_units(rng, size, ratio)), MARGIN, ALPHA)


@pytest.mark.parametrize("design", ["unit", "impression"])
@pytest.mark.parametrize("ratio", [0.8, 0.9, 1.0])
def test_p_value_is_below_alpha_exactly_where_the_bound_is_beyond_the_margin(design, ratio):
    result = judged(design, 300, ratio)
    np.testing.assert_array_equal(result.p_noninferior < ALPHA, result.lower > -MARGIN)
    np.testing.assert_array_equal(result.p_inferior < ALPHA, result.upper < -MARGIN)
    assert (result.lower < result.rel_lift).all()
    np.testing.assert_allclose(result.p_noninferior + result.p_inferior, 1)


@pytest.mark.parametrize("design", ["unit", "impression"])
def test_on_the_margin_both_tests_err_at_their_level(design):
    result = judged(design, 3000, 1 - MARGIN, seed=2)
    # Standard error 0.4 points; counts are discrete.
    assert np.mean(result.p_noninferior < ALPHA) == pytest.approx(ALPHA, abs=0.015)
    assert np.mean(result.p_inferior < ALPHA) == pytest.approx(ALPHA, abs=0.015)


def test_score_at_a_ratio_of_1_is_the_pooled_z():
    control, treatment = drawn_clicks(np.random.default_rng(3), 50, 1.1)
    np.testing.assert_allclose(
        signed_score(control, treatment, 1.0), pooled_z(control, treatment), atol=1e-12
    )


def test_score_is_that_of_the_maximum_of_the_likelihood():
    x, m, y, n, ratio = 40.0, 900.0, 70.0, 1100.0, 0.8

    def minus_log_likelihood(rate_y):
        rate_x = ratio * rate_y
        return -(
            x * np.log(rate_x) + (m - x) * np.log1p(-rate_x)
            + y * np.log(rate_y) + (n - y) * np.log1p(-rate_y)
        )  # fmt: skip

    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(0.001, 0.5), method="bounded", options={"xatol": 1e-12}
    )
    q = found.x
    variance = ratio * q * (1 - ratio * q) / m + ratio**2 * q * (1 - q) / n
    expected = (x / m - ratio * y / n) / np.sqrt(variance)
    z = signed_score(
        Clicks(np.array([y]), np.array([n])), Clicks(np.array([x]), np.array([m])), ratio
    )
    assert z[0] == pytest.approx(expected, rel=1e-6)


def test_zero_clicks_have_a_bound_and_no_clicks_at_all_have_none():
    def arms(control, treatment):
        n = np.array([500.0])
        return Clicks(np.array([control]), n), Clicks(np.array([treatment]), n)

    none_in_treatment = binomial_noninferiority(*arms(20.0, 0.0), MARGIN, ALPHA)
    assert none_in_treatment.p_inferior[0] < ALPHA
    assert none_in_treatment.upper[0] < -MARGIN
    nothing = binomial_noninferiority(*arms(0.0, 0.0), MARGIN, ALPHA)
    assert np.isnan(nothing.p_noninferior[0])
    assert np.isnan(nothing.lower[0])


def test_units_without_variation_are_inconclusive():
    alike = UnitMoments(*(np.array([v]) for v in (20.0, 80, 20, 320, 20, 80)))
    result = clustered_noninferiority(log_lift(alike, alike), MARGIN, ALPHA)
    assert np.isnan(result.p_noninferior[0])
    state = guardrail_state(result.p_noninferior[0], result.p_inferior[0], ALPHA)
    assert state == "inconclusive"


def test_states():
    assert guardrail_state(0.01, 0.99, 0.05) == "noninferior"
    assert guardrail_state(0.99, 0.01, 0.05) == "inferior"
    assert guardrail_state(0.4, 0.6, 0.05) == "inconclusive"
