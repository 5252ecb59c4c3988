"""CTR and lift where single impressions were randomised: score methods for two proportions.

The test is the pooled two-proportion z (Pearson's chi-square). The intervals invert that very test:
Koopman's score interval for the ratio (Koopman 1984, Biometrics 40:513) and Mee's for the
difference (Mee 1984, Biometrics 40:1175). At "no effect" their statistics are the pooled z, so
test and intervals never disagree; and they exist where an arm has no click. Miettinen and
Nurminen's is Mee's with a factor of its own. Wilson's interval is the same for one arm. Intervals
that are no score intervals are in :mod:`abtest.estimation.proportion_intervals`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.clustered import Estimate

Floats = NDArray[np.float64]
LOG_REACH = 60.0
"""No limit of a ratio of two counted rates is further than exp(60) from its estimate."""
BISECTIONS = 64


class Clicks(NamedTuple):
    """One arm, one element a cell.

    Attributes:
        c: Clicks (count).
        n: Impressions (count).
    """

    c: Floats
    n: Floats


def wilson_interval(arm: Clicks, alpha: float | Floats) -> Estimate:
    """CTR with Wilson's score interval (fractions); NaN without impressions."""
    z2 = special.ndtri(1 - alpha / 2) ** 2
    c, n = arm.c, arm.n
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(n > 0, c / n, np.nan)
        centre = (c + z2 / 2) / (n + z2)
        half = np.sqrt(z2 * (c * (n - c) / n + z2 / 4)) / (n + z2)
    # At 0 and n clicks one limit is the bound itself, up to rounding.
    lower = np.where(c == 0, 0.0, centre - half)
    upper = np.where(c == n, 1.0, centre + half)
    unknown = np.isnan(rate)
    return Estimate(rate, np.where(unknown, np.nan, lower), np.where(unknown, np.nan, upper))


def pooled_z(control: Clicks, treatment: Clicks) -> Floats:
    """The z statistic of equal CTRs with the pooled variance; 0 where the CTRs are equal.

    NaN where an arm has no impressions.
    """
    pooled = _divided(control.c + treatment.c, control.n + treatment.n)
    variance = pooled * (1 - pooled) * (_divided(1.0, control.n) + _divided(1.0, treatment.n))
    difference = _divided(treatment.c, treatment.n) - _divided(control.c, control.n)
    # No clicks at all, or nothing but clicks: no variance, and no difference either.
    return np.where(difference == 0, 0.0, _divided(difference, np.sqrt(variance)))


def two_sided_p(z: Floats) -> Floats:
    """Two-sided normal p-value; by the lower tail, so it does not become 0 at z = 9."""
    return 2 * special.ndtr(-np.abs(z))


def koopman_interval(control: Clicks, treatment: Clicks, alpha: float) -> Estimate:
    """Relative lift with the interval that inverts the score test of a ratio.

    Args:
        control: Control.
        treatment: Treatment, same cells.
        alpha: 1 - confidence.

    Returns:
        ``R_treatment / R_control - 1`` and limits. Without clicks in control the lift is NaN and
        the upper limit infinite; without clicks in treatment the lift and its lower limit are -1.
    """
    (x, m), (y, n) = treatment, control
    critical = special.ndtri(1 - alpha / 2) ** 2

    def excess(log_ratio: Floats) -> Floats:
        ratio = np.exp(log_ratio)
        # x's rate under rate_x = ratio * rate_y, by maximum likelihood: a quadratic's smaller root.
        a, b, c = m + n, ratio * (m + y) + x + n, ratio * (x + y)
        rate_x = 2 * c / (b + np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)))
        return _pearson(x, m, rate_x) + _pearson(y, n, rate_x / ratio) - critical

    centre = np.log((x + 0.5) / (m + 0.5)) - np.log((y + 0.5) / (n + 0.5))
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.exp(_crossing(excess, centre, centre - LOG_REACH))
        upper = np.exp(_crossing(excess, centre, centre + LOG_REACH))
    unknown = (m == 0) | (n == 0) | (x + y == 0)
    lower, upper = np.where(x == 0, 0.0, lower), np.where(y == 0, np.inf, upper)
    ratio = _divided(_divided(x, m), _divided(y, n))
    return Estimate(
        ratio - 1, np.where(unknown, np.nan, lower) - 1, np.where(unknown, np.nan, upper) - 1
    )


def mee_interval(control: Clicks, treatment: Clicks, alpha: float) -> Estimate:
    """Absolute difference of CTRs with the interval that inverts the score test of a difference."""
    return _score_difference(control, treatment, float(special.ndtri(1 - alpha / 2) ** 2))


def miettinen_nurminen_interval(control: Clicks, treatment: Clicks, alpha: float) -> Estimate:
    """Mee's interval with the variance of N impressions in both arms times N / (N - 1).

    Miettinen and Nurminen 1985, Statistics in Medicine 4:213, equation 9. Its test of no difference
    is :func:`miettinen_nurminen_z`.
    """
    total = control.n + treatment.n
    shrunk = special.ndtri(1 - alpha / 2) ** 2 * _divided(total, total - 1)
    return _score_difference(control, treatment, shrunk)


def miettinen_nurminen_z(control: Clicks, treatment: Clicks) -> Floats:
    """The pooled z with the factor of :func:`miettinen_nurminen_interval`.

    NaN with one impression or less in all, as effective counts may have.
    """
    total = control.n + treatment.n
    known = np.where(total > 1, total - 1, np.nan)
    return pooled_z(control, treatment) * np.sqrt(_divided(known, total))


def log_lift_se(control: Clicks, treatment: Clicks) -> Floats:
    """Standard error of log lift (Katz), for the MDE only.

    NaN where an arm has no click, or both nothing but clicks.
    """
    variance = (
        _divided(1.0, treatment.c)
        - _divided(1.0, treatment.n)
        + _divided(1.0, control.c)
        - _divided(1.0, control.n)
    )
    return np.sqrt(np.where(variance > 0, variance, np.nan))


def constrained_control_rate(x: Floats, m: Floats, y: Floats, n: Floats, delta: Floats) -> Floats:
    """Maximum-likelihood CTR of control (y of n) if treatment's (x of m) is ``delta`` higher.

    The closed form of the cubic's root (Miettinen and Nurminen 1985, Statistics in Medicine 4:213,
    appendix I).

    Args:
        x: Treatment's clicks.
        m: Treatment's impressions.
        y: Control's clicks.
        n: Control's impressions.
        delta: Difference of rates, treatment minus control, within (-1, 1).

    Returns:
        Rate (fraction).
    """
    l3 = m + n
    l2 = (m + 2 * n) * delta - l3 - (x + y)
    l1 = (n * delta - l3 - 2 * y) * delta + (x + y)
    l0 = y * delta * (1 - delta)
    q = l2**3 / (3 * l3) ** 3 - l1 * l2 / (6 * l3**2) + l0 / (2 * l3)
    p = np.copysign(np.sqrt(np.maximum(l2**2 / (3 * l3) ** 2 - l1 / (3 * l3), 0.0)), q)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(p == 0, 0.0, q / p**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3
    rate = 2 * p * np.cos(angle) - l2 / (3 * l3)
    within: Floats = np.clip(rate, np.maximum(0.0, -delta), np.minimum(1.0, 1.0 - delta))
    return within


def _score_difference(control: Clicks, treatment: Clicks, critical: float | Floats) -> Estimate:
    """Differences whose score statistic, squared, is at most ``critical``."""
    (x, m), (y, n) = treatment, control
    observed = _divided(x, m) - _divided(y, n)

    def excess(delta: Floats) -> Floats:
        rate_y = constrained_control_rate(x, m, y, n, delta)
        rate_x = np.clip(rate_y + delta, 0.0, 1.0)
        variance = rate_x * (1 - rate_x) / m + rate_y * (1 - rate_y) / n
        distance = (observed - delta) ** 2
        return np.where(distance == 0, 0.0, distance / np.maximum(variance, 1e-300)) - critical

    with np.errstate(divide="ignore", invalid="ignore"):
        lower = _crossing(excess, observed, np.full_like(observed, -1 + 1e-12))
        upper = _crossing(excess, observed, np.full_like(observed, 1 - 1e-12))
    unknown = np.isnan(observed)
    # A limit within rounding of the end of the scale is the end.
    lower, upper = (
        np.where(lower < -1 + 1e-11, -1.0, lower),
        np.where(upper > 1 - 1e-11, 1.0, upper),
    )
    return Estimate(observed, np.where(unknown, np.nan, lower), np.where(unknown, np.nan, upper))


def _pearson(clicks: Floats, impressions: Floats, rate: Floats) -> Floats:
    """One arm's share of the chi-square statistic of a rate; 0 at rates of 0 and 1."""
    variance = impressions * rate * (1 - rate)
    return np.where(variance > 0, (clicks - impressions * rate) ** 2 / variance, 0.0)


def _crossing(excess: Callable[[Floats], Floats], inside: Floats, outside: Floats) -> Floats:
    """Where a function changes from negative, at ``inside``, to positive on the way to ``outside``.

    Bisection of all cells at once, to the last bit. Where it never becomes positive: ``outside``.
    """
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        is_beyond = excess(middle) > 0
        inside = np.where(is_beyond, inside, middle)
        outside = np.where(is_beyond, middle, outside)
    return outside


def _divided(numerator: Floats | float, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
