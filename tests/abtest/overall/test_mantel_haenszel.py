"""Mantel-Haenszel against Berkeley's admissions, statsmodels, and a jackknife over units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable

from abtest.estimation.clustered import lift_interval, lift_p_value
from abtest.estimation.joint import JointMoments
from abtest.overall.mantel_haenszel import (
    Strata,
    breslow_day,
    clustered_ratio,
    cochran_mantel_haenszel,
    common_odds_ratio,
    common_ratio,
    woolf,
)
from abtest.overall.stratified import post_stratified_binomial

# Men admitted, men, women admitted, women; departments A to F.
BERKELEY = Strata(
    control_c=np.array([89.0, 17, 202, 131, 94, 24]),
    control_n=np.array([108.0, 25, 593, 375, 393, 341]),
    treatment_c=np.array([512.0, 353, 120, 138, 53, 22]),
    treatment_n=np.array([825.0, 560, 325, 417, 191, 373]),
)


def swapped(strata: Strata) -> Strata:
    return Strata(*strata[2:], *strata[:2])


def drawn(seed: int, k: int = 5) -> Strata:
    rng = np.random.default_rng(seed)
    n0, n1 = rng.integers(50, 400, (2, k)).astype(float)
    rate = rng.uniform(0.05, 0.5, k)
    return Strata(
        rng.binomial(n0.astype(int), rate).astype(float),
        n0,
        rng.binomial(n1.astype(int), rate).astype(float),
        n1,
    )


def tables(strata: Strata) -> StratifiedTable:
    c0, n0, c1, n1 = strata
    return StratifiedTable(np.array([[c1, n1 - c1], [c0, n0 - c0]]))


def test_oracle_13_common_odds_ratio_of_berkeley():
    odds = common_odds_ratio(BERKELEY)
    interval = lift_interval(odds, 0.05)
    assert 1 + interval.value == pytest.approx(0.9046968282586231, abs=1e-9)
    assert 1 + interval.lower == pytest.approx(0.7719073617593505, abs=1e-9)
    assert 1 + interval.upper == pytest.approx(1.0603297644366558, abs=1e-9)
    crude = common_odds_ratio(Strata(*(v.sum(keepdims=True) for v in BERKELEY)))
    assert np.exp(crude.value) == pytest.approx(1.8410800371812925, abs=1e-9)


def test_oracle_13_tests_of_berkeley():
    plain = cochran_mantel_haenszel(BERKELEY, correction=0)
    corrected = cochran_mantel_haenszel(BERKELEY)
    assert plain.statistic == pytest.approx(1.5246066604434, abs=1e-9)
    assert corrected.statistic == pytest.approx(1.4269462285867, abs=1e-9)
    assert corrected.p_value == pytest.approx(0.2322634628, abs=1e-9)
    by_expected = breslow_day(BERKELEY, tarone=False)
    assert by_expected.statistic == pytest.approx(18.825513705236514, abs=1e-9)
    assert by_expected.p_value == pytest.approx(0.0020713903, abs=1e-9)
    assert breslow_day(BERKELEY).statistic == pytest.approx(18.82550125205, abs=1e-9)
    by_logs = woolf(BERKELEY)
    assert by_logs.statistic == pytest.approx(17.64407636423, abs=1e-9)
    assert by_logs.p_value == pytest.approx(0.0034272005, abs=1e-9)


def test_oracle_13_common_ratio_of_berkeley():
    assert np.exp(common_ratio(BERKELEY).value) == pytest.approx(0.944905022595929, abs=1e-9)


# Not seed 2: it is within the continuity correction of no effect, where statsmodels squares what
# the correction overshoots by; here, as in R, it stops at 0.
@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_statsmodels_agrees(seed):
    strata = drawn(seed)
    reference = tables(strata)
    odds = common_odds_ratio(strata)
    assert odds.value == pytest.approx(reference.logodds_pooled)
    assert odds.se == pytest.approx(reference.logodds_pooled_se)
    assert np.exp(common_ratio(strata).value) == pytest.approx(reference.riskratio_pooled)
    for correction in (True, False):
        test = cochran_mantel_haenszel(strata, correction=0.5 * correction)
        expected = reference.test_null_odds(correction=correction)
        assert (test.statistic, test.p_value) == pytest.approx(
            (expected.statistic, expected.pvalue)
        )
    for tarone in (True, False):
        expected = reference.test_equal_odds(adjust=tarone)
        assert breslow_day(strata, tarone=tarone).statistic == pytest.approx(expected.statistic)


def test_within_the_continuity_correction_there_is_no_evidence():
    test = cochran_mantel_haenszel(drawn(2))
    assert (test.statistic, test.p_value) == (0, 1)


def test_one_stratum_is_katz():
    one = Strata(*(np.array([v]) for v in (189.0, 11034.0, 104.0, 11037.0)))
    interval = lift_interval(common_ratio(one), 0.05)
    assert (interval.value, interval.lower, interval.upper) == pytest.approx(
        (-0.4498850187896125, -0.5663268840910325, -0.30217834251079234), abs=1e-9
    )


@pytest.mark.parametrize("seed", range(3))
def test_arms_swapped_invert_both_ratios(seed):
    strata = drawn(seed)
    for ratio in (common_ratio, common_odds_ratio):
        there, back = ratio(strata), ratio(swapped(strata))
        assert there.value == pytest.approx(-back.value)
        assert there.se == pytest.approx(back.se)


@given(
    st.lists(
        st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(0, 60)] * 2), min_size=1, max_size=6
    )
)
@settings(max_examples=60, deadline=None)
def test_any_counts_invert_under_a_swap_and_never_have_an_interval_without_width(rows):
    c0, m0, c1, m1 = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    strata = Strata(c0, c0 + m0, c1, c1 + m1)
    arms = (c0, c0 + m0), (c1, c1 + m1)
    there = [common_ratio(strata), common_odds_ratio(strata), post_stratified_binomial(*arms)]
    back = [
        common_ratio(swapped(strata)),
        common_odds_ratio(swapped(strata)),
        post_stratified_binomial(*arms[::-1]),
    ]
    for one, other in zip(there, back, strict=True):
        np.testing.assert_allclose(one.value, -other.value, atol=1e-9)
        np.testing.assert_allclose(one.se, other.se, rtol=1e-6)
        assert np.isnan(one.se) or one.se > 0


def test_many_experiments_at_once_are_the_same_as_one_by_one():
    several = [drawn(seed) for seed in range(5)]
    stacked = Strata(*(np.stack(values) for values in zip(*several, strict=True)))
    together = common_ratio(stacked)
    np.testing.assert_allclose(together.value, [common_ratio(one).value for one in several])
    np.testing.assert_allclose(together.se, [common_ratio(one).se for one in several])


def test_strata_of_one_arm_say_nothing():
    with_empty = Strata(
        *(np.append(v, extra) for v, extra in zip(BERKELEY, (0.0, 0, 5, 9), strict=True))
    )
    with_, without = common_ratio(with_empty), common_ratio(BERKELEY)
    np.testing.assert_allclose((with_.value, with_.se), (without.value, without.se), rtol=1e-14)
    assert woolf(with_empty) == woolf(BERKELEY)


@pytest.mark.parametrize("clicks", [(0, 0), (0, 4), (4, 0)])
def test_without_clicks_in_an_arm_there_is_no_ratio(clicks):
    strata = Strata(*(np.array([v, 0.0]) for v in (clicks[0], 20.0, clicks[1], 20.0)))
    strata = strata._replace(control_n=np.array([20.0, 9]), treatment_n=np.array([20.0, 9]))
    assert np.isnan(common_ratio(strata).value)
    assert np.isnan(common_odds_ratio(strata).se)
    assert np.isnan(breslow_day(strata).p_value)
    everything = Strata(*(np.array([20.0, 9]) for _ in range(4)))
    assert np.isnan(common_odds_ratio(everything).value)
    assert np.isnan(cochran_mantel_haenszel(everything).p_value)


def by_unit(rng: np.random.Generator, units: int, k: int, lift: float = 0.0) -> np.ndarray:
    """Impressions and clicks of units in categories, shape (2, units, k); units have their luck."""
    rate = np.linspace(0.05, 0.3, k)
    n = rng.poisson(rng.gamma(1.0, 2.0, (units, 1)) * np.linspace(0.3, 1.5, k))
    p = np.clip(rate * (1 + lift) * rng.gamma(2.0, 0.5, (units, 1)), 0, 1)
    return np.stack([n, rng.binomial(n, p)]).astype(float)


def moments(units: np.ndarray) -> JointMoments:
    n, c = units
    return JointMoments((n > 0).sum(0) * 1.0, n.sum(0), c.sum(0), n.T @ n, n.T @ c, c.T @ c)


def log_ratio_of(control: np.ndarray, treatment: np.ndarray) -> float:
    """Mantel-Haenszel by its definition, from units."""
    (n0, c0), (n1, c1) = control.sum(1), treatment.sum(1)
    return float(np.log(np.sum(c1 * n0 / (n0 + n1)) / np.sum(c0 * n1 / (n0 + n1))))


def test_clustered_variance_is_that_of_a_jackknife_over_units():
    rng = np.random.default_rng(1)
    control, treatment = by_unit(rng, 300, 4), by_unit(rng, 240, 4, lift=0.2)
    lift = clustered_ratio(moments(control), moments(treatment), units=(300, 240))
    assert lift.value == pytest.approx(log_ratio_of(control, treatment))
    variance = 0.0
    for arm, other, is_control in ((control, treatment, True), (treatment, control, False)):
        left_out = []
        for i in range(arm.shape[1]):
            fewer = np.delete(arm, i, axis=1)
            left_out.append(
                log_ratio_of(fewer, other) if is_control else log_ratio_of(other, fewer)
            )
        units = arm.shape[1]
        variance += (units - 1) / units * np.sum((left_out - np.mean(left_out)) ** 2)
    assert lift.se == pytest.approx(np.sqrt(variance), rel=0.02)


def test_clustered_ratio_of_single_impressions_is_greenland_robins():
    rng = np.random.default_rng(2)
    arms, sums = [], []
    for units, lift in ((4000, 0.0), (3000, 0.1)):
        category = rng.integers(3, size=units)
        n = np.eye(3)[category]
        clicked = rng.random(units) < np.array([0.1, 0.2, 0.3])[category] * (1 + lift)
        arms.append(moments(np.stack([n, n * clicked[:, None]])))
        sums += [arms[-1].c, arms[-1].n]
    clustered = clustered_ratio(*arms, units=(4000, 3000))
    classical = common_ratio(Strata(*sums))
    assert clustered.value == pytest.approx(classical.value)
    assert clustered.se == pytest.approx(classical.se, rel=0.01)


def test_clustered_ratio_inverts_under_a_swap():
    rng = np.random.default_rng(3)
    a, b = moments(by_unit(rng, 100, 3)), moments(by_unit(rng, 140, 3))
    there, back = clustered_ratio(a, b, units=(100, 140)), clustered_ratio(b, a, units=(140, 100))
    np.testing.assert_allclose((there.value, there.se, there.dof), (-back.value, back.se, back.dof))


def test_clustered_ratio_needs_two_units_clicks_and_variation():
    rng = np.random.default_rng(4)
    arm = moments(by_unit(rng, 50, 2))
    silent = arm._replace(c=arm.c * 0, nc=arm.nc * 0, cc=arm.cc * 0)
    assert np.isnan(clustered_ratio(silent, arm, units=(50, 50)).value)
    assert np.isnan(clustered_ratio(arm, arm, units=(1, 50)).se)
    alike = moments(np.stack([np.full((20, 2), 4.0), np.full((20, 2), 1.0)]))
    assert np.isnan(clustered_ratio(alike, alike, units=(20, 20)).se)


def test_clustered_tests_keep_their_level_and_intervals_cover():
    rng = np.random.default_rng(5)
    rejected, covered = [], []
    for _ in range(400):
        control, treatment = by_unit(rng, 400, 4), by_unit(rng, 400, 4)
        lift = clustered_ratio(moments(control), moments(treatment), units=(400, 400))
        rejected.append(lift_p_value(lift) < 0.05)
        interval = lift_interval(lift, 0.05)
        covered.append(interval.lower < 0 < interval.upper)
    # Standard error 1.1 points.
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.033)
    assert np.mean(covered) == pytest.approx(1 - np.mean(rejected))
