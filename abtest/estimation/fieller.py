"""Fieller's set of relative lifts: for two independent means, or clustered CTRs.

The set holds every ratio r at which ``R_treatment - r * R_control`` does not differ from 0 (Fieller
1954, JRSS B 16:175). It needs no logarithm and no linearisation, but has no upper end where control
does not differ from 0 itself; that is said, not hidden. Ratios below 0 do not occur, so a set that
reaches there ends at a lift of -1. At "no lift" the statistic is the unpooled z (or Welch's t) of
the difference, and that is the p-value.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import Clicks, two_sided_p
from abtest.estimation.clustered import UnitMoments, ctr, ctr_variance
from abtest.estimation.proportion_intervals import Inference, unpooled_z

Floats = NDArray[np.float64]


class _Rate(NamedTuple):
    """CTR of an arm and its variance."""

    value: Floats
    variance: Floats


def fieller_interval(control: Clicks, treatment: Clicks, alpha: float) -> Inference:
    """Relative lift of CTRs where single impressions were randomised.

    Args:
        control: Control.
        treatment: Treatment, same cells.
        alpha: 1 - confidence.

    Returns:
        The state is :func:`abtest.estimation.proportion_intervals.interval_state` of the limits:
        ``unbounded`` where the upper limit is infinite (then a lower limit of -1 excludes nothing),
        ``undefined`` where an arm has no click or nothing but clicks, so that its CTR has no
        variance.
    """
    p_value = two_sided_p(unpooled_z(control, treatment))
    quantile = np.full_like(p_value, special.ndtri(1 - alpha / 2))
    return _fieller(_binomial_rate(control), _binomial_rate(treatment), quantile, p_value)


def clustered_fieller_interval(
    control: UnitMoments, treatment: UnitMoments, alpha: float
) -> Inference:
    """Relative lift of CTRs where units were randomised.

    Variances are those of the delta method, the quantile is Student's t with the
    Welch-Satterthwaite degrees of freedom of the difference of CTRs.

    Args:
        control: Control.
        treatment: Treatment, same cells.
        alpha: 1 - confidence.

    Returns:
        As :func:`fieller_interval`; ``undefined`` also where an arm has one unit.
    """
    c, t = (_Rate(ctr(arm), ctr_variance(arm)) for arm in (control, treatment))
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = c.variance**2 / (control.units - 1) + t.variance**2 / (treatment.units - 1)
        dof = (c.variance + t.variance) ** 2 / squared
        dof = np.where(dof > 0, dof, np.nan)
        statistic = np.abs(t.value - c.value) / np.sqrt(c.variance + t.variance)
    quantile = np.asarray(special.stdtrit(dof, 1 - alpha / 2), dtype=np.float64)
    return _fieller(c, t, quantile, 2 * special.stdtr(dof, -statistic))


def _binomial_rate(arm: Clicks) -> _Rate:
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(arm.n > 0, arm.c / arm.n, np.nan)
        return _Rate(rate, rate * (1 - rate) / arm.n)


def _fieller(control: _Rate, treatment: _Rate, quantile: Floats, p_value: Floats) -> Inference:
    """Ratios r with ``a r^2 - 2 b r + c <= 0``, less 1."""
    a = control.value**2 - quantile**2 * control.variance
    b = control.value * treatment.value
    c = treatment.value**2 - quantile**2 * treatment.variance
    known = (control.variance > 0) & (treatment.variance > 0) & np.isfinite(quantile)
    with np.errstate(divide="ignore", invalid="ignore"):
        # c over the larger root's numerator: no difference of nearly equal numbers, and right for
        # any sign of a. Where c <= 0 the set holds a ratio of 0.
        root = b + np.sqrt(np.maximum(b * b - a * c, 0.0))
        lower = np.where(c > 0, c / root, 0.0)
        upper = np.where(a > 0, root / a, np.inf)
        lift = np.where(control.value > 0, treatment.value / control.value - 1, np.nan)
    lower, upper, p_value = (np.where(known, x, np.nan) for x in (lower - 1, upper - 1, p_value))
    return Inference(lift, lower, upper, p_value)
