"""Sample-ratio check: did every arm get the share of traffic the design declares?

Pearson's chi-square of units (impressions, where those were randomised) by arm, overall and by
category, the latter corrected over the categories like the lifts.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.categories.multiplicity import adjusted_p_values
from abtest.config import LiftConfig
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


def sample_ratios(daily: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """Traffic by arm against the declared split, for every experiment and category.

    Args:
        daily: :func:`abtest.counting.counts.daily_moments` of the log.
        config: Design, correction and thresholds.

    Returns:
        ``sample_ratio/1``. A cell in which some arm expects too little has no p-value and the
        status ``not_enough_traffic``.

    Raises:
        DataError: The declared split and an experiment do not have the same arms.
    """
    counted = "units" if config.design.randomisation == "unit" else "impressions"
    table = _against_split(daily, counted, config)
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
    cells = _with_adjusted(cells.with_columns(p_value=p_values), config)
    is_off = pl.col("p_value_adj") < config.health.sample_ratio_alpha
    return (
        table.join(cells, on=CELL, how="left", maintain_order="left")
        .with_columns(
            counted=pl.lit(counted),
            status=pl.when(pl.col("p_value").is_null())
            .then(pl.lit("not_enough_traffic"))
            .when(is_off)
            .then(pl.lit("unhealthy"))
            .otherwise(pl.lit("healthy")),
        )
        .select(SAMPLE_RATIO.schema.names())
    )


def _against_split(daily: pl.DataFrame, counted: str, config: LiftConfig) -> pl.DataFrame:
    column = "units" if counted == "units" else "n"
    observed = daily.group_by(*CELL, "arm").agg(observed=pl.col(column).sum())
    arms = daily.select("experiment_id", "arm").unique()
    grid = daily.select(CELL).unique().join(arms, on="experiment_id")
    return (
        grid.join(observed, on=[*CELL, "arm"], how="left")
        .with_columns(pl.col("observed").fill_null(0), share=_declared_share(arms, config))
        .with_columns(expected=pl.col("share") * pl.col("observed").sum().over(CELL))
        .sort(*CELL, "arm")
    )


def _declared_share(arms: pl.DataFrame, config: LiftConfig) -> pl.Expr:
    split = config.design.expected_split
    if isinstance(split, str):
        return 1.0 / pl.col("arm").n_unique().over("experiment_id")
    for (experiment,), group in arms.group_by("experiment_id"):
        found = set(group["arm"])
        if found != set(split):
            raise DataError(
                f"experiment {experiment!r}: design.expected_split names the arms "
                f"{', '.join(sorted(split))}; the log has {', '.join(sorted(found))}"
            )
    return pl.col("arm").replace_strict(split, return_dtype=pl.Float64)


def _with_adjusted(cells: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """Correct over an experiment's categories; the overall check is a test of its own."""
    parts = []
    for group in cells.partition_by("experiment_id", maintain_order=True):
        p = group["p_value"].to_numpy()
        is_overall = (group["category"] == ALL_CATEGORIES).to_numpy()
        family = np.where(is_overall, np.nan, p)
        adjusted = adjusted_p_values(family, config.analysis.correction)
        parts.append(group.with_columns(p_value_adj=np.where(is_overall, p, adjusted)))
    empty = cells.clear().with_columns(p_value_adj=pl.lit(None, dtype=pl.Float64))
    return pl.concat([empty, *parts])
