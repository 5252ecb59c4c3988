"""The mixture test against quadrature, its agreement with the confidence sequence, its error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from abtest.monitoring.mixture_test import always_valid_p_value, log_likelihood_ratio
from abtest.monitoring.sequential import anytime_half_width

EFFECT, SE, MIXTURE = np.array([0.02]), np.array([0.008]), 0.03**2


def test_published_case():
    """Oracle 25."""
    ratio = log_likelihood_ratio(EFFECT, SE, mixture=MIXTURE)
    assert ratio[0] == pytest.approx(1.5614270147065132, abs=1e-9)
    assert always_valid_p_value(ratio)[0] == pytest.approx(0.20983641779255, abs=1e-9)
    half = anytime_half_width(SE, 0.05, MIXTURE)
    assert half[0] == pytest.approx(0.02442634721633607, abs=1e-9)


def test_is_the_likelihood_averaged_over_effects():
    def likelihood(effect):
        return stats.norm.pdf(0.02, effect, 0.008) * stats.norm.pdf(effect, 0, 0.03)

    averaged = integrate.quad(likelihood, -0.3, 0.3, points=[0.02], epsabs=1e-13)[0]
    ratio = averaged / stats.norm.pdf(0.02, 0, 0.008)
    found = log_likelihood_ratio(EFFECT, SE, mixture=MIXTURE)[0]
    assert found == pytest.approx(np.log(ratio), abs=1e-9)


@given(
    z=st.floats(-40, 40),
    se=st.floats(1e-4, 10),
    mixture=st.floats(1e-6, 100),
    alpha=st.floats(1e-4, 0.5),
)
def test_p_is_below_alpha_exactly_where_the_sequence_excludes_no_effect(z, se, mixture, alpha):
    ses = np.array([se])
    p = always_valid_p_value(log_likelihood_ratio(z * ses, ses, mixture=mixture))[0]
    half = anytime_half_width(ses, alpha, mixture)[0]
    if abs(abs(z) * se - half) > 1e-9 * half:
        assert (p < alpha) == (abs(z) * se > half)
    assert 0 <= p <= 1
    mirrored = always_valid_p_value(log_likelihood_ratio(-z * ses, ses, mixture=mixture))[0]
    assert mirrored == p


def test_unknown_stays_unknown():
    unknown = np.array([np.nan])
    assert np.isnan(always_valid_p_value(log_likelihood_ratio(unknown, SE, mixture=1.0)))[0]
    assert np.isnan(always_valid_p_value(log_likelihood_ratio(EFFECT, unknown, mixture=1.0)))[0]


def test_errs_at_most_at_the_level_under_continuous_looking():
    rng = np.random.default_rng(8)
    looks = np.arange(1, 1001)
    sums = rng.standard_normal((4000, looks.size)).cumsum(axis=1)
    ratio = log_likelihood_ratio(sums / looks, 1 / np.sqrt(looks), mixture=0.02)
    p = always_valid_p_value(ratio)
    for alpha in (0.05, 0.2):
        erred = (p < alpha).any(axis=1).mean()
        assert erred <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 4000)
    assert (p < 0.2).any(axis=1).mean() > 0.05, "the test has no power to err at all"
