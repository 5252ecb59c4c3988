"""Intervals of a lift of two proportions that are not score intervals, each with its own test.

Katz's log interval (Katz et al. 1978, Biometrics 34:469), the additive delta interval, Wald's and
Newcombe's hybrid interval of the difference (Newcombe 1998, Statistics in Medicine 17:873, method
10). They stand beside the score intervals of :mod:`abtest.estimation.binomial` for comparison: how
often each covers is measured by ``benchmarks/interval_coverage.py``. Every p-value here is below
alpha exactly where the interval of the same name excludes no effect.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import (
    BISECTIONS,
    Clicks,
    log_lift_se,
    two_sided_p,
    wilson_interval,
)
from abtest.estimation.clustered import Estimate

Floats = NDArray[np.float64]
LARGEST_Z = 37.0
"""Beyond this a normal p-value is not a number of double precision."""


class Inference(NamedTuple):
    """An estimate, its interval and the p-value of the test that the interval inverts.

    Attributes:
        value: Estimate; NaN where unknown.
        lower: Lower limit; NaN where there is no interval.
        upper: Upper limit; NaN where there is no interval, infinite where it has no end.
        p_value: Two-sided, of no effect; NaN where there is no interval.
    """

    value: Floats
    lower: Floats
    upper: Floats
    p_value: Floats


def interval_state(lower: Floats, upper: Floats) -> NDArray[np.str_]:
    """``bounded``, ``unbounded`` (a limit is infinite) or ``undefined`` (no interval)."""
    ends = np.where(np.isinf(lower) | np.isinf(upper), "unbounded", "bounded")
    return np.where(np.isnan(lower) | np.isnan(upper), "undefined", ends)


def unpooled_z(control: Clicks, treatment: Clicks) -> Floats:
    """The z statistic of equal CTRs with each arm's own variance; NaN where neither varies."""
    difference, variance = _difference(control, treatment)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, difference / np.sqrt(variance), np.nan)


def wald_interval(control: Clicks, treatment: Clicks, alpha: float) -> Inference:
    """Absolute difference with the interval of :func:`unpooled_z`, which may leave (-1, 1)."""
    difference, variance = _difference(control, treatment)
    variance = np.where(variance > 0, variance, np.nan)
    half = special.ndtri(1 - alpha / 2) * np.sqrt(variance)
    p_value = two_sided_p(unpooled_z(control, treatment))
    return Inference(difference, difference - half, difference + half, p_value)


def katz_interval(control: Clicks, treatment: Clicks, alpha: float) -> Inference:
    """Relative lift with the interval that is symmetric on the log scale.

    Args:
        control: Control.
        treatment: Treatment, same cells.
        alpha: 1 - confidence.

    Returns:
        No interval where an arm has no click, or both nothing but clicks.
    """
    se = log_lift_se(control, treatment)
    ratio = _rate(treatment) / _positive(_rate(control))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(ratio)
        half = special.ndtri(1 - alpha / 2) * se
        p_value = two_sided_p(log_ratio / se)
    return Inference(ratio - 1, np.expm1(log_ratio - half), np.expm1(log_ratio + half), p_value)


def additive_delta_interval(control: Clicks, treatment: Clicks, alpha: float) -> Inference:
    """Relative lift with the interval that is symmetric about it; for comparison only.

    It covers too rarely at small counts, is not reciprocal under a swap of arms, and its lower
    limit may be below -1.

    Returns:
        No interval where an arm has no click, or both nothing but clicks.
    """
    ratio = _rate(treatment) / _positive(_rate(control))
    se = ratio * log_lift_se(control, treatment)
    half = special.ndtri(1 - alpha / 2) * se
    p_value = two_sided_p((ratio - 1) / se)
    return Inference(ratio - 1, ratio - 1 - half, ratio - 1 + half, p_value)


def newcombe_interval(control: Clicks, treatment: Clicks, alpha: float) -> Inference:
    """Absolute difference with Newcombe's hybrid of the two Wilson intervals.

    The interval inverts no test of its own, so its p-value is the alpha at which it would just
    touch 0. It exists in every cell in which both arms have impressions.
    """
    interval = _newcombe(control, treatment, alpha)
    positive = interval.value > 0
    least, largest = np.zeros_like(interval.value), np.full_like(interval.value, LARGEST_Z)
    for _ in range(BISECTIONS):
        z = (least + largest) / 2
        tried = _newcombe(control, treatment, 2 * special.ndtr(-z))
        excludes = np.where(positive, tried.lower > 0, tried.upper < 0)
        least, largest = np.where(excludes, z, least), np.where(excludes, largest, z)
    p_value = np.where(interval.value == 0, 1.0, 2 * special.ndtr(-least))
    return Inference(*interval, np.where(np.isnan(interval.value), np.nan, p_value))


def _newcombe(control: Clicks, treatment: Clicks, alpha: float | Floats) -> Estimate:
    t, c = wilson_interval(treatment, alpha), wilson_interval(control, alpha)
    difference = t.value - c.value
    return Estimate(
        difference,
        difference - np.hypot(t.value - t.lower, c.upper - c.value),
        difference + np.hypot(t.upper - t.value, c.value - c.lower),
    )


def _difference(control: Clicks, treatment: Clicks) -> tuple[Floats, Floats]:
    t, c = _rate(treatment), _rate(control)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = t * (1 - t) / treatment.n + c * (1 - c) / control.n
    return t - c, variance


def _rate(arm: Clicks) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(arm.n > 0, arm.c / arm.n, np.nan)


def _positive(rate: Floats) -> Floats:
    return np.where(rate > 0, rate, np.nan)
