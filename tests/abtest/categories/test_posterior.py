"""Posterior of lifts against quadrature, closed sums and simulation."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from abtest.categories.beta_binomial import (
    CtrPosterior,
    absolute_loss,
    posterior_ctr,
    probability_better,
    ratio_at_most,
    relative_losses,
)
from abtest.categories.pooling import heterogeneity, shrunk_effects
from abtest.categories.posterior import clicks_posterior, normal_posterior
from abtest.estimation.binomial import Clicks


def clicks(c, n) -> Clicks:
    return Clicks(np.array([float(c)]), np.array([float(n)]))


def better_by_sum(a1, b1, a2, b2):
    """P(B > A) as a sum over the clicks of B (Evan Miller)."""
    i = np.arange(a2)
    terms = (
        special.betaln(a1 + i, b1 + b2)
        - np.log(b2 + i)
        - special.betaln(1 + i, b2)
        - special.betaln(a1, b1)
    )
    return np.exp(terms).sum()


def test_beta_binomial_of_twenty_and_twenty_six_clicks():
    control, treatment = posterior_ctr(clicks(20, 1000)), posterior_ctr(clicks(26, 1000))
    assert probability_better(control, treatment)[0] == pytest.approx(0.81199680313, abs=1e-10)
    assert absolute_loss(control, treatment)[0] == pytest.approx(0.00070394125683, abs=1e-12)


@pytest.mark.parametrize(
    ("control", "treatment"),
    [
        ((5, 300), (9, 250)),
        ((40, 2000), (90, 3000)),
        ((3, 20_000), (800, 900)),
        ((0, 100), (3, 100)),
        ((100, 100), (90, 100)),
    ],
)
def test_chance_to_win_equals_the_closed_sum(control, treatment):
    a, b = posterior_ctr(clicks(*control)), posterior_ctr(clicks(*treatment))
    expected = better_by_sum(a.a[0], a.b[0], b.a[0], b.b[0])
    assert probability_better(a, b)[0] == pytest.approx(expected, abs=1e-9)
    assert probability_better(b, a)[0] == pytest.approx(1 - expected, abs=1e-9)


def test_chance_to_win_where_one_arm_is_a_step_at_the_scale_of_the_other():
    few, many = posterior_ctr(clicks(40, 2000)), posterior_ctr(clicks(41_000, 2_000_000))
    expected = integrate.quad(
        lambda x: stats.beta.pdf(x, 41, 1961) * stats.beta.sf(x, 41_001, 1_959_001),
        0,
        0.06,
        points=[0.0195, 0.0201, 0.0205, 0.0207],
        epsabs=1e-13,
        limit=500,
    )[0]
    assert probability_better(few, many)[0] == pytest.approx(expected, abs=1e-11)
    assert probability_better(many, few)[0] == pytest.approx(1 - expected, abs=1e-9)


def test_relative_losses_and_rope_of_clicks_by_simulation():
    control, treatment = clicks(20, 1000), clicks(26, 1000)
    rng = np.random.default_rng(3)
    lift = rng.beta(27, 975, 1_000_000) / rng.beta(21, 981, 1_000_000) - 1
    found = clicks_posterior(control, treatment, rope=0.1, alpha=0.05)
    assert found.expected_loss_ship[0] == pytest.approx(np.maximum(-lift, 0).mean(), rel=0.01)
    assert found.expected_loss_hold[0] == pytest.approx(np.maximum(lift, 0).mean(), rel=0.01)
    assert found.p_rope[0] == pytest.approx((np.abs(lift) <= 0.1).mean(), abs=0.003)
    limits = [values[0] for values in found.lift]
    assert limits == pytest.approx(np.quantile(lift, [0.5, 0.025, 0.975]), abs=0.01)
    assert ratio_at_most(
        posterior_ctr(control), posterior_ctr(treatment), 1 + found.lift.upper
    ) == pytest.approx([0.975], abs=1e-12)


def test_clicks_in_every_impression_or_none_give_probabilities():
    for control, treatment in (((0, 50), (0, 50)), ((50, 50), (50, 50)), ((0, 1), (1, 1))):
        arms = posterior_ctr(clicks(*control)), posterior_ctr(clicks(*treatment))
        assert 0 <= probability_better(*arms)[0] <= 1
        ship, hold = relative_losses(*arms)
        assert ship[0] >= 0
        assert np.isnan(hold[0]) == (control[0] == 0)
    same = CtrPosterior(np.array([1.0]), np.array([51.0]))
    assert probability_better(same, same)[0] == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(("mean", "sd"), [(0.03, 0.05), (-0.2, 0.08), (0.0, 0.5), (1.2, 0.1)])
def test_normal_closed_forms_equal_quadrature(mean, sd):
    found = normal_posterior(np.array([mean]), np.array([sd]), rope=0.01, alpha=0.05)

    def averaged(function):
        return integrate.quad(
            lambda x: function(np.expm1(x)) * stats.norm.pdf(x, mean, sd),
            mean - 12 * sd,
            mean + 12 * sd,
            points=[0.0, np.log(0.99), np.log(1.01)],
            epsabs=1e-13,
            limit=500,
        )[0]

    assert found.p_better[0] == pytest.approx(averaged(lambda x: x > 0), abs=1e-9)
    assert found.expected_loss_ship[0] == pytest.approx(averaged(lambda x: max(-x, 0)), abs=1e-10)
    assert found.expected_loss_hold[0] == pytest.approx(averaged(lambda x: max(x, 0)), abs=1e-10)
    assert found.p_rope[0] == pytest.approx(averaged(lambda x: abs(x) <= 0.01), abs=1e-9)


def test_arms_swapped_swap_the_chances():
    there = normal_posterior(np.array([0.08]), np.array([0.05]), rope=0.01, alpha=0.05)
    back = normal_posterior(np.array([-0.08]), np.array([0.05]), rope=0.01, alpha=0.05)
    assert there.p_better + back.p_better == pytest.approx([1.0], abs=1e-15)
    assert (1 + there.lift.lower) * (1 + back.lift.upper) == pytest.approx([1.0], abs=1e-14)


def test_no_loss_is_negative_however_sure_the_sign():
    found = normal_posterior(np.array([0.5, -0.5]), np.array([0.02, 0.02]), rope=0.01, alpha=0.05)
    assert (found.expected_loss_ship >= 0).all()
    assert (found.expected_loss_hold >= 0).all()
    assert found.p_better[1] > 0


def test_empirical_bayes_chances_to_win_come_true():
    """Of categories said to win with probability p, about as many do; without a prior, far more."""
    rng = np.random.default_rng(21)
    chances, flat, wins, said, lost = [], [], [], [], []
    for _ in range(800):
        v = rng.gamma(2, 0.0012, size=44) + 0.0005
        truth = rng.normal(0.02, 0.06, size=44)
        y = rng.normal(truth, np.sqrt(v))
        shrunk = shrunk_effects(y, v, heterogeneity(y, v), 0.05)
        sd = (shrunk.upper - shrunk.lower) / (2 * 1.959963984540054)
        found = normal_posterior(shrunk.value, sd, rope=0.01, alpha=0.05)
        chances.append(found.p_better)
        flat.append(special.ndtr(y / np.sqrt(v)))
        wins.append(truth > 0)
        said.append(found.expected_loss_ship)
        lost.append(np.maximum(-np.expm1(truth), 0))
    wins = np.concatenate(wins)

    def largest_error(said):
        tenths = np.minimum((said * 10).astype(int), 9)
        return max(abs(wins[tenths == k].mean() - said[tenths == k].mean()) for k in range(10))

    assert largest_error(np.concatenate(chances)) < 0.03
    assert largest_error(np.concatenate(flat)) > 0.1
    # The spread is estimated, so losses are overstated somewhat rather than understated.
    assert 1.0 < np.mean(said) / np.mean(lost) < 1.1


@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_where_lifts_hardly_differ_losses_are_overstated_and_chances_beat_those_without_a_prior(
    spread,
):
    rng = np.random.default_rng(22)
    errors, flat_errors, said, lost = [], [], [], []
    for _ in range(200):
        v = rng.gamma(2, 0.0012, size=44) + 0.0005
        truth = rng.normal(0.02, spread, size=44)
        y = rng.normal(truth, np.sqrt(v))
        shrunk = shrunk_effects(y, v, heterogeneity(y, v), 0.05)
        sd = (shrunk.upper - shrunk.lower) / (2 * 1.959963984540054)
        found = normal_posterior(shrunk.value, sd, rope=0.01, alpha=0.05)
        errors.append((found.p_better - (truth > 0)) ** 2)
        flat_errors.append((special.ndtr(y / np.sqrt(v)) - (truth > 0)) ** 2)
        said.append(found.expected_loss_ship)
        lost.append(np.maximum(-np.expm1(truth), 0))
    assert np.mean(errors) < 0.8 * np.mean(flat_errors)
    assert np.mean(said) > np.mean(lost)
