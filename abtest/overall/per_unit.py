"""Impressions and clicks per unit: whether the treatment changed how much units see.

CTR divides by impressions. Where a treatment changes how many ads a unit is shown, the divisor is
itself an effect, and CTR may rise while clicks fall. So the two means per unit stand beside every
overall lift. Units that saw nothing are not in a log and not in these means.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.config import LiftConfig
from abtest.estimation import clustered
from abtest.estimation.clustered import UnitMoments
from caig.contracts.experiments import ALL_CATEGORIES, UNIT_METRICS

Floats = NDArray[np.float64]
METRICS = {"impressions_per_unit": ("n", "nn"), "clicks_per_unit": ("c", "cc")}
"""Metric to the sums it is made of: of the counted thing, and of its squares."""


def unit_metrics(pairs: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """Means per unit of both arms and their relative lift, overall.

    A mean per unit is a ratio whose denominator is 1 for every unit, so the delta method of
    :mod:`abtest.estimation.clustered` gives Welch's interval of it.

    Args:
        pairs: Cells with the moments of both arms, as for
            :func:`abtest.estimation.cells.estimate_cells`.
        config: Design and analysis.

    Returns:
        ``unit_metrics/1``; empty where impressions, not units, were randomised.
    """
    overall = pairs.filter(pl.col("category") == ALL_CATEGORIES)
    if config.design.randomisation != "unit" or overall.is_empty():
        return UNIT_METRICS.empty()
    parts = [_metric(overall, metric, config.analysis.alpha) for metric in METRICS]
    return pl.concat(parts).sort("experiment_id", "contrast", "metric")


def _metric(overall: pl.DataFrame, metric: str, alpha: float) -> pl.DataFrame:
    control, treatment = (_per_unit(overall, metric, arm) for arm in ("control", "treatment"))
    lift = clustered.log_lift(control, treatment)
    estimates = {
        "control": clustered.ratio_interval(control, alpha),
        "treatment": clustered.ratio_interval(treatment, alpha),
        "rel_lift": clustered.lift_interval(lift, alpha),
    }
    columns = {"p_value": clustered.lift_p_value(lift)}
    for name, estimate in estimates.items():
        columns |= {
            name: estimate.value,
            f"{name}_ci_lower": estimate.lower,
            f"{name}_ci_upper": estimate.upper,
        }
    return overall.select(
        "experiment_id",
        "contrast",
        metric=pl.lit(metric),
        ci_method=pl.lit("Welch t over units; lift on the log scale"),
        **{name: pl.Series(values).fill_nan(None) for name, values in columns.items()},
    ).select(UNIT_METRICS.schema.names())


def _per_unit(overall: pl.DataFrame, metric: str, arm: str) -> UnitMoments:
    total, squares = METRICS[metric]

    def sums(name: str) -> Floats:
        return overall[f"{name}_{arm}"].to_numpy().astype(np.float64)

    units = sums("units")
    return UnitMoments(
        units=units, n=units, c=sums(total), nn=units, cc=sums(squares), nc=sums(total)
    )
