"""A straight line through points that are uncertain in both coordinates, errors known.

Where ``x`` is a prediction and ``y`` a measurement, and both come with standard errors, ordinary
regression flattens the slope: the noise in ``x`` is taken for spread. Here every point has a
standard error in each coordinate, and the two errors of a point may be correlated. The line is the
maximum-likelihood one for normal errors: it minimises

    S = sum of W (y - a - b x)^2,   W = 1 / (sy^2 + b^2 sx^2 - 2 b r sx sy),

which is Deming's regression with weights and Pearson's with none. Slope, intercept and their
standard errors are those of York, Evensen, Martinez, De Basabe Delgado 2004, "Unified equations for
the slope, intercept, and standard errors of the best straight line" (American Journal of Physics
72). In place of their iteration, which needs a start, the best of all directions is looked for and
then refined to the root of the same equation.

York's standard errors take the fitted points for the true ones. Where errors in ``x`` are not small
beside the spread of ``x``, they are too small; intervals here rest on the corrected ones, those of
the estimating equation ``sum of W x_adjusted (y - a - b x) = 0``:

    var(b) = sum of W t^2 / (sum of W (t^2 - v))^2,   v = W (sx^2 sy^2 - (r sx sy)^2),

with ``t`` the adjusted ``x`` less their mean and ``v`` the variance of an adjusted ``x``. With one
error for all points this is the known large-sample variance of Deming's slope.

What it leaves out: scatter of the truth about the line. Where there is some, chi-square says so,
and ``errors="scaled"`` widens the intervals by it.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from caig.errors import DataError

Floats = NDArray[np.float64]
ErrorModel = Literal["known", "scaled"]

DIRECTIONS = 721
"""Angles tried before the refinement, a quarter of a degree apart."""

METHODS: dict[ErrorModel, str] = {
    "known": "York 2004, errors as stated; normal intervals of corrected errors",
    "scaled": "York 2004, errors scaled by the scatter; Student's t intervals of corrected errors",
}


class YorkFit(NamedTuple):
    """A line ``y = intercept + slope * x`` and how well it fits.

    Attributes:
        slope: Slope (units of y a unit of x).
        slope_se: Its standard error by York 2004.
        slope_se_corrected: The same, allowing for the noise of the fitted points; NaN where ``x``
            does not vary beyond its errors.
        slope_ci_lower: Lower limit of its interval, of the corrected error; NaN where that is.
        slope_ci_upper: Upper limit.
        intercept: Value of the line at x = 0 (units of y).
        intercept_se: Its standard error by York 2004.
        intercept_se_corrected: As for the slope.
        intercept_ci_lower: Lower limit of its interval.
        intercept_ci_upper: Upper limit.
        covariance: Of slope and intercept, by York 2004.
        chi2: Sum of squared distances from the line in standard errors.
        dof: Its degrees of freedom, n - 2.
        p_value: Of a straight line and the stated errors: chi-square's upper tail. Small: the
            points scatter more than their errors, or the relation is not straight.
        n: Points (count).
        method: How it was made.
    """

    slope: float
    slope_se: float
    slope_se_corrected: float
    slope_ci_lower: float
    slope_ci_upper: float
    intercept: float
    intercept_se: float
    intercept_se_corrected: float
    intercept_ci_lower: float
    intercept_ci_upper: float
    covariance: float
    chi2: float
    dof: int
    p_value: float
    n: int
    method: str


class _Points(NamedTuple):
    """Coordinates, and variances and covariance of their errors; shape (n,) each."""

    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    vxy: Floats


class _Line(NamedTuple):
    """The best line of one slope: its weights, centre and what is left over."""

    weights: Floats
    x_centre: float
    y_centre: float
    residuals: Floats
    adjusted: Floats
    """Best guess of each true x, less ``x_centre``."""


def york_regression(
    x: Floats,
    y: Floats,
    x_se: Floats,
    y_se: Floats,
    *,
    correlation: Floats | float = 0.0,
    alpha: float = 0.05,
    errors: ErrorModel = "known",
) -> YorkFit:
    """Fit a straight line to points with errors in both coordinates.

    Args:
        x: Shape (n,), n >= 3.
        y: Shape (n,).
        x_se: Shape (n,), standard errors of ``x``, 0 or more.
        y_se: Shape (n,), standard errors of ``y``; a point needs an error in one coordinate.
        correlation: Of the two errors of a point, within (-1, 1); shape (n,) or one for all.
        alpha: 1 - confidence of the intervals.
        errors: ``known``: standard errors are what they are. ``scaled``: they are right up to a
            common factor, which is estimated from the scatter about the line (never below 1).

    Raises:
        DataError: Too few points, a value that is not finite, errors or correlations out of range,
            or a line so steep that y is no function of x (exchange x and y then).
    """
    points = _checked(x, y, x_se, y_se, correlation)
    slope = _best_slope(points)
    line = _line(points, slope)
    weights = line.weights
    chi2 = float((weights * line.residuals**2).sum())
    dof = points.x.size - 2
    is_scaled = errors == "scaled"
    scale = max(1.0, chi2 / dof) if is_scaled else 1.0
    quantile = special.stdtrit(dof, 1 - alpha / 2) if is_scaled else special.ndtri(1 - alpha / 2)
    # York's standard errors are those at the adjusted points, not at the observed ones.
    centre = float((weights * line.adjusted).sum() / weights.sum())
    spread = float((weights * (line.adjusted - centre) ** 2).sum()) / scale
    noise = float((weights**2 * (points.vx * points.vy - points.vxy**2)).sum())
    plain = 1 / spread
    corrected = spread / (spread - noise) ** 2 if spread > noise else np.nan
    x_mean = line.x_centre + centre
    intercept = line.y_centre - slope * line.x_centre

    def intercept_error(slope_variance: float) -> float:
        return float(np.sqrt(scale / weights.sum() + x_mean**2 * slope_variance))

    slope_half = quantile * np.sqrt(corrected)
    intercept_half = quantile * intercept_error(corrected)
    return YorkFit(
        slope=slope,
        slope_se=float(np.sqrt(plain)),
        slope_se_corrected=float(np.sqrt(corrected)),
        slope_ci_lower=float(slope - slope_half),
        slope_ci_upper=float(slope + slope_half),
        intercept=float(intercept),
        intercept_se=intercept_error(plain),
        intercept_se_corrected=intercept_error(corrected),
        intercept_ci_lower=float(intercept - intercept_half),
        intercept_ci_upper=float(intercept + intercept_half),
        covariance=-x_mean * plain,
        chi2=chi2,
        dof=dof,
        p_value=float(special.chdtrc(dof, chi2)),
        n=points.x.size,
        method=METHODS[errors],
    )


def _checked(
    x: Floats, y: Floats, x_se: Floats, y_se: Floats, correlation: Floats | float
) -> _Points:
    given = {"x": x, "y": y, "x_se": x_se, "y_se": y_se}
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in given.items()}
    shape = arrays["x"].shape
    arrays["correlation"] = np.broadcast_to(np.asarray(correlation, dtype=np.float64), shape)
    for name, values in arrays.items():
        assert values.shape == shape, f"{name} has shape {values.shape}, x has {shape}"
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"{name}: point {at} is {values[at]}; leave points without it out")
    if arrays["x"].size < 3:
        raise DataError(f"{arrays['x'].size} point(s); a line with its fit needs 3 or more")
    sx, sy, r = arrays["x_se"], arrays["y_se"], arrays["correlation"]
    _refuse_where((sx < 0) | (sy < 0), "a standard error is negative")
    _refuse_where((sx == 0) & (sy == 0), "both standard errors are 0; a point needs one")
    _refuse_where(np.abs(r) >= 1, "the correlation of its errors is not within (-1, 1)")
    return _Points(arrays["x"], arrays["y"], sx**2, sy**2, r * sx * sy)


def _refuse_where(wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        raise DataError(f"point {int(np.flatnonzero(wrong)[0])}: {what}")


def _line(points: _Points, slope: float) -> _Line:
    """The best line of this slope."""
    x, y, vx, vy, vxy = points
    weights = 1 / (vy + slope**2 * vx - 2 * slope * vxy)
    x_centre, y_centre = ((weights * values).sum() / weights.sum() for values in (x, y))
    u = x - x_centre
    residuals = (y - y_centre) - slope * u
    adjusted = u + weights * residuals * (slope * vx - vxy)
    return _Line(weights, float(x_centre), float(y_centre), residuals, adjusted)


def _best_slope(points: _Points) -> float:
    """The slope with the smallest sum of squares."""

    def descent(slope: float) -> float:
        """Minus half the derivative of the sum of squares by the slope."""
        line = _line(points, slope)
        return float((line.weights * line.adjusted * line.residuals).sum())

    # One unit of this slope is 45 degrees on axes that are as long as the points spread.
    x_spread, y_spread = (
        np.sqrt(values.var() + variances.mean())
        for values, variances in ((points.x, points.vx), (points.y, points.vy))
    )
    if x_spread == 0 or y_spread == 0:
        raise DataError("all points have one x, or one y, without error; there is no line to fit")
    angles = np.linspace(-np.pi / 2, np.pi / 2, DIRECTIONS + 2)[1:-1]
    slopes = np.tan(angles) * y_spread / x_spread
    best = int(np.argmin(_squares(points, slopes)))
    if best in (0, DIRECTIONS - 1):
        raise DataError("the best line is upright: y is no function of x; exchange x and y")
    lower, upper = float(slopes[best - 1]), float(slopes[best + 1])
    return float(optimize.brentq(descent, lower, upper, xtol=1e-15, rtol=1e-14))


def _squares(points: _Points, slopes: Floats) -> Floats:
    """Sum of squares of the best line of each slope."""
    b = slopes[:, None]
    weights = 1 / (points.vy + b**2 * points.vx - 2 * b * points.vxy)
    left = points.y - b * points.x
    centre = (weights * left).sum(axis=1) / weights.sum(axis=1)
    return np.asarray((weights * (left - centre[:, None]) ** 2).sum(axis=1))
