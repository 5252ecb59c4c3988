"""Intervals of many lifts at once, each wide enough for all of them.

An adjusted interval is the category's own interval at another level, so whatever interval the
design asks for (Welch t on log lift, Koopman score) can be adjusted, and it excludes no effect
exactly where its adjusted p-value is below alpha. For m categories:

* ``bonferroni``: level alpha / m; all intervals hold together with confidence 1 - alpha.
* ``max_z``: the same promise by the joint distribution of the errors, hence narrower
  (:mod:`abtest.categories.simultaneous`).
* ``fcr``: level R * alpha / m for the R selected by Benjamini-Hochberg and no interval for the
  others; of the intervals made, a share of alpha at most misses on average, under independence or
  positive dependence (Benjamini and Yekutieli 2005, "False discovery rate-adjusted multiple
  confidence intervals", section 3).
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.categories.config import Categories, IntervalMethod
from abtest.categories.joint_errors import lift_correlation
from abtest.categories.multiplicity import adjusted_p_values
from abtest.categories.simultaneous import single_step
from abtest.config import Analysis, Design
from abtest.counting.sums import Sums
from abtest.estimation import binomial, clustered
from abtest.estimation.binomial import Clicks
from abtest.estimation.clustered import Estimate, LogLift, UnitMoments
from caig.contracts.categories import CATEGORY_INTERVALS
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]


class AdjustedLevel(NamedTuple):
    """What one method makes of one family.

    Attributes:
        level: Level of each interval (1 - its confidence); NaN if there is to be none.
        p_value_adj: Shape (m,).
        has_interval: Shape (m,), true where the method makes an interval.
        monte_carlo_se: Shape (m,), standard error of ``p_value_adj``; zeros in closed form.
    """

    level: float
    p_value_adj: Floats
    has_interval: NDArray[np.bool_]
    monte_carlo_se: Floats


def adjusted_level(
    p_values: Floats, method: IntervalMethod, *, correlation: Floats | None, alpha: float
) -> AdjustedLevel:
    """Level of the adjusted intervals of one family, and adjusted p-values that agree with them.

    Args:
        p_values: Shape (m,), two-sided, m >= 1, none unknown.
        method: Adjustment.
        correlation: Shape (m, m), of the errors; used by ``max_z``. None: independent, or unknown.
        alpha: 1 - confidence of the family.
    """
    m = p_values.size
    everywhere, exact = np.full(m, fill_value=True), np.zeros(m)
    if method == "bonferroni":
        adjusted = adjusted_p_values(p_values, "bonferroni")
        return AdjustedLevel(alpha / m, adjusted, everywhere, exact)
    if method == "max_z":
        joint = single_step(p_values, correlation, alpha)
        return AdjustedLevel(joint.level, joint.p_value_adj, everywhere, joint.monte_carlo_se)
    adjusted = adjusted_p_values(p_values, "bh")
    selected = adjusted < alpha
    n_selected = int(selected.sum())
    level = n_selected * alpha / m if n_selected else np.nan
    return AdjustedLevel(level, adjusted, selected, exact)


def adjusted_intervals(
    lift: LogLift, method: IntervalMethod, *, correlation: Floats | None, alpha: float
) -> tuple[Estimate, AdjustedLevel]:
    """Adjusted intervals of relative lifts estimated on the log scale.

    Args:
        lift: Log lifts of m cells with standard errors and degrees of freedom, all known.
        method: Adjustment.
        correlation: Shape (m, m), of the errors; None: independent, or unknown.
        alpha: 1 - confidence of the family.

    Returns:
        Relative lifts with limits (NaN where the method makes none), and what they were made of.
    """
    found = adjusted_level(
        clustered.lift_p_value(lift), method, correlation=correlation, alpha=alpha
    )
    return _limited(clustered.lift_interval(lift, found.level), found), found


def category_intervals(
    cells: pl.DataFrame,
    sums: Sums,
    *,
    design: Design,
    analysis: Analysis,
    categories: Categories,
) -> pl.DataFrame:
    """``category_intervals/1``: families are those of the lift table.

    A family is all tested category cells of an experiment, all its contrasts together.

    Args:
        cells: Estimated cells (:func:`abtest.estimation.cells.estimate_cells`) with
            ``experiment_id, contrast, category, control, treatment``.
        sums: Sums of the same log.
        design: How traffic was split.
        analysis: Level.
        categories: Methods.

    Returns:
        A row a tested category, contrast and method; empty where there are no categories.
    """
    is_tested = (pl.col("category") != ALL_CATEGORIES) & pl.col("p_value").is_not_null()
    tested = cells.filter(is_tested)
    parts = [
        _family_rows(family, method, correlation, design=design, alpha=analysis.alpha)
        for family in tested.partition_by("experiment_id", maintain_order=True)
        for correlation in [_correlation(family, sums, design, categories)]
        for method in categories.intervals
    ]
    return pl.concat([CATEGORY_INTERVALS.empty(), *parts])


def _correlation(
    family: pl.DataFrame, sums: Sums, design: Design, categories: Categories
) -> Floats | None:
    if "max_z" not in categories.intervals:
        return None
    return lift_correlation(family, sums, randomisation=design.randomisation)


def _family_rows(
    family: pl.DataFrame,
    method: IntervalMethod,
    correlation: Floats | None,
    *,
    design: Design,
    alpha: float,
) -> pl.DataFrame:
    found = adjusted_level(
        family["p_value"].to_numpy(), method, correlation=correlation, alpha=alpha
    )
    estimate = _limited(_lift_interval(family, found.level, design), found)
    known = np.isfinite(found.level)
    return family.select(
        "experiment_id",
        "contrast",
        "category",
        "rel_lift",
        method=pl.lit(method),
        rel_lift_ci_lower=pl.Series(estimate.lower).fill_nan(None),
        rel_lift_ci_upper=pl.Series(estimate.upper).fill_nan(None),
        p_value_adj=pl.Series(found.p_value_adj),
        monte_carlo_se=pl.Series(found.monte_carlo_se),
        selected=pl.Series(found.p_value_adj < alpha),
        family_size=pl.lit(family.height, dtype=pl.Int64),
        alpha=pl.lit(alpha),
        level=pl.lit(1 - found.level if known else None, dtype=pl.Float64),
    ).select(CATEGORY_INTERVALS.schema.names())


def _lift_interval(family: pl.DataFrame, level: float, design: Design) -> Estimate:
    """The interval of the lift table at another level."""
    control, treatment = (
        [family[f"{name}_{arm}"].to_numpy().astype(np.float64) for name in UnitMoments._fields]
        for arm in ("control", "treatment")
    )
    if design.randomisation == "unit":
        lift = clustered.log_lift(UnitMoments(*control), UnitMoments(*treatment))
        return clustered.lift_interval(lift, level)
    before, after = (Clicks(moments[2], moments[1]) for moments in (control, treatment))
    return binomial.koopman_interval(before, after, level)


def _limited(estimate: Estimate, found: AdjustedLevel) -> Estimate:
    return Estimate(
        estimate.value,
        np.where(found.has_interval, estimate.lower, np.nan),
        np.where(found.has_interval, estimate.upper, np.nan),
    )
