"""Score intervals where units were randomised: for cells too small for the delta method.

Without a click in an arm the delta method has no variance and no interval. Here clicks and
impressions are divided by the design effect of their arm, so that they carry as much information as
that many impressions of independent luck would, and Koopman's and Miettinen-Nurminen's intervals of
:mod:`abtest.estimation.binomial` apply (Rao and Scott 1992, Biometrics 48:577). Both are divided
once more by (t / z)^2, Student's quantile with all units less two degrees of freedom over the
normal one, since the design effect is estimated (Korn and Graubard 1998, Survey Methodology
24:193).

A cell with a handful of clicks cannot tell its own design effect: one click looks like independent
luck. It is taken from larger traffic through the correlation of two impressions of one unit
(intraclass correlation), which does not depend on how many impressions a unit brings,

    design effect = 1 + correlation * (sum(n_i^2) / sum(n_i) - 1)

(Kish 1965, Survey Sampling, section 5.4), with the cell's own impressions per unit. Left out:
anything that makes units of one category more alike than those of the traffic that lends the
correlation.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import (
    Clicks,
    koopman_interval,
    miettinen_nurminen_interval,
    miettinen_nurminen_z,
    pooled_z,
)
from abtest.estimation.clustered import Estimate, UnitMoments, ctr, ctr_variance
from abtest.estimation.proportion_intervals import Inference

Floats = NDArray[np.float64]


def intraclass_correlation(control: UnitMoments, treatment: UnitMoments) -> Floats:
    """Correlation of two impressions of one unit, from both arms by their weight.

    Args:
        control: Control; large traffic, e.g. the overall row.
        treatment: Treatment, same cells.

    Returns:
        Within [0, 1]; 0 where no unit has two impressions; NaN where no arm has a variance.
    """
    excess, repeats = np.zeros_like(control.n), np.zeros_like(control.n)
    for arm in (control, treatment):
        rate = ctr(arm)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Clustered over binomial variance, less 1, is the correlation times the repeats.
            own = ctr_variance(arm) * arm.n / (rate * (1 - rate)) - 1
            more = arm.nn / arm.n - 1
        usable = np.isfinite(own) & np.isfinite(more)
        excess += np.where(usable, own * arm.n, 0.0)
        repeats += np.where(usable, more * arm.n, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(repeats > 0, excess / repeats, 0.0)
    known = np.isfinite(ctr_variance(control)) | np.isfinite(ctr_variance(treatment))
    return np.where(known, np.clip(correlation, 0.0, 1.0), np.nan)


def design_effect(arm: UnitMoments, correlation: Floats) -> Floats:
    """Kish's design effect of a cell's arm; at least 1, NaN without impressions.

    Args:
        arm: Moments of the cell.
        correlation: Of two impressions of one unit, from :func:`intraclass_correlation`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(arm.n > 0, 1 + correlation * np.maximum(arm.nn / arm.n - 1, 0.0), np.nan)


def clustered_score_lift(
    control: UnitMoments,
    treatment: UnitMoments,
    alpha: float,
    *,
    design_effects: tuple[Floats, Floats],
) -> Inference:
    """Relative lift with Koopman's interval on effective counts.

    Args:
        control: Control.
        treatment: Treatment, same cells.
        alpha: 1 - confidence.
        design_effects: Of control and treatment, at least 1.

    Returns:
        Infinite upper limit without clicks in control; no interval without any click, or with fewer
        than three units.
    """
    c, t, shrink = _effective(control, treatment, alpha, design_effects)
    interval = koopman_interval(c, t, alpha)
    return _with_t_test(interval, pooled_z(c, t) / np.sqrt(shrink), control, treatment)


def clustered_score_difference(
    control: UnitMoments,
    treatment: UnitMoments,
    alpha: float,
    *,
    design_effects: tuple[Floats, Floats],
) -> Inference:
    """Absolute difference with Miettinen and Nurminen's interval on effective counts.

    Args:
        control: Control.
        treatment: Treatment, same cells.
        alpha: 1 - confidence.
        design_effects: Of control and treatment, at least 1.

    Returns:
        An interval without any click too; none with fewer than three units.
    """
    c, t, shrink = _effective(control, treatment, alpha, design_effects)
    interval = miettinen_nurminen_interval(c, t, alpha)
    z = miettinen_nurminen_z(c, t) / np.sqrt(shrink)
    return _with_t_test(interval, z, control, treatment)


def _effective(
    control: UnitMoments,
    treatment: UnitMoments,
    alpha: float,
    design_effects: tuple[Floats, Floats],
) -> tuple[Clicks, Clicks, Floats]:
    """Effective counts, and the factor in them that turns normal quantiles into Student's."""
    quantile = special.stdtrit(_dof(control, treatment), 1 - alpha / 2)
    shrink = np.asarray((special.ndtri(1 - alpha / 2) / quantile) ** 2)
    c, t = (
        Clicks(arm.c / effect * shrink, arm.n / effect * shrink)
        for arm, effect in zip((control, treatment), design_effects, strict=True)
    )
    return c, t, shrink


def _with_t_test(
    interval: Estimate, z: Floats, control: UnitMoments, treatment: UnitMoments
) -> Inference:
    p_value = 2 * special.stdtr(_dof(control, treatment), -np.abs(z))
    known = ~np.isnan(interval.lower) & ~np.isnan(interval.upper)
    return Inference(
        interval.value, interval.lower, interval.upper, np.where(known, p_value, np.nan)
    )


def _dof(control: UnitMoments, treatment: UnitMoments) -> Floats:
    units = control.units + treatment.units
    return np.where(units > 2, units - 2, np.nan)
