"""Error rates and coverage of the overall estimators on clustered traffic, in longer runs.

Units differ in activity, in readiness to click and in their taste for categories; a naive binomial
analysis of the same traffic stands beside as the measure of how hard it is.
"""

from typing import NamedTuple

import numpy as np
import pytest

from abtest.estimation.clustered import LogLift, lift_interval, lift_p_value
from abtest.estimation.joint import JointMoments
from abtest.overall.covariates import adjusted_lift, coefficients, linearised
from abtest.overall.mantel_haenszel import Strata, clustered_ratio, common_ratio
from abtest.overall.several_arms import dunnett_critical, shared_loadings
from abtest.overall.stratified import post_stratified

pytestmark = pytest.mark.slow

RUNS = 3000
UNITS = 600
LIFT = 0.15


class Arm(NamedTuple):
    """Units of one arm: counts of shape (units, 4) and what they did before, (units, 2)."""

    n: np.ndarray
    c: np.ndarray
    before: np.ndarray


def drawn(rng: np.random.Generator, lift: float) -> Arm:
    activity = rng.gamma(1.0, 4.0, (UNITS, 1))
    luck = rng.gamma(1.5, 1 / 1.5, (UNITS, 1))
    taste = rng.dirichlet([0.7] * 4, UNITS)
    p = np.clip(np.array([0.02, 0.05, 0.1, 0.2]) * luck, 0, 0.8)
    n = rng.poisson(activity * taste) * 1.0
    n_before = rng.poisson(activity * taste)
    before = np.stack([n_before.sum(1), rng.binomial(n_before, p).sum(1)], axis=1)
    clicks = rng.binomial(n.astype(int), np.clip(p * (1 + lift), 0, 1)) * 1.0
    return Arm(n, clicks, before * 1.0)


def joint(arm: Arm) -> JointMoments:
    n, c = arm.n, arm.c
    return JointMoments((n > 0).sum(0) * 1.0, n.sum(0), c.sum(0), n.T @ n, n.T @ c, c.T @ c)


def with_history(arm: Arm) -> np.ndarray:
    shown = arm.n.sum(1) > 0
    x = np.column_stack([np.ones(UNITS), arm.n.sum(1), arm.c.sum(1), arm.before])[shown]
    return x.T @ x


def estimates(control: Arm, treatment: Arm) -> dict[str, LogLift]:
    arms = joint(control), joint(treatment)
    units = tuple(float((arm.n.sum(1) > 0).sum()) for arm in (control, treatment))
    linear = [linearised(with_history(arm)) for arm in (control, treatment)]
    theta, rank = coefficients(linear)
    return {
        "post_stratified": post_stratified(*arms, units=units),
        "mantel_haenszel": clustered_ratio(*arms, units=units),
        "cuped": adjusted_lift(*linear, theta, fitted=rank).lift,
        "naive": common_ratio(Strata(arms[0].c, arms[0].n, arms[1].c, arms[1].n)),
    }


@pytest.fixture(scope="module")
def rates() -> dict[str, tuple[float, float]]:
    """Rate of false positives and of intervals that hold the true lift, by estimator."""
    rng = np.random.default_rng(20)
    rejected: dict[str, list[bool]] = {}
    covered: dict[str, list[bool]] = {}
    for _ in range(RUNS):
        control, null = drawn(rng, 0.0), drawn(rng, 0.0)
        for name, lift in estimates(control, null).items():
            rejected.setdefault(name, []).append(bool(lift_p_value(lift) < 0.05))
        for name, lift in estimates(control, drawn(rng, LIFT)).items():
            interval = lift_interval(lift, 0.05)
            covered.setdefault(name, []).append(bool(interval.lower < LIFT < interval.upper))
    return {name: (np.mean(rejected[name]), np.mean(covered[name])) for name in rejected}


# Standard error of 3,000 runs: 0.4 points.
@pytest.mark.parametrize("estimator", ["post_stratified", "mantel_haenszel", "cuped"])
def test_false_positives_and_coverage_are_at_the_level(rates, estimator):
    false_positives, coverage = rates[estimator]
    assert false_positives == pytest.approx(0.05, abs=0.012)
    assert coverage == pytest.approx(0.95, abs=0.012)


def test_the_naive_variance_is_not_enough(rates):
    assert rates["naive"][0] > 0.07


def test_dunnett_keeps_the_family_of_four_treatments_on_clustered_traffic():
    rng = np.random.default_rng(21)
    corrected, plain = [], []
    for _ in range(1500):
        arms = [linearised(with_history(drawn(rng, 0.0))) for _ in range(5)]
        none = np.zeros(2)
        lifts = [adjusted_lift(arms[0], a, none, fitted=np.asarray(0.0)).lift for a in arms[1:]]
        z = np.abs([lift.value / lift.se for lift in lifts])
        variances = np.array([a.residual / (a.units * (a.units - 1)) / a.rate**2 for a in arms])
        loadings = shared_loadings(variances[:1], variances[None, 1:])
        corrected.append(z.max() > dunnett_critical(loadings, 0.05)[0])
        plain.append(z.max() > 1.96)
    # Standard error 0.6 points.
    assert np.mean(corrected) == pytest.approx(0.05, abs=0.017)
    assert np.mean(plain) > 0.1
