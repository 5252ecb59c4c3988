"""Estimates of many cells at once: from moments of two arms to the columns of a lift table.

The declared design chooses the method for every cell alike; see
``docs/decisions/0001-intervals.md``. A cell that cannot be estimated gets a status and nulls, never
a zero, an infinity or an interval of no width.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.config import LiftConfig
from abtest.counting.counts import MOMENTS
from abtest.estimation import binomial, clustered
from abtest.estimation.binomial import Clicks
from abtest.estimation.clustered import Estimate, UnitMoments

Floats = NDArray[np.float64]

CI_METHODS = {
    "unit": "delta method on log lift, clustered by unit, Welch t",
    "impression": "Koopman score interval; pooled two-proportion z",
}
CTR_METHODS = {
    "unit": "delta method on logit CTR, clustered by unit, t",
    "impression": "Wilson score interval",
}


def estimate_cells(pairs: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """Add status and estimates to cells that have the moments of both arms.

    Args:
        pairs: One row a cell; columns ``<moment>_control`` and ``<moment>_treatment`` for every
            moment of :data:`abtest.counting.counts.MOMENTS`; zeros where an arm has no traffic.
        config: Design and analysis.

    Returns:
        ``pairs`` with the columns ``status``, ``control_ctr``, ``treatment_ctr``, ``abs_lift`` and
        ``rel_lift`` (each with ``_ci_lower`` and ``_ci_upper``), ``log_lift_se``,
        ``rel_lift_mde``, ``design_effect`` and ``p_value``; null where unknown.
    """
    if config.design.randomisation == "unit":
        columns = _clustered_columns(pairs, config)
    else:
        columns = _binomial_columns(pairs, config)
    estimated = pairs.with_columns(
        pl.Series(name, _null_unless_finite(values)) for name, values in columns.items()
    )
    status = _status(config, has_interval=pl.col("rel_lift_ci_lower").is_not_null())
    estimated = estimated.with_columns(status=status)
    # Below the stated minimum the approximation is not trusted with a test.
    tested = pl.col("status") == "ok"
    return estimated.with_columns(
        pl.when(tested).then(pl.col(name)).alias(name)
        for name in ("p_value", "rel_lift_mde", "log_lift_se")
    )


def arm_ctr(arms: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """Add ``ctr`` with its interval to arms that have the moments' columns."""
    moments = {name: arms[name].to_numpy().astype(np.float64) for name in MOMENTS}
    alpha = config.analysis.alpha
    if config.design.randomisation == "unit":
        estimate = clustered.ctr_interval(_unit_moments(moments), alpha)
    else:
        estimate = binomial.wilson_interval(Clicks(moments["c"], moments["n"]), alpha)
    return arms.with_columns(
        pl.Series(name, _null_unless_finite(values))
        for name, values in _named("ctr", estimate).items()
    )


def _clustered_columns(pairs: pl.DataFrame, config: LiftConfig) -> dict[str, Floats]:
    alpha = config.analysis.alpha
    control, treatment = (
        _unit_moments(_side(pairs, "control")),
        _unit_moments(_side(pairs, "treatment")),
    )
    lift = clustered.log_lift(control, treatment)
    return {
        **_named("control_ctr", clustered.ctr_interval(control, alpha)),
        **_named("treatment_ctr", clustered.ctr_interval(treatment, alpha)),
        **_named("abs_lift", clustered.ctr_difference(control, treatment, alpha)),
        **_named("rel_lift", clustered.lift_interval(lift, alpha)),
        "log_lift_se": lift.se,
        "rel_lift_mde": clustered.minimum_detectable_lift(lift, alpha),
        "design_effect": lift.design_effect,
        "p_value": clustered.lift_p_value(lift),
    }


def _binomial_columns(pairs: pl.DataFrame, config: LiftConfig) -> dict[str, Floats]:
    alpha = config.analysis.alpha
    sides = _side(pairs, "control"), _side(pairs, "treatment")
    control, treatment = (Clicks(side["c"], side["n"]) for side in sides)
    se = binomial.log_lift_se(control, treatment)
    unknown = np.full(len(pairs), np.nan)
    known = clustered.LogLift(unknown, se, unknown, unknown)
    return {
        **_named("control_ctr", binomial.wilson_interval(control, alpha)),
        **_named("treatment_ctr", binomial.wilson_interval(treatment, alpha)),
        **_named("abs_lift", binomial.mee_interval(control, treatment, alpha)),
        **_named("rel_lift", binomial.koopman_interval(control, treatment, alpha)),
        "log_lift_se": se,
        "rel_lift_mde": clustered.minimum_detectable_lift(known, alpha),
        "design_effect": unknown,
        "p_value": binomial.two_sided_p(binomial.pooled_z(control, treatment)),
    }


def _status(config: LiftConfig, *, has_interval: pl.Expr) -> pl.Expr:
    counted = "clicking_units" if config.design.randomisation == "unit" else "c"
    fewest = pl.min_horizontal(f"{counted}_control", f"{counted}_treatment")
    return (
        pl.when(pl.min_horizontal("n_control", "n_treatment") == 0)
        .then(pl.lit("arm_missing"))
        .when(pl.min_horizontal("c_control", "c_treatment") == 0)
        .then(pl.lit("zero_click"))
        .when((fewest < config.analysis.min_clicking_units) | ~has_interval)
        .then(pl.lit("too_small"))
        .otherwise(pl.lit("ok"))
    )


def _side(pairs: pl.DataFrame, arm: str) -> dict[str, Floats]:
    return {name: pairs[f"{name}_{arm}"].to_numpy().astype(np.float64) for name in MOMENTS}


def _unit_moments(moments: dict[str, Floats]) -> UnitMoments:
    return UnitMoments(*(moments[name] for name in UnitMoments._fields))


def _named(name: str, estimate: Estimate) -> dict[str, Floats]:
    return {
        name: estimate.value,
        f"{name}_ci_lower": estimate.lower,
        f"{name}_ci_upper": estimate.upper,
    }


def _null_unless_finite(values: Floats) -> pl.Series:
    return pl.Series(np.where(np.isfinite(values), values, np.nan)).fill_nan(None)
