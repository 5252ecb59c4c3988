"""Bounds of a gate: against formulas written out, and by how often they err."""

import math

import numpy as np
import pytest
from gate_world import verdict_items
from scipy import stats

from evaluation.gate.bounds import PAIRED, PAIRED_VERDICTS, from_interval, more_items, paired
from evaluation.metrics.paired import paired_difference


def test_the_limit_that_is_the_bound_has_the_p_value_of_its_interval():
    for sign, threshold in ((1, 0.90), (-1, 0.97)):
        found = from_interval(
            0.95, (0.90, 0.97), method="m", confidence=0.95, threshold=threshold, sign=sign
        )
        assert found.p_pass == pytest.approx(0.025)
        assert found.p_fail == pytest.approx(0.975)


def test_the_limit_on_the_side_of_the_bound_counts():
    near = from_interval(0.5, (0.4, 0.9), method="m", confidence=0.95, threshold=0.3, sign=1)
    assert near.p_pass == pytest.approx(stats.norm.sf(2 * 1.959964), rel=1e-5)
    far = from_interval(0.5, (0.4, 0.9), method="m", confidence=0.95, threshold=0.7, sign=1)
    assert far.p_fail == pytest.approx(stats.norm.sf(0.5 * 1.959964), rel=1e-5)


def test_an_interval_without_width_decides():
    found = from_interval(0.5, (0.5, 0.5), method="m", confidence=0.95, threshold=0.4, sign=1)
    assert (found.p_pass, found.p_fail) == (0.0, 1.0)
    assert from_interval(
        0.5, (0.5, 0.5), method="m", confidence=0.95, threshold=0.6, sign=1
    ).p_fail == pytest.approx(0.0)


def test_scores_are_compared_by_the_clustered_t():
    rng = np.random.default_rng(1)
    first, second = rng.random(60), rng.random(60)
    found = paired(first, second, np.arange(60), alpha=0.05, threshold=-0.1, sign=1)
    reference = stats.ttest_rel(first + 0.1, second, alternative="greater")
    assert found.method == PAIRED
    assert found.p_pass == pytest.approx(reference.pvalue)
    limits = stats.ttest_rel(first, second).confidence_interval(0.90)
    assert (found.lower, found.upper) == pytest.approx((limits.low, limits.high))


def test_verdicts_are_compared_as_bonett_and_price_do():
    # 3 pairs ahead, 5 behind, of 100: (b - c) / (n + 2) and its variance, t for the normal.
    first = np.repeat([1.0, 0.0, 1.0], [3, 5, 92])
    second = np.repeat([0.0, 1.0, 1.0], [3, 5, 92])
    found = paired(first, second, np.arange(100), alpha=0.05, threshold=-0.05, sign=1)
    ahead, behind, n = 4 / 102, 6 / 102, 102
    error = math.sqrt((ahead + behind - (ahead - behind) ** 2) / n * n / (n - 1))
    assert found.method == PAIRED_VERDICTS
    assert found.estimate == pytest.approx(-0.02)
    assert found.error == pytest.approx(error)
    assert found.lower == pytest.approx(ahead - behind - stats.t.ppf(0.95, 99) * error)


def test_subjects_that_never_differ_are_not_known_exactly():
    same = np.ones(200)
    found = paired(same, same, np.arange(200), alpha=0.05, threshold=-0.01, sign=1)
    assert found.estimate == 0
    # The rule of three would say 3 / 200; with only 200 products 1 % cannot be excluded.
    assert -0.02 < found.lower < -0.01
    assert found.p_pass > 0.05


def test_which_way_is_better():
    first, second, product = verdict_items(3, deficit=0.05)
    up = paired(first, second, product, alpha=0.05, threshold=-0.02, sign=1)
    down = paired(second, first, product, alpha=0.05, threshold=0.02, sign=-1)
    assert down.estimate == -up.estimate
    assert down.p_pass == pytest.approx(up.p_pass)
    assert (down.lower, down.upper) == pytest.approx((-up.upper, -up.lower))


def test_items_needed_give_the_power_they_are_for():
    # 25 items, error 0.1, so one item has sd 0.5: (1.644854 + 0.841621)^2 0.25 / 0.0025 = 618.3
    assert more_items(0.1, 25, 0.05, alpha=0.05, power=0.8) == 619 - 25
    assert more_items(0.1, 25, -0.05, alpha=0.05, power=0.8) == 619 - 25
    assert more_items(0.001, 25, 0.05, alpha=0.05, power=0.8) == 0
    assert more_items(0.1, 25, 0.0, alpha=0.05, power=0.8) is None


WORLDS = [(40, 3, 0.9, 0.05), (60, 3, 0.97, 0.03), (100, 4, 0.95, 0.03), (300, 1, 0.9, 0.03)]


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [False, True], ids=["items differ", "items repeat each other"])
@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_a_deficit_at_the_margin_is_passed_as_rarely_as_stated(world, repeats):
    products, per_product, rate, margin = world
    passed = plain = 0
    for seed in range(1500):
        data = verdict_items(
            seed,
            products=products,
            per_product=1 if repeats else per_product,
            rate=rate,
            deficit=margin,
            agreement=0.8,
        )
        if repeats:
            data = tuple(np.repeat(values, per_product) for values in data)
        first, second, product = data
        found = paired(first, second, product, alpha=0.05, threshold=-margin, sign=1)
        passed += found.p_pass <= 0.05
        without = paired_difference(first - second, product, alpha=0.1)
        plain += without is None or without.lower >= -margin
    print(f"{world}, repeats {repeats}: {passed / 1500:.3f}; plain t {plain / 1500:.3f}")
    assert passed / 1500 <= 0.065
