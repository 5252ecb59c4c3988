"""CTR and lift where single impressions were randomised: score methods for two proportions.

The test is the pooled two-proportion z (Pearson's chi-square). The intervals invert that very test:
Koopman's score interval for the ratio (Koopman 1984, Biometrics 40:513) and Mee's for the
difference (Mee 1984, Biometrics 40:1175). At "no effect" their statistics are the pooled z, so
test and intervals never disagree; and they exist where an arm has no click. Wilson's interval is
the same for one arm.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from abtest.clustered import Estimate

Floats = NDArray[np.float64]


class Clicks(NamedTuple):
    """One arm, one element a cell.

    Attributes:
        c: Clicks (count).
        n: Impressions (count).
    """

    c: Floats
    n: Floats


def wilson_interval(arm: Clicks, alpha: float) -> Estimate:
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
    limits = _limits(_koopman_limits, control, treatment, alpha)
    ratio = _divided(_divided(treatment.c, treatment.n), _divided(control.c, control.n))
    return Estimate(ratio - 1, limits[:, 0] - 1, limits[:, 1] - 1)


def mee_interval(control: Clicks, treatment: Clicks, alpha: float) -> Estimate:
    """Absolute difference of CTRs with the interval that inverts the score test of a difference."""
    limits = _limits(_mee_limits, control, treatment, alpha)
    difference = _divided(treatment.c, treatment.n) - _divided(control.c, control.n)
    return Estimate(difference, limits[:, 0], limits[:, 1])


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


def _limits(
    solve: Callable[[float, float, float, float, float], tuple[float, float]],
    control: Clicks,
    treatment: Clicks,
    alpha: float,
) -> Floats:
    cells = zip(treatment.c, treatment.n, control.c, control.n, strict=True)
    solved = [solve(float(x), float(m), float(y), float(n), alpha) for x, m, y, n in cells]
    return np.array(solved, dtype=np.float64).reshape(-1, 2)


def _koopman_limits(x: float, m: float, y: float, n: float, alpha: float) -> tuple[float, float]:
    """Limits of the ratio of x/m to y/n: where the score statistic meets its quantile."""
    if m == 0 or n == 0 or x + y == 0:
        return np.nan, np.nan
    critical = special.ndtri(1 - alpha / 2) ** 2

    def excess(log_ratio: float) -> float:
        ratio = np.exp(log_ratio)
        # Constrained estimate of x's rate under rate_x = ratio * rate_y: the smaller root of a
        # quadratic.
        a, b, c = m + n, ratio * (m + y) + x + n, ratio * (x + y)
        rate_x = 2 * c / (b + np.sqrt(max(b * b - 4 * a * c, 0.0)))
        rate_y = rate_x / ratio
        statistic = (x - m * rate_x) ** 2 / (m * rate_x * (1 - rate_x)) if 0 < rate_x < 1 else 0.0
        share_y = (y - n * rate_y) ** 2 / (n * rate_y * (1 - rate_y)) if 0 < rate_y < 1 else 0.0
        return float(statistic + share_y - critical)

    centre = np.log((x + 0.5) / (m + 0.5)) - np.log((y + 0.5) / (n + 0.5))
    lower = 0.0 if x == 0 else float(np.exp(_root_from(excess, centre, -1)))
    upper = np.inf if y == 0 else float(np.exp(_root_from(excess, centre, +1)))
    return lower, upper


def _root_from(excess: Callable[[float], float], start: float, side: int) -> float:
    """First sign change of ``excess`` on one side of a point where it is negative."""
    step = 0.25
    while excess(start + side * step) < 0:
        step *= 2
        if step > 700:  # beyond what a double can express as a ratio
            return side * np.inf
    low, high = sorted((start, start + side * step))
    return float(optimize.brentq(excess, low, high, xtol=1e-14, rtol=1e-14))


def _mee_limits(x: float, m: float, y: float, n: float, alpha: float) -> tuple[float, float]:
    """Limits of x/m - y/n: where the score statistic equals the normal quantile."""
    if m == 0 or n == 0:
        return np.nan, np.nan
    z = special.ndtri(1 - alpha / 2)
    observed = x / m - y / n

    def score(delta: float) -> float:
        rate_y = constrained_control_rate(x, m, y, n, delta)
        rate_x = min(max(rate_y + delta, 0.0), 1.0)
        variance = rate_x * (1 - rate_x) / m + rate_y * (1 - rate_y) / n
        if variance <= 0:
            return np.inf * np.sign(observed - delta) if observed != delta else 0.0
        return float((observed - delta) / np.sqrt(variance))

    def limit(target: float, end: float) -> float:
        if abs(observed - end) < 1e-15:
            return end
        inner = end + np.sign(observed - end) * 1e-12
        if (score(inner) - target) * (score(observed) - target) > 0:
            return end
        low, high = sorted((inner, observed))
        return float(
            optimize.brentq(lambda d: np.clip(score(d), -1e9, 1e9) - target, low, high, xtol=1e-14)
        )

    return limit(z, -1.0), limit(-z, 1.0)


def constrained_control_rate(x: float, m: float, y: float, n: float, delta: float) -> float:
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
    total = m + n
    l3 = total
    l2 = (m + 2 * n) * delta - total - (x + y)
    l1 = (n * delta - total - 2 * y) * delta + (x + y)
    l0 = y * delta * (1 - delta)
    q = l2**3 / (3 * l3) ** 3 - l1 * l2 / (6 * l3**2) + l0 / (2 * l3)
    root = np.sqrt(max(l2**2 / (3 * l3) ** 2 - l1 / (3 * l3), 0.0))
    p = np.copysign(root, q)
    cosine = q / p**3 if p else 0.0
    angle = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3
    rate = 2 * p * np.cos(angle) - l2 / (3 * l3)
    return float(np.clip(rate, max(0.0, -delta), min(1.0, 1.0 - delta)))


def _divided(numerator: Floats | float, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
