"""CTR and lift where units were randomised: delta method, clustered by unit.

A unit brings ``n_i`` impressions and ``c_i`` clicks; the CTR of an arm is the ratio of sums
``R = sum(c) / sum(n)``. Its variance by the delta method for K independent units is

    var(R) = K / (K - 1) * sum((c_i - R * n_i)^2) / sum(n)^2

(Deng, Knoblich, Lu 2018, "Applying the Delta Method in Metric Analytics", section 3). The sum of
squares needs only the moments, so nothing here sees a unit. Intervals of lift are on the log
scale, where they are reciprocal under a swap of arms; quantiles are Student's t with
Welch-Satterthwaite degrees of freedom. All functions work on arrays of cells and give NaN where a
quantity does not exist.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


class UnitMoments(NamedTuple):
    """Sums over the units of one arm, one element a cell.

    Attributes:
        units: Units (count).
        n: Impressions.
        c: Clicks.
        nn: Sum over units of impressions squared.
        cc: Sum over units of clicks squared.
        nc: Sum over units of impressions times clicks.
    """

    units: Floats
    n: Floats
    c: Floats
    nn: Floats
    cc: Floats
    nc: Floats


class Estimate(NamedTuple):
    """A point with its interval; arrays of one shape, NaN where unknown."""

    value: Floats
    lower: Floats
    upper: Floats


class LogLift(NamedTuple):
    """Log of the CTR ratio, treatment over control.

    Attributes:
        value: ``log(R_treatment / R_control)``.
        se: Its standard error.
        dof: Welch-Satterthwaite degrees of freedom.
        design_effect: Its variance over the binomial one.
    """

    value: Floats
    se: Floats
    dof: Floats
    design_effect: Floats


def ctr(arm: UnitMoments) -> Floats:
    """Clicks over impressions; NaN without impressions."""
    return _ratio(arm.c, arm.n)


def ctr_variance(arm: UnitMoments) -> Floats:
    """Variance of :func:`ctr` by the delta method; NaN with fewer than two units."""
    rate = ctr(arm)
    residuals = np.maximum(arm.cc - 2 * rate * arm.nc + rate**2 * arm.nn, 0.0)
    # Where all units have one rate, rounding alone is left of the sum: no variation, not a tiny
    # one.
    residuals = np.where(residuals <= 1e-12 * arm.cc, 0.0, residuals)
    return _ratio(arm.units, arm.units - 1) * _ratio(residuals, arm.n**2)


def ctr_interval(arm: UnitMoments, alpha: float) -> Estimate:
    """CTR with an interval on the logit scale, so that it stays within (0, 1).

    Args:
        arm: Moments of the arm.
        alpha: 1 - confidence.

    Returns:
        CTR and limits (fractions); no limits where the CTR is 0 or 1 or does not vary.
    """
    rate = ctr(arm)
    with np.errstate(divide="ignore", invalid="ignore"):
        se_logit = np.sqrt(_positive(ctr_variance(arm))) / (rate * (1 - rate))
        half = _t_quantile(alpha, arm.units - 1) * se_logit
        logit = special.logit(rate)
    return Estimate(rate, special.expit(logit - half), special.expit(logit + half))


def ratio_interval(arm: UnitMoments, alpha: float) -> Estimate:
    """Ratio of sums with Student's t interval, for ratios that are not bounded by 1."""
    rate = ctr(arm)
    half = _t_quantile(alpha, arm.units - 1) * np.sqrt(_positive(ctr_variance(arm)))
    return Estimate(rate, rate - half, rate + half)


def log_lift(control: UnitMoments, treatment: UnitMoments) -> LogLift:
    """Log of the ratio of two CTRs, with its standard error.

    Args:
        control: Moments of control.
        treatment: Moments of treatment, same cells.

    Returns:
        NaN where an arm has no click, fewer than two units, or no variation between units.
    """
    a, b = ctr(treatment), ctr(control)
    with np.errstate(divide="ignore", invalid="ignore"):
        va = _positive(ctr_variance(treatment)) / a**2
        vb = _positive(ctr_variance(control)) / b**2
        binomial = (1 - a) / treatment.c + (1 - b) / control.c
        value = np.log(a) - np.log(b)
    known = np.isfinite(value) & np.isfinite(va + vb)
    return LogLift(
        np.where(known, value, np.nan),
        np.where(known, np.sqrt(va + vb), np.nan),
        np.where(known, _welch_dof(va, treatment.units, vb, control.units), np.nan),
        np.where(known, _ratio(va + vb, binomial), np.nan),
    )


def lift_interval(lift: LogLift, alpha: float) -> Estimate:
    """Relative lift ``R_treatment / R_control - 1`` with its interval."""
    half = _t_quantile(alpha, lift.dof) * lift.se
    return Estimate(np.expm1(lift.value), np.expm1(lift.value - half), np.expm1(lift.value + half))


def lift_p_value(lift: LogLift) -> Floats:
    """Two-sided p-value of no lift; below alpha exactly where the interval of lift excludes 0."""
    return 2 * _t_survival(np.abs(lift.value) / lift.se, lift.dof)


def minimum_detectable_lift(lift: LogLift, alpha: float, power: float = 0.8) -> Floats:
    """Smallest true positive lift that a test at this precision finds with the given power."""
    reach = special.ndtri(1 - alpha / 2) + special.ndtri(power)
    return np.expm1(reach * lift.se)


def ctr_difference(control: UnitMoments, treatment: UnitMoments, alpha: float) -> Estimate:
    """Absolute difference of CTRs with its interval (fractions)."""
    vt, vc = _positive(ctr_variance(treatment)), _positive(ctr_variance(control))
    dof = _welch_dof(vt, treatment.units, vc, control.units)
    difference = ctr(treatment) - ctr(control)
    half = _t_quantile(alpha, dof) * np.sqrt(vt + vc)
    return Estimate(difference, difference - half, difference + half)


def _welch_dof(va: Floats, units_a: Floats, vb: Floats, units_b: Floats) -> Floats:
    return _ratio((va + vb) ** 2, _ratio(va**2, units_a - 1) + _ratio(vb**2, units_b - 1))


def _t_quantile(alpha: float, dof: Floats) -> Floats:
    return np.where(dof > 0, special.stdtrit(np.where(dof > 0, dof, 1.0), 1 - alpha / 2), np.nan)


def _t_survival(t: Floats, dof: Floats) -> Floats:
    # stdtr(-t) is the upper tail itself: no 1 - cdf, which is 0 beyond t = 9.
    return np.where(dof > 0, special.stdtr(np.where(dof > 0, dof, 1.0), -t), np.nan)


def _positive(variance: Floats) -> Floats:
    return np.where(variance > 0, variance, np.nan)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
