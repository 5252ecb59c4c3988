"""York's line against published figures, against another way to the same line, and by coverage."""

import numpy as np
import pytest
from scipy import optimize, stats

from caig.errors import DataError
from evaluation.metrics.york import york_regression

# Pearson 1901 with the weights of York 1966: the case that every implementation is tested on.
X = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
X_WEIGHTS = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0])
Y_WEIGHTS = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500])
X_SE, Y_SE = X_WEIGHTS**-0.5, Y_WEIGHTS**-0.5


def test_pearsons_data_with_yorks_weights():
    fit = york_regression(X, Y, X_SE, Y_SE)
    assert fit.slope == pytest.approx(-0.480533407446, abs=1e-11)
    assert fit.intercept == pytest.approx(5.479910224033, abs=1e-11)
    assert fit.slope_se == pytest.approx(0.057985009001, abs=1e-11)
    assert fit.intercept_se == pytest.approx(0.294970735493, abs=1e-11)
    assert fit.chi2 == pytest.approx(11.866353194061, abs=1e-10)
    assert (fit.dof, fit.n) == (8, 10)
    assert fit.p_value == pytest.approx(0.15727, abs=1e-5)
    assert 1 < fit.slope_se_corrected / fit.slope_se < 1.1
    half = 1.959963984540054 * fit.slope_se_corrected
    assert fit.slope_ci_lower == pytest.approx(fit.slope - half, rel=1e-12)
    assert fit.slope_ci_upper == pytest.approx(fit.slope + half, rel=1e-12)


def cloud(seed: int, *, n=12, slope=0.7, intercept=0.2, correlation=0.0, noise=1.0, scatter=0.0):
    """Points around a line, with errors that differ between points."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.0, 1.0, n)
    x_se, y_se = noise * rng.uniform(0.1, 0.4, n), noise * rng.uniform(0.1, 0.4, n)
    first, second = rng.standard_normal((2, n))
    joint = correlation * first + np.sqrt(1 - correlation**2) * second
    y = intercept + slope * truth + scatter * rng.standard_normal(n) + y_se * joint
    return truth + x_se * first, y, x_se, y_se


@pytest.mark.parametrize("correlation", [0.0, 0.6, -0.8])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_the_most_likely_line_with_every_true_point_free(seed, correlation):
    """Maximise the likelihood over slope, intercept and all true x at once, by another method."""
    x, y, x_se, y_se = cloud(seed, correlation=correlation)
    r = np.full(x.size, correlation)

    def residuals(parameters):
        slope, intercept, true = parameters[0], parameters[1], parameters[2:]
        a, b = (x - true) / x_se, (y - intercept - slope * true) / y_se
        return np.concatenate([a, (b - r * a) / np.sqrt(1 - r**2)])

    start = np.concatenate([[0.5, 0.0], x])
    found = optimize.least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    fit = york_regression(x, y, x_se, y_se, correlation=r)
    assert fit.slope == pytest.approx(found.x[0], abs=1e-7)
    assert fit.intercept == pytest.approx(found.x[1], abs=1e-7)
    assert fit.chi2 == pytest.approx(2 * found.cost, rel=1e-9)
    # Standard errors are those of the curvature of the same likelihood at its fitted points.
    covariance = np.linalg.inv(found.jac.T @ found.jac)[:2, :2]
    assert fit.slope_se == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
    assert fit.intercept_se == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-6)
    assert fit.covariance == pytest.approx(covariance[0, 1], rel=1e-6)


def test_without_errors_in_x_it_is_weighted_least_squares():
    x, y, _, y_se = cloud(4)
    fit = york_regression(x, y, np.zeros(x.size), y_se)
    design = np.stack([x, np.ones(x.size)], axis=1) / y_se[:, None]
    expected = np.linalg.lstsq(design, y / y_se, rcond=None)[0]
    assert (fit.slope, fit.intercept) == pytest.approx(tuple(expected), rel=1e-10)
    covariance = np.linalg.inv(design.T @ design)
    assert fit.slope_se == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-10)
    assert fit.covariance == pytest.approx(covariance[0, 1], rel=1e-10)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_exchanging_the_axes_gives_the_same_line(correlation):
    x, y, x_se, y_se = cloud(5, correlation=correlation)
    one = york_regression(x, y, x_se, y_se, correlation=correlation)
    other = york_regression(y, x, y_se, x_se, correlation=correlation)
    assert one.slope * other.slope == pytest.approx(1, rel=1e-10)
    assert other.chi2 == pytest.approx(one.chi2, rel=1e-10)
    assert other.intercept == pytest.approx(-one.intercept / one.slope, rel=1e-9)


def test_units_do_not_matter():
    x, y, x_se, y_se = cloud(6)
    one = york_regression(x, y, x_se, y_se)
    other = york_regression(1e4 * x, 1e-3 * y, 1e4 * x_se, 1e-3 * y_se)
    assert other.slope == pytest.approx(1e-7 * one.slope, rel=1e-9)
    assert other.slope_se == pytest.approx(1e-7 * one.slope_se, rel=1e-9)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-9)


def test_scatter_beyond_the_errors_is_said_and_widens_the_interval_on_request():
    x, y, x_se, y_se = cloud(7, n=30, scatter=1.0)
    known, scaled = (york_regression(x, y, x_se, y_se, errors=errors) for errors in METHODS)
    assert known.p_value < 1e-6
    assert scaled.slope_se == pytest.approx(known.slope_se * np.sqrt(known.chi2 / 28), rel=1e-12)
    quantile = stats.t.ppf(0.975, 28)
    half = quantile * scaled.slope_se_corrected
    assert scaled.slope_ci_upper - scaled.slope == pytest.approx(half, rel=1e-9)
    assert "scaled" in scaled.method
    # Too little scatter is luck, not a reason for a narrower interval.
    quiet = york_regression(x, 0.2 + 0.7 * x, x_se, y_se, errors="scaled")
    stated = york_regression(x, 0.2 + 0.7 * x, x_se, y_se)
    assert quiet.slope_se == pytest.approx(stated.slope_se, rel=1e-12)


METHODS = ("known", "scaled")
GOOD = np.array([1.0, 2.0, 3.0])
TENTH = np.full(3, 0.1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"x": np.array([1.0, np.nan, 3.0])}, "x: point 1 is nan"),
        ({"y_se": np.array([0.1, 0.1, np.inf])}, "y_se: point 2 is inf"),
        ({"x_se": np.array([0.1, -0.1, 0.1])}, "point 1: a standard error is negative"),
        ({"x_se": np.zeros(3), "y_se": np.array([0.1, 0.0, 0.1])}, "point 1: both standard errors"),
        ({"correlation": 1.0}, "point 0: the correlation of its errors is not within"),
        ({"x": np.full(3, 2.0), "x_se": np.zeros(3)}, "all points have one x"),
        ({"x": np.full(3, 2.0)}, "the best line is upright"),
    ],
)
def test_points_without_a_line_are_refused(changed, said):
    given = {"x": GOOD, "y": GOOD, "x_se": TENTH, "y_se": TENTH, **changed}
    with pytest.raises(DataError, match=said):
        york_regression(**given)


def test_two_points_are_too_few():
    with pytest.raises(DataError, match="2 point"):
        york_regression(GOOD[:2], GOOD[:2], TENTH[:2], TENTH[:2])


def test_no_slope_is_found_as_zero():
    fit = york_regression(np.arange(5.0), np.ones(5), np.full(5, 0.1), np.full(5, 0.1))
    assert fit.slope == pytest.approx(0, abs=1e-12)
    assert fit.intercept == pytest.approx(1, rel=1e-12)


def test_the_corrected_error_is_that_of_demings_slope():
    """One error for all points: the large-sample variance from the two eigenvalues is known."""
    rng = np.random.default_rng(8)
    n, se = 400, 0.6
    truth = rng.normal(0, 1, n)
    x, y = truth + se * rng.standard_normal(n), 0.5 * truth + se * rng.standard_normal(n)
    fit = york_regression(x, y, np.full(n, se), np.full(n, se))
    # Variance of the truth as the fit sees it; errors of the line and of the direction across it.
    b = fit.slope
    along = np.var(x + b * y) / (1 + b**2) - se**2
    signal = along / (1 + b**2)
    expected = ((1 + b**2) * se**2 / signal + se**4 / signal**2) / n
    assert fit.slope_se_corrected == pytest.approx(np.sqrt(expected), rel=0.02)
    assert fit.slope_se < 0.85 * fit.slope_se_corrected


def test_where_x_does_not_vary_beyond_its_errors_there_is_no_interval():
    x, y = np.array([0.0, 0.01, 0.02, 0.03]), np.array([0.0, 0.02, 0.01, 0.03])
    fit = york_regression(x, y, np.full(4, 1.0), np.full(4, 1.0))
    assert np.isfinite(fit.slope)
    assert np.isnan([fit.slope_se_corrected, fit.slope_ci_lower, fit.intercept_ci_upper]).all()


def least_squares_slope(x, y):
    return float(np.polyfit(x, y, 1)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("errors", "noise", "stated"),
    [("known", 1.0, 1.0), ("known", 3.0, 1.0), ("scaled", 1.0, 0.5)],
)
def test_the_interval_covers_the_true_slope(errors, noise, stated):
    """44 points, errors a quarter to three quarters of the spread; plain errors would miss."""
    rounds, covered, plain, flat, p_below = 2_000, 0, 0, [], 0
    for seed in range(rounds):
        x, y, x_se, y_se = cloud(10_000 + seed, n=44, correlation=0.3, noise=noise)
        fit = york_regression(x, y, stated * x_se, stated * y_se, correlation=0.3, errors=errors)
        covered += fit.slope_ci_lower <= 0.7 <= fit.slope_ci_upper
        plain += abs(fit.slope - 0.7) <= 1.96 * fit.slope_se
        p_below += fit.p_value < 0.05
        flat.append(least_squares_slope(x, y))
    assert covered / rounds == pytest.approx(0.95, abs=0.015)
    if errors == "known":
        assert p_below / rounds == pytest.approx(0.05, abs=0.015)
    if noise == 3.0:
        assert plain / rounds < 0.92
    assert np.mean(flat) < 0.69
