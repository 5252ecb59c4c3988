"""Score methods against published figures, statsmodels where it is right, and exact enumeration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.estimation.binomial import (
    Clicks,
    constrained_control_rate,
    koopman_interval,
    log_lift_se,
    mee_interval,
    pooled_z,
    two_sided_p,
    wilson_interval,
)

PHS = ((104, 11037), (189, 11034))  # Physicians' Health Study: aspirin, placebo


def arm(c: float, n: float) -> Clicks:
    return Clicks(np.array([float(c)]), np.array([float(n)]))


def test_pooled_z_of_the_physicians_health_study():
    treatment, control = (arm(*counts) for counts in PHS)
    z = pooled_z(control, treatment)[0]
    assert z == pytest.approx(-5.001388204008378, abs=1e-9)
    assert two_sided_p(np.array([z]))[0] == pytest.approx(5.691896973740836e-07, rel=1e-9)


def test_pooled_z_squared_is_pearson_chi_square():
    table = [[46, 10_000 - 46], [69, 10_000 - 69]]
    z = pooled_z(arm(46, 10_000), arm(69, 10_000))[0]
    assert z**2 == pytest.approx(stats.chi2_contingency(table, correction=False).statistic)


@pytest.mark.parametrize(
    ("treatment", "control", "lower", "upper"),
    [
        ((36, 40), (16, 80), 2.93956919221, 7.15222343487),
        ((104, 11037), (189, 11034), 0.433893531607, 0.697396846927),
        ((4, 310), (0, 300), 1.01428511208, np.inf),
        ((0, 310), (4, 300), 0.0, 0.923527838147),
    ],
)
def test_koopman_interval_of_published_tables(treatment, control, lower, upper):
    interval = koopman_interval(arm(*control), arm(*treatment), 0.05)
    assert 1 + interval.lower[0] == pytest.approx(lower, abs=1e-9)
    assert 1 + interval.upper[0] == pytest.approx(upper, rel=1e-10)


def test_koopman_interval_equals_statsmodels_on_random_tables():
    from statsmodels.stats.proportion import confint_proportions_2indep

    rng = np.random.default_rng(5)
    for _ in range(60):
        m, n = rng.integers(20, 400, size=2)
        x, y = rng.integers(1, m // 2), rng.integers(1, n // 2)
        theirs = confint_proportions_2indep(
            x, m, y, n, method="score", compare="ratio", correction=False
        )
        ours = koopman_interval(arm(y, n), arm(x, m), 0.05)
        assert (1 + ours.lower[0], 1 + ours.upper[0]) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("treatment", "control", "lower", "upper"),
    [((56, 70), (48, 80), 0.0533338493, 0.3377294637)],
)
def test_mee_interval_of_published_tables(treatment, control, lower, upper):
    interval = mee_interval(arm(*control), arm(*treatment), 0.05)
    assert interval.lower[0] == pytest.approx(lower, abs=1e-9)
    assert interval.upper[0] == pytest.approx(upper, abs=1e-9)


@given(st.integers(1, 60), st.integers(1, 60), st.data(), st.floats(-0.95, 0.95, allow_nan=False))
@settings(max_examples=150, deadline=None)
def test_constrained_rate_maximises_the_likelihood(m, n, data, delta):
    x, y = data.draw(st.integers(0, m)), data.draw(st.integers(0, n))
    grid = np.linspace(max(0.0, -delta), min(1.0, 1.0 - delta), 20_001)

    def log_likelihood(rate):
        parts = ((x, rate + delta), (m - x, 1 - rate - delta), (y, rate), (n - y, 1 - rate))
        with np.errstate(divide="ignore", invalid="ignore"):
            return sum(np.where(k == 0, 0.0, k * np.log(np.clip(p, 0, 1))) for k, p in parts)

    best = log_likelihood(grid).max()
    counts = (np.array([float(count)]) for count in (x, m, y, n))
    ours = log_likelihood(constrained_control_rate(*counts, np.array([delta])))[0]
    assert ours >= best - 1e-6


@pytest.mark.parametrize(
    ("c", "n", "lower", "upper"),
    [
        (81, 263, 0.2552885198783, 0.3662095769828),
        (15, 148, 0.0623863995307, 0.1604872417233),
        (0, 20, 0.0, 0.1611251580528),
        (1, 29, 0.0061132142928, 0.1717552187932),
    ],
)
def test_wilson_interval_of_published_counts(c, n, lower, upper):
    interval = wilson_interval(arm(c, n), 0.05)
    assert interval.lower[0] == pytest.approx(lower, abs=1e-12)
    assert interval.upper[0] == pytest.approx(upper, abs=1e-12)


@given(st.integers(1, 300), st.integers(1, 300), st.data(), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=200, deadline=None)
def test_test_and_both_intervals_agree(m, n, data, alpha):
    treatment = arm(data.draw(st.integers(0, m)), m)
    control = arm(data.draw(st.integers(0, n)), n)
    p = two_sided_p(pooled_z(control, treatment))[0]
    if np.isnan(p) or abs(p - alpha) < 1e-9:
        return
    ratio = koopman_interval(control, treatment, alpha)
    difference = mee_interval(control, treatment, alpha)
    assert (p < alpha) == (ratio.lower[0] > 0 or ratio.upper[0] < 0)
    assert (p < alpha) == (difference.lower[0] > 0 or difference.upper[0] < 0)


@given(st.integers(1, 300), st.integers(1, 300), st.data())
@settings(max_examples=200, deadline=None)
def test_swapping_arms_inverts_the_ratio_and_negates_the_difference(m, n, data):
    a = arm(data.draw(st.integers(1, m)), m)
    b = arm(data.draw(st.integers(1, n)), n)
    out, home = koopman_interval(a, b, 0.05), koopman_interval(b, a, 0.05)
    assert (1 + out.value[0]) * (1 + home.value[0]) == pytest.approx(1, rel=1e-12)
    assert (1 + out.lower[0]) * (1 + home.upper[0]) == pytest.approx(1, rel=1e-9)
    there, back = mee_interval(a, b, 0.05), mee_interval(b, a, 0.05)
    assert there.lower[0] == pytest.approx(-back.upper[0], abs=1e-9)


def test_unknown_where_there_is_nothing_to_compare():
    nothing, something = arm(0, 0), arm(3, 50)
    assert np.isnan(koopman_interval(nothing, something, 0.05).lower[0])
    assert np.isnan(mee_interval(nothing, something, 0.05).upper[0])
    assert np.isnan(wilson_interval(nothing, 0.05).lower[0])
    assert np.isnan(koopman_interval(arm(0, 40), arm(0, 50), 0.05).upper[0])
    assert np.isnan(pooled_z(nothing, something)[0])
    assert pooled_z(arm(0, 40), arm(0, 50))[0] == 0
    assert pooled_z(arm(50, 50), arm(40, 40))[0] == 0
    assert np.isnan(log_lift_se(arm(50, 50), arm(40, 40))[0])
    assert np.isnan(log_lift_se(arm(0, 40), something)[0])


@pytest.mark.parametrize(
    ("n", "rate", "lift", "at_least"), [(200, 0.02, 0.0, 0.945), (500, 0.02, 0.2, 0.94)]
)
def test_koopman_coverage_by_exact_enumeration(n, rate, lift, at_least):
    """Probability, over all tables, that the 95 % interval holds the true lift."""
    counts = np.arange(0, int(n * rate * 5) + 8)
    weight = np.outer(
        stats.binom.pmf(counts, n, rate), stats.binom.pmf(counts, n, rate * (1 + lift))
    )
    control, treatment = (
        grid.ravel().astype(float) for grid in np.meshgrid(counts, counts, indexing="ij")
    )
    size = np.full(control.size, float(n))
    interval = koopman_interval(Clicks(control, size), Clicks(treatment, size), 0.05)
    holds = (interval.lower <= lift + 1e-12) & (lift <= interval.upper)
    # No click in either arm: no interval, counted as not covering.
    coverage = (weight.ravel() * holds).sum()
    assert at_least <= coverage <= 0.975
