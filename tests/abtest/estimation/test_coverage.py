"""Coverage of the intervals by enumeration of every table of clicks."""

import numpy as np
import pytest

from abtest.estimation.binomial import (
    Clicks,
    koopman_interval,
    miettinen_nurminen_interval,
    wilson_interval,
)
from abtest.estimation.coverage import Truth, exact_coverage
from abtest.estimation.fieller import fieller_interval
from abtest.estimation.proportion_intervals import (
    additive_delta_interval,
    katz_interval,
    newcombe_interval,
)

METHODS = {
    "koopman": ("rel_lift", koopman_interval),
    "katz": ("rel_lift", katz_interval),
    "fieller": ("rel_lift", fieller_interval),
    "additive_delta": ("rel_lift", additive_delta_interval),
    "newcombe": ("abs_lift", newcombe_interval),
    "miettinen_nurminen": ("abs_lift", miettinen_nurminen_interval),
}


def covered(method: str, truth: Truth):
    quantity, interval = METHODS[method]

    def limits(control, treatment):
        found = interval(control, treatment, 0.05)
        return found.lower, found.upper

    return exact_coverage(limits, truth, getattr(truth, quantity))


def test_enumeration_equals_simulation():
    truth = Truth(300, 400, 0.03, 0.04)
    rng = np.random.default_rng(1)
    control = Clicks(rng.binomial(300, 0.03, 200_000).astype(float), np.full(200_000, 300.0))
    treatment = Clicks(rng.binomial(400, 0.04, 200_000).astype(float), np.full(200_000, 400.0))
    interval = katz_interval(control, treatment, 0.05)
    holds = (interval.lower <= truth.rel_lift) & (truth.rel_lift <= interval.upper)
    exact = covered("katz", truth)
    assert exact.holds == pytest.approx(holds.mean(), abs=0.002)
    assert exact.undefined == pytest.approx(np.isnan(interval.lower).mean(), abs=0.001)


def test_probabilities_add_up_to_one():
    def everything(control, treatment):
        return np.full(control.c.size, -1.0), np.full(control.c.size, np.inf)

    for n, rate in ((200, 0.005), (20_000, 0.02), (30, 0.5)):
        coverage = exact_coverage(everything, Truth(n, n, rate, rate), 0.0)
        assert coverage.holds == pytest.approx(1, abs=1e-9)
        assert coverage.unbounded == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "rate", "lift", "method", "published"),
    [
        (200, 0.02, 0.0, "koopman", 0.955),
        (200, 0.02, 0.0, "additive_delta", 0.879),
        (200, 0.02, 0.0, "katz", 0.955),
        (500, 0.02, 0.0, "katz", 0.961),
        (500, 0.02, 0.2, "additive_delta", 0.923),
        (500, 0.02, 0.2, "koopman", 0.949),
    ],
)
def test_coverage_known_from_another_enumeration(n, rate, lift, method, published):
    found = covered(method, Truth(n, n, rate, rate * (1 + lift))).holds
    assert found == pytest.approx(published, abs=0.0006)


def test_fieller_has_no_upper_end_as_often_as_known():
    coverage = covered("fieller", Truth(200, 200, 0.02, 0.02))
    bounded_and_covering = 1 - coverage.undefined - coverage.unbounded
    assert coverage.undefined + coverage.unbounded == pytest.approx(0.44, abs=0.01)
    assert bounded_and_covering == pytest.approx(0.55, abs=0.02)
    assert coverage.holds / (1 - coverage.undefined) > 0.95


@pytest.mark.parametrize("rate", [0.005, 0.02])
@pytest.mark.parametrize("n", [200, 500])
@pytest.mark.parametrize("method", ["koopman", "miettinen_nurminen", "newcombe"])
def test_coverage_of_small_arms(method, n, rate):
    coverage = covered(method, Truth(n, n, rate, rate))
    # Where an interval exists; without any click there is none of a ratio.
    given_one = coverage.holds / (1 - coverage.undefined)
    assert given_one >= 0.949
    if n * rate >= 10:
        assert given_one <= 0.965


@pytest.mark.slow
@pytest.mark.parametrize("lift", [0.0, 0.1])
@pytest.mark.parametrize("rate", [0.005, 0.02])
@pytest.mark.parametrize("n", [2_000, 20_000])
@pytest.mark.parametrize("method", ["koopman", "katz", "newcombe", "miettinen_nurminen", "fieller"])
def test_coverage_of_large_arms(method, n, rate, lift):
    assert covered(method, Truth(n, n, rate, rate * (1 + lift))).holds == pytest.approx(
        0.95, abs=0.011
    )


def test_wilson_covers_single_arms():
    n, rate = 500, 0.02

    def limits(control, treatment):
        interval = wilson_interval(control, 0.05)
        return interval.lower, interval.upper

    assert 0.94 <= exact_coverage(limits, Truth(n, 1, rate, rate), rate).holds <= 0.98
