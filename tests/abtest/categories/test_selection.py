"""Correction for selection: published figures, the likelihood itself, and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from abtest.categories.multiplicity import adjusted_p_values
from abtest.categories.selection import conditional_estimate, selection_errors, selection_levels

C = 1.959963984540054


def threshold_of(z):
    return np.full(np.shape(z), C)


def test_conditional_estimates_at_the_usual_threshold():
    """Regression values of one route; the likelihood below is the other."""
    z = np.array([2.0, 2.2, 2.5, 3.0, 4.0])
    found = conditional_estimate(z, threshold_of(z), 0.05).value
    expected = [0.5038675488, 0.6369646942, 1.1379207151, 2.5224313081, 3.9427727053]
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("z", [1.9601, 2.2, 2.9, 5.0, 12.0])
@pytest.mark.parametrize("threshold", [1.2, C])
def test_conditional_estimate_maximises_the_truncated_likelihood(z, threshold):
    def negative(mu):
        selected = stats.norm.sf(threshold - mu) + stats.norm.cdf(-threshold - mu)
        return -(stats.norm.logpdf(z - mu) - np.log(selected))

    best = optimize.minimize_scalar(negative, bounds=(-1, z + 1), options={"xatol": 1e-10})
    found = conditional_estimate(np.array([z]), np.array([threshold]), 0.05).value[0]
    assert found == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("z", [C, 2.0, 2.5, 4.0, 9.0, 40.0])
def test_limits_leave_half_of_alpha_on_each_side_and_are_bounded(z):
    interval = conditional_estimate(np.array([z]), np.array([C]), 0.05)
    assert np.isfinite(interval.lower[0])
    assert np.isfinite(interval.upper[0])
    for limit, share in ((interval.lower[0], 0.025), (interval.upper[0], 0.975)):
        selected = stats.norm.sf(C - limit) + stats.norm.cdf(-C - limit)
        beyond = integrate.quad(
            lambda x, mu=limit: stats.norm.pdf(x - mu), z, z + 30, epsabs=1e-14, limit=300
        )[0]
        assert beyond / selected == pytest.approx(share, abs=1e-7)
    if z >= 9:
        assert interval.lower[0] == pytest.approx(z - C, abs=1e-4)
        assert interval.upper[0] == pytest.approx(z + C, abs=1e-4)


def test_the_sign_of_z_turns_everything_around():
    z = np.array([2.1, 3.0])
    there, back = (conditional_estimate(s * z, threshold_of(z), 0.05) for s in (1, -1))
    assert back.value.tolist() == (-there.value).tolist()
    assert back.lower.tolist() == (-there.upper).tolist()
    assert back.upper.tolist() == (-there.lower).tolist()


@pytest.mark.parametrize("effect", [0.0, 1.0, 2.5])
def test_conditional_interval_covers_and_bias_shrinks_among_the_selected(effect):
    rng = np.random.default_rng(12)
    z = rng.normal(effect, 1, 60_000)
    z = z[np.abs(z) > C][:20_000]
    found = conditional_estimate(z, threshold_of(z), 0.05)
    covered = ((found.lower <= effect) & (effect <= found.upper)).mean()
    assert abs(covered - 0.95) < 4 * np.sqrt(0.05 * 0.95 / z.size)
    plain = (np.abs(z - effect) <= C).mean()
    if effect < 2:
        assert plain < 0.9
    if effect > 0:
        assert abs(found.value.mean() - effect) < 0.6 * abs(z.mean() - effect)


def test_type_s_and_type_m_of_gelman_and_carlin():
    found = selection_errors(np.array([0.1, 2.0]), np.array([3.28, 8.1]), threshold_of([0, 0]))
    assert found.power == pytest.approx([0.05010648209, 0.05701294063], abs=1e-10)
    assert found.type_s == pytest.approx([0.46442284304, 0.23961765446], abs=1e-10)
    assert found.type_m == pytest.approx([76.68916411, 9.53662759], abs=1e-7)


def test_type_s_and_type_m_by_simulation():
    rng = np.random.default_rng(2)
    z = rng.normal(1.1, 1, 400_000)
    z = z[np.abs(z) > 2.3]
    found = selection_errors(np.array([0.55]), np.array([0.5]), np.array([2.3]))
    assert found.power[0] == pytest.approx(z.size / 400_000, abs=0.003)
    assert found.type_s[0] == pytest.approx((z < 0).mean(), abs=0.002)
    assert found.type_m[0] == pytest.approx(np.abs(z).mean() / 1.1, abs=0.005)


CORRECTIONS = ["bh", "by", "holm", "hochberg", "bonferroni", "none"]


@pytest.mark.parametrize("correction", CORRECTIONS)
@given(st.lists(st.floats(0, 0.2, allow_nan=False), min_size=1, max_size=15))
@settings(max_examples=25, deadline=None)
def test_a_test_is_selected_below_its_level_and_not_above(correction, values):
    p = np.array(values)
    levels = selection_levels(p, correction, 0.05)
    assert (~np.isnan(levels)).tolist() == (adjusted_p_values(p, correction) < 0.05).tolist()
    for k in np.flatnonzero(~np.isnan(levels)):
        for factor, expected in ((1 - 1e-6, True), (1 + 1e-6, False)):
            moved = p.copy()
            moved[k] = levels[k] * factor
            assert (adjusted_p_values(moved, correction)[k] < 0.05) == expected


def test_level_of_benjamini_hochberg_is_the_share_selected():
    p = np.array([0.0001, 0.004, 0.02, 0.03, 0.6, 0.9])
    levels = selection_levels(p, "bh", 0.05)
    assert levels[:4] == pytest.approx(np.full(4, 4 * 0.05 / 6))
    assert np.isnan(levels[4:]).all()
