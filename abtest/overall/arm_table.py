"""The table that compares all arms of an experiment, with control and with the best."""

from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.counting.counts import MOMENTS
from abtest.estimation import clustered
from abtest.estimation.binomial import Clicks, koopman_interval, pooled_z
from abtest.estimation.clustered import Estimate, UnitMoments
from abtest.overall.several_arms import (
    compare_with_best,
    dunnett_critical,
    dunnett_p_values,
    shared_loadings,
)
from caig.contracts.overall import ARM_COMPARISON

Floats = NDArray[np.float64]

METHODS = {
    "unit": "Dunnett on Welch t of the log lift, clustered by unit; normal posterior of log CTR; "
    "Hsu's set of the best",
    "impression": "Dunnett on the pooled z, Koopman intervals; normal posterior of log CTR with "
    "half a click added; Hsu's set of the best",
}


def arm_comparison(arms: pl.DataFrame, *, alpha: float, randomisation: str) -> pl.DataFrame:
    """Compare the arms of every experiment.

    Args:
        arms: :func:`abtest.estimation.arms.comparable_arms`: ``experiment_id``, ``arm``,
            ``is_control`` and the moments; one control an experiment.
        alpha: 1 - simultaneous confidence within an experiment.
        randomisation: ``unit`` or ``impression``.

    Returns:
        ``arm_comparison/1``, control first. Treatments without clicks have no test and do not count
        in the family where units were randomised, and then no arm can be called best.
    """
    ordered = arms.sort("experiment_id", "is_control", "arm", descending=[False, True, False])
    ordered = ordered.with_columns(n_arms=pl.len().over("experiment_id"))
    # Experiments with as many arms are one array.
    parts = [
        _compared(group, alpha, randomisation)
        for group in ordered.partition_by("n_arms", maintain_order=True)
    ]
    table = pl.concat(parts).sort("experiment_id", pl.col("contrast").is_not_null(), "arm")
    return table.select(ARM_COMPARISON.schema.names())


def _compared(group: pl.DataFrame, alpha: float, randomisation: str) -> pl.DataFrame:
    shape = (-1, group["n_arms"][0])
    moments = {name: group[name].to_numpy().astype(np.float64).reshape(shape) for name in MOMENTS}
    if randomisation == "unit":
        log_ctr, variances = _clustered_log_ctr(moments)
        lift, p = _clustered_dunnett(moments, variances, alpha)
    else:
        log_ctr, variances = _binomial_log_ctr(moments)
        lift, p = _binomial_dunnett(moments, variances, alpha)
    best = compare_with_best(log_ctr, variances)
    in_best_set = np.where(np.isnan(best.p_not_worse), np.nan, best.p_not_worse >= alpha)
    columns = {
        "rel_lift": _with_control(lift.value),
        "rel_lift_ci_lower": _with_control(lift.lower),
        "rel_lift_ci_upper": _with_control(lift.upper),
        "p_value_dunnett": _with_control(p),
        "p_best": np.clip(best.p_best, 0.0, 1.0),
        "expected_loss": best.expected_loss,
        "in_best_set": in_best_set,
    }
    control = pl.col("arm").first().over("experiment_id")
    return group.with_columns(
        *(_series(name, values.ravel()) for name, values in columns.items()),
        contrast=pl.when(~pl.col("is_control")).then(pl.format("{} vs {}", "arm", control)),
        method=pl.lit(METHODS[randomisation]),
    ).with_columns(pl.col("in_best_set").cast(pl.Boolean))


def _clustered_log_ctr(moments: dict[str, Floats]) -> tuple[Floats, Floats]:
    arms = UnitMoments(*(moments[name] for name in UnitMoments._fields))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(arms.c > 0, arms.c / arms.n, np.nan)
        variance = clustered.ctr_variance(arms) / rate**2
    return np.log(rate), np.where(variance > 0, variance, np.nan)


def _binomial_log_ctr(moments: dict[str, Floats]) -> tuple[Floats, Floats]:
    """With half a click added to clicks and to misses, so that every arm has a place."""
    clicks, shown = moments["c"] + 0.5, moments["n"] + 1.0
    return np.log(clicks / shown), 1 / clicks - 1 / shown


def _clustered_dunnett(
    moments: dict[str, Floats], variances: Floats, alpha: float
) -> tuple[Estimate, Floats]:
    control, treatment = (
        UnitMoments(*(moments[name][:, side] for name in UnitMoments._fields))
        for side in (slice(0, 1), slice(1, None))
    )
    lift = clustered.log_lift(control, treatment)
    loadings = shared_loadings(variances[:, 0], variances[:, 1:])
    # Student's t by the normal quantile of its p-value, so that all share one scale.
    z = -special.ndtri(clustered.lift_p_value(lift) / 2)
    local = 2 * special.ndtr(-dunnett_critical(loadings, alpha))[:, None]
    dof = np.where(lift.dof > 0, lift.dof, 1.0)
    half = special.stdtrit(dof, 1 - local / 2) * lift.se
    interval = Estimate(
        np.expm1(lift.value), np.expm1(lift.value - half), np.expm1(lift.value + half)
    )
    return interval, dunnett_p_values(z, loadings)


def _binomial_dunnett(
    moments: dict[str, Floats], variances: Floats, alpha: float
) -> tuple[Estimate, Floats]:
    treatment = Clicks(moments["c"][:, 1:], moments["n"][:, 1:])
    control = Clicks(
        *(np.broadcast_to(moments[name][:, :1], treatment.c.shape) for name in ("c", "n"))
    )
    loadings = shared_loadings(variances[:, 0], variances[:, 1:])
    local = 2 * special.ndtr(-dunnett_critical(loadings, alpha))[:, None]
    # A level of its own for every experiment: the interval only ever broadcasts it.
    interval = koopman_interval(control, treatment, cast(float, local))
    return interval, dunnett_p_values(pooled_z(control, treatment), loadings)


def _with_control(treatments: Floats) -> Floats:
    """Unknown for control, which is not compared with itself."""
    return np.concatenate([np.full((len(treatments), 1), np.nan), treatments], axis=1)


def _series(name: str, values: Floats) -> pl.Series:
    return pl.Series(name, np.where(np.isfinite(values), values, np.nan)).fill_nan(None)
