"""The scale of an order: the most likely one, by another method too."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from caig.reward.order_scale import MOST, fitted_order_scale


def drawn(scale, *, spread=0.4, n=4000):
    rng = np.random.default_rng(0)
    difference = rng.normal(0, spread, n)
    better = (rng.random(n) < 1 / (1 + np.exp(-scale * difference))).astype(float)
    return difference, better


@pytest.mark.parametrize(("scale", "spread"), [(5.0, 0.4), (3.0, 0.2), (0.5, 3.0)])
def test_it_is_the_minimum_that_another_method_finds(scale, spread):
    difference, better = drawn(scale, spread=spread)

    def cross_entropy(s):
        return np.mean(np.logaddexp(0, -s * difference * (2 * better - 1)))

    found = fitted_order_scale(difference, better)
    theirs = minimize_scalar(cross_entropy, bounds=(0, 20), method="bounded")
    assert found == pytest.approx(theirs.x, rel=1e-4)
    assert found == pytest.approx(scale, rel=0.15)


def test_ties_pull_it_down():
    difference, better = drawn(5.0)
    tied = np.where(np.arange(len(better)) % 2, better, 0.5)
    assert fitted_order_scale(difference, tied) < fitted_order_scale(difference, better)


def test_scores_that_tell_nothing_have_no_say_unless_they_must():
    difference, _ = drawn(5.0)
    wrong = (difference < 0).astype(float)
    assert fitted_order_scale(difference, wrong) == 0
    spread = np.sqrt(np.mean(difference**2))
    assert fitted_order_scale(difference, wrong, at_least=0.01) == pytest.approx(0.01 / spread)
    assert fitted_order_scale(0 * difference, wrong, at_least=0.01) == 0


def test_an_order_that_is_all_right_is_as_good_as_sure_and_no_surer_than_the_most():
    found = fitted_order_scale(np.array([-1.0, 2.0]), np.array([0.0, 1.0]))
    assert 10 < found <= MOST / np.sqrt(2.5)
