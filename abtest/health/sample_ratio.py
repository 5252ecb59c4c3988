"""Sample-ratio check: did every arm get the share of traffic the design declares?

Pearson's chi-square of units (impressions, where those were randomised) by arm, overall and by
category. By category the p-values are corrected by Holm's method, whatever corrects the lifts: one
category off the split withholds the verdicts of all, so the chance that any of them is flagged by
luck is what must stay at the level; 44 plain tests at .001 would flag 4 % of all experiments.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.config import LiftConfig
from abtest.counting.sums import Sums
from abtest.health.rows import counts, health_rows
from caig.contracts.experiments import ALL_CATEGORIES, SAMPLE_RATIO
from caig.errors import DataError

Floats = NDArray[np.float64]
CELL = ["experiment_id", "category"]


def chi_square(observed: pl.Expr, expected: pl.Expr) -> pl.Expr:
    """Pearson's statistic ``sum((observed - expected)^2 / expected)``."""
    return ((observed - expected) ** 2 / expected).sum()


def chi_square_p_value(statistic: Floats, n_arms: Floats) -> Floats:
    """Upper tail of chi-square with ``n_arms - 1`` degrees of freedom.

    Args:
        statistic: Shape (cells,).
        n_arms: Shape (cells,).
    """
    return np.asarray(special.chdtrc(n_arms - 1, statistic), dtype=np.float64)


def holm(p_value: pl.Expr, family: str) -> pl.Expr:
    """Holm's adjusted p-values within each group of ``family``; null p-values are not tests.

    Args:
        p_value: Sorted within the group, nulls last.
        family: Column that names the group.
    """
    left = p_value.count() - pl.int_range(pl.len())
    return (p_value * left).cum_max().clip(upper_bound=1.0).over(family)


def sample_ratios(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    """Traffic by arm against the declared split, for every experiment and category.

    Args:
        sums: Sums of the log.
        config: Design and thresholds.

    Returns:
        ``sample_ratio/1``. A cell in which some arm expects too little has no p-value and the
        status ``not_enough_traffic``.

    Raises:
        DataError: The declared split and an experiment do not have the same arms.
    """
    table = _against_split(sums, config)
    cells = (
        table.group_by(CELL, maintain_order=True)
        .agg(
            statistic=chi_square(pl.col("observed"), pl.col("expected")),
            n_arms=pl.len(),
            least_expected=pl.col("expected").min(),
        )
        .filter((pl.col("n_arms") > 1) & (pl.col("least_expected") >= config.health.min_expected))
    )
    p_values = chi_square_p_value(
        cells["statistic"].to_numpy(), cells["n_arms"].to_numpy().astype(float)
    )
    cells = _with_adjusted(cells.with_columns(p_value=p_values))
    is_off = pl.col("p_value_adj") < config.health.sample_ratio_alpha
    return (
        table.join(cells, on=CELL, how="left", maintain_order="left")
        .with_columns(
            status=pl.when(pl.col("p_value").is_null())
            .then(pl.lit("not_enough_traffic"))
            .when(is_off)
            .then(pl.lit("unhealthy"))
            .otherwise(pl.lit("healthy")),
        )
        .select(SAMPLE_RATIO.schema.names())
    )


def first_exposures(first_seen: pl.DataFrame) -> pl.DataFrame:
    """Units by the category they saw first.

    Args:
        first_seen: As of :class:`abtest.counting.sums.Sums`.

    Returns:
        Columns ``experiment_id, category, arm, observed``; without the units of a log that names no
        category.
    """
    named = first_seen.filter(pl.col("category").is_not_null())
    return named.group_by("experiment_id", "category", "arm").agg(observed=pl.col("units").sum())


def sample_ratio_check(ratios: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """The overall check, one row of ``health/1`` an experiment.

    Args:
        ratios: ``sample_ratio/1``.
        config: Thresholds.
    """
    overall = ratios.filter(pl.col("category") == ALL_CATEGORIES)
    by_arm = pl.format(
        "{}: {} of {} expected",
        "arm",
        counts(overall["observed"]),
        counts(overall["expected"]),
    )
    few = f"; the check needs {config.health.min_expected:g} expected in every arm"
    is_known = pl.col("p_value").is_not_null()
    found = (
        overall.with_columns(by_arm=by_arm)
        .group_by("experiment_id", maintain_order=True)
        .agg(
            pl.col("status", "counted", "p_value").first(),
            statistic=chi_square(pl.col("observed"), pl.col("expected")),
            by_arm=pl.col("by_arm").str.join(", "),
        )
        .with_columns(
            detail=pl.format(
                "{} by arm: {}{}",
                "counted",
                "by_arm",
                pl.when(~is_known).then(pl.lit(few)).otherwise(pl.lit("")),
            ),
            statistic=pl.when(is_known).then("statistic"),
        )
    )
    return health_rows(found, "sample_ratio", threshold=config.health.sample_ratio_alpha)


def declared_shares(arms: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """The share of traffic every arm was to get.

    Args:
        arms: Columns ``experiment_id, arm``, one row an arm.
        config: Design.

    Returns:
        ``arms`` with the column ``share``.

    Raises:
        DataError: The declared split and an experiment do not have the same arms.
    """
    split = config.design.expected_split
    if isinstance(split, str):
        return arms.with_columns(share=1.0 / pl.len().over("experiment_id"))
    named = sorted(split)
    found = arms.group_by("experiment_id").agg(pl.col("arm").sort()).sort("experiment_id")
    for experiment, names in found.iter_rows():
        if names != named:
            raise DataError(
                f"experiment {experiment!r}: design.expected_split names the arms "
                f"{', '.join(named)}; the log has {', '.join(names)}"
            )
    share = pl.col("arm").replace_strict(split, return_dtype=pl.Float64)
    return arms.with_columns(share=share)


def _against_split(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    is_unit = config.design.randomisation == "unit"
    column = "units" if is_unit else "n"
    daily = sums.daily
    if is_unit:
        overall = daily.filter(pl.col("category") == ALL_CATEGORIES)
        counted = overall.group_by(*CELL, "arm").agg(observed=pl.col(column).sum())
        observed = pl.concat([counted, first_exposures(sums.first_seen)])
    else:
        observed = daily.group_by(*CELL, "arm").agg(observed=pl.col(column).sum())
    shares = declared_shares(daily.select("experiment_id", "arm").unique(), config)
    grid = observed.select(CELL).unique().join(shares, on="experiment_id")
    return (
        grid.join(observed, on=[*CELL, "arm"], how="left")
        .with_columns(
            pl.col("observed").fill_null(0),
            counted=pl.lit("units" if is_unit else "impressions"),
        )
        .with_columns(expected=pl.col("share") * pl.col("observed").sum().over(CELL))
        .sort(*CELL, "arm")
    )


def _with_adjusted(cells: pl.DataFrame) -> pl.DataFrame:
    """Correct over an experiment's categories; the overall check is a test of its own."""
    is_overall = pl.col("category") == ALL_CATEGORIES
    overall = cells.filter(is_overall).with_columns(p_value_adj="p_value")
    family = cells.filter(~is_overall).sort("experiment_id", "p_value", nulls_last=True)
    adjusted = family.with_columns(p_value_adj=holm(pl.col("p_value"), "experiment_id"))
    return pl.concat([overall, adjusted])
