"""Random-effects pooling against the BCG trials and the eight schools; coverage by simulation."""

import numpy as np
import pytest

from abtest.categories.pooling import heterogeneity, shrunk_effects

# Thirteen trials of the BCG vaccine (metafor's dat.bcg): cases and others, by arm.
CASES = np.array([4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27.0])
HEALTHY = np.array(
    [119, 300, 228, 13536, 5036, 1361, 2537, 87886, 7470, 1699, 50448, 2493, 16886.0]
)
CONTROL_CASES = np.array([11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29.0])
CONTROL_HEALTHY = np.array(
    [128, 274, 209, 12619, 5761, 1079, 619, 87892, 7232, 1600, 27197, 2338, 17825.0]
)
N, M = CASES + HEALTHY, CONTROL_CASES + CONTROL_HEALTHY
BCG_Y = np.log(CASES / N / (CONTROL_CASES / M))
BCG_V = 1 / CASES - 1 / N + 1 / CONTROL_CASES - 1 / M

SCHOOLS_Y = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
SCHOOLS_V = np.array([15, 10, 16, 11, 9, 11, 10, 18.0]) ** 2


@pytest.mark.parametrize(
    ("method", "tau2", "mean", "se"),
    [
        ("dl", 0.3087602628623764, -0.7141172220732, 0.1787420895354),
        ("reml", 0.313243258136, -0.714532342158, 0.179781516105),
        ("pm", 0.318068452205, None, None),
    ],
)
def test_spread_of_the_bcg_trials(method, tau2, mean, se):
    found = heterogeneity(BCG_Y, BCG_V, method)
    assert found.q == pytest.approx(152.2330080823734, abs=1e-9)
    assert found.i2 == pytest.approx(0.9211734685456, abs=1e-9)
    assert found.tau2 == pytest.approx(tau2, abs=1e-9)
    if mean is not None:
        assert found.mean == pytest.approx(mean, abs=1e-9)
        assert found.mean_se == pytest.approx(se, abs=1e-9)


def test_best_predictions_of_the_first_bcg_trials():
    spread = heterogeneity(BCG_Y, BCG_V)
    kept = spread.tau2 / (spread.tau2 + BCG_V)
    predicted = spread.mean + kept * (BCG_Y - spread.mean)
    expected = [-0.80023356, -1.25170598, -0.98690309, -1.39789770]
    assert predicted[:4] == pytest.approx(expected, abs=1e-8)


def test_shrinkage_of_equally_noisy_effects_is_that_of_james_and_stein_for_baseball():
    """Efron and Morris (1975): batting averages of 45 times at bat, and of the rest of 1970."""
    average = np.array([18, 17, 16, 15, 14, 14, 13, 12, 11, 11, *[10] * 5, 9, 8, 7]) / 45
    rest = np.array(
        [346, 298, 276, 222, 273, 270, 263, 210, 269, 230, 264, 256, 303, 264, 226, 286, 316, 200]
    ) / 1000  # fmt: skip
    mean = average.mean()
    v = np.full(18, mean * (1 - mean) / 45)
    shrunk = shrunk_effects(average, v, heterogeneity(average, v), 0.05).value
    assert (shrunk[0] - mean) / (average[0] - mean) == pytest.approx(0.2116534171442659, abs=1e-9)
    assert ((average - rest) ** 2).sum() == pytest.approx(0.0754879507, abs=1e-9)
    assert ((shrunk - rest) ** 2).sum() == pytest.approx(0.0213747485, abs=1e-9)
    angle, one = np.sqrt(45) * np.arcsin(2 * average - 1), np.ones(18)
    shrunk = shrunk_effects(angle, one, heterogeneity(angle, one), 0.05).value
    kept = (shrunk - angle.mean()) / (angle - angle.mean())
    assert kept == pytest.approx(np.full(18, 0.2089742320981), abs=1e-9)
    assert (np.sin(shrunk[0] / np.sqrt(45)) + 1) / 2 == pytest.approx(0.290127, abs=1e-6)


@pytest.mark.parametrize("method", ["dl", "pm", "reml"])
def test_eight_schools_show_no_spread(method):
    found = heterogeneity(SCHOOLS_Y, SCHOOLS_V, method)
    assert found.tau2 == 0
    assert found.i2 == 0
    assert found.q == pytest.approx(4.7070788644, abs=1e-9)
    assert found.mean == pytest.approx(7.685616724956, abs=1e-9)
    assert found.mean_se == pytest.approx(4.071919158402, abs=1e-9)


def test_dersimonian_laird_equals_statsmodels_on_random_effects():
    from statsmodels.stats.meta_analysis import combine_effects

    rng = np.random.default_rng(4)
    for _ in range(20):
        v = rng.gamma(2, 0.01, size=12)
        y = rng.normal(0.05, np.sqrt(v + 0.2))  # so spread that theirs cannot be negative
        theirs = combine_effects(y, v, method_re="dl")
        ours = heterogeneity(y, v, "dl")
        assert ours.tau2 == pytest.approx(theirs.tau2)
        assert ours.mean == pytest.approx(theirs.mean_effect_re)
        assert ours.q == pytest.approx(theirs.q)


def test_paule_mandel_makes_q_equal_its_degrees_of_freedom():
    weights = 1 / (BCG_V + heterogeneity(BCG_Y, BCG_V, "pm").tau2)
    mean = weights @ BCG_Y / weights.sum()
    assert weights @ (BCG_Y - mean) ** 2 == pytest.approx(12, abs=1e-9)


def test_reml_maximises_the_restricted_likelihood():
    def restricted(tau2):
        w = 1 / (BCG_V + tau2)
        mean = w @ BCG_Y / w.sum()
        return -0.5 * (np.log(BCG_V + tau2).sum() + np.log(w.sum()) + w @ (BCG_Y - mean) ** 2)

    best = heterogeneity(BCG_Y, BCG_V, "reml").tau2
    assert restricted(best) >= max(restricted(best * 0.999), restricted(best * 1.001))


def test_one_effect_has_no_spread_and_three_are_not_shrunk():
    alone = heterogeneity(BCG_Y[:1], BCG_V[:1])
    assert alone.mean == BCG_Y[0]
    assert np.isnan(alone.tau2)
    three = heterogeneity(BCG_Y[:3], BCG_V[:3])
    assert np.isnan(shrunk_effects(BCG_Y[:3], BCG_V[:3], three, 0.05).value).all()
    assert np.isnan(heterogeneity(BCG_Y[:0], BCG_V[:0]).mean)


def test_shrinkage_lies_between_the_estimate_and_the_mean():
    spread = heterogeneity(BCG_Y, BCG_V)
    shrunk = shrunk_effects(BCG_Y, BCG_V, spread, 0.05).value
    assert (np.abs(shrunk - spread.mean) <= np.abs(BCG_Y - spread.mean) + 1e-12).all()


@pytest.mark.parametrize("spread_sd", [0.0, 0.03, 0.1, 0.3])
@pytest.mark.parametrize("k", [10, 44])
def test_intervals_cover_true_effects_on_average_and_err_less_than_raw_estimates(spread_sd, k):
    rng = np.random.default_rng(17)
    covered, raw_error, shrunk_error = [], [], []
    for _ in range(400):
        v = rng.gamma(2, 0.005, size=k) + 0.001
        truth = rng.normal(0.05, spread_sd, size=k)
        y = rng.normal(truth, np.sqrt(v))
        found = shrunk_effects(y, v, heterogeneity(y, v), 0.05)
        covered.append(((found.lower <= truth) & (truth <= found.upper)).mean())
        raw_error.append(((y - truth) ** 2).mean())
        shrunk_error.append(((found.value - truth) ** 2).mean())
    assert np.mean(covered) >= 0.94
    assert np.mean(shrunk_error) < np.mean(raw_error)
