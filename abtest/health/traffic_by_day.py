"""Did the split stay the same on every day?

Pearson's chi-square of homogeneity of the arms' new traffic by day: units on the day they were
first seen (impressions, where those were randomised). A split that changed confounds the arm with
the day even where the totals are right: half of an arm lost on Monday and made up for on Tuesday,
or a rollout whose share grew. The declared split plays no part here. The treatment cannot cause it,
since it had not acted on a unit that is seen for the first time.
"""

from datetime import date

import numpy as np
import polars as pl
from scipy import special

from abtest.config import LiftConfig
from abtest.counting.sums import Sums
from abtest.health.rows import completed, experiments_of, health_rows
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES

CHECK = "traffic_by_day"


def daily_traffic(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    """New traffic by day and arm, zeros where an arm had none on a day on which another had.

    Args:
        sums: Sums of the log.
        config: Design.

    Returns:
        Columns ``experiment_id, day, arm, observed``, sorted; without days that are not named.
    """
    if config.design.randomisation == "unit":
        traffic = sums.first_seen.select("experiment_id", "day", "arm", observed="units")
    else:
        overall = sums.daily.filter(pl.col("category") == ALL_CATEGORIES)
        traffic = overall.select("experiment_id", "day", "arm", observed="n")
    traffic = traffic.filter(pl.col("day").is_not_null())
    arms = sums.daily.select("experiment_id", "arm").unique()
    grid = traffic.select("experiment_id", "day").unique().join(arms, on="experiment_id")
    key = ["experiment_id", "day", "arm"]
    summed = traffic.group_by(key).agg(pl.col("observed").sum())
    return (
        grid.join(summed, on=key, how="left")
        .with_columns(pl.col("observed").fill_null(0))
        .select(*key, "observed")
        .sort(key)
    )


def traffic_by_day_check(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    """The check, one row of ``health/1`` an experiment.

    Days on which some arm expects too little are left out, which depends on the days' and the arms'
    totals alone.

    Args:
        sums: Sums of the log.
        config: Design and thresholds.
    """
    alpha, least = config.health.sample_ratio_alpha, config.health.min_expected
    traffic = daily_traffic(sums, config)
    tested = _with_expected(traffic).filter(
        pl.col("expected").min().over("experiment_id", "day") >= least
    )
    by_day = (
        _with_expected(tested.select(traffic.columns))
        .group_by("experiment_id", "day", maintain_order=True)
        .agg(
            statistic=((pl.col("observed") - pl.col("expected")) ** 2 / pl.col("expected")).sum(),
            n_arms=pl.len(),
        )
        .group_by("experiment_id", maintain_order=True)
        .agg(
            pl.col("statistic").sum(),
            pl.col("n_arms").first(),
            n_tested=pl.len(),
            worst=pl.col("day").sort_by("statistic", descending=True).first(),
        )
        .filter((pl.col("n_tested") > 1) & (pl.col("n_arms") > 1))
    )
    dof = ((by_day["n_tested"] - 1) * (by_day["n_arms"] - 1)).to_numpy().astype(np.float64)
    p_values = special.chdtrc(dof, by_day["statistic"].to_numpy())
    found = (
        traffic.group_by("experiment_id", maintain_order=True)
        .agg(n_days=pl.col("day").n_unique())
        .join(
            by_day.with_columns(p_value=pl.Series(p_values, dtype=pl.Float64)),
            on="experiment_id",
            how="left",
            maintain_order="left",
        )
    )
    columns = ("n_days", "n_tested", "worst", "p_value")
    details = [_detail(*row, config=config) for row in found.select(columns).iter_rows()]
    found = found.with_columns(
        status=pl.when(pl.col("p_value").is_null())
        .then(pl.lit("not_enough_traffic"))
        .when(pl.col("p_value") < alpha)
        .then(pl.lit("unhealthy"))
        .otherwise(pl.lit("healthy")),
        detail=pl.Series(details, dtype=pl.String),
    )
    rows = health_rows(found, CHECK, threshold=alpha)
    return completed(rows, experiments_of(sums.daily), CHECK, "the log names no day")


def _with_expected(traffic: pl.DataFrame) -> pl.DataFrame:
    observed = pl.col("observed")
    of_day = observed.sum().over("experiment_id", "day").cast(pl.Float64)
    of_arm = observed.sum().over("experiment_id", "arm")
    return traffic.with_columns(expected=of_day * of_arm / observed.sum().over("experiment_id"))


def _detail(
    n_days: int, n_tested: int | None, worst: date | None, p: float | None, *, config: LiftConfig
) -> str:
    counted = "new units" if config.design.randomisation == "unit" else "impressions"
    if p is None or n_tested is None:
        return (
            f"{counted} of {text.plural(n_days, 'day')}; the check needs two days on which every "
            f"arm expects {config.health.min_expected:g}"
        )
    detail = f"{counted} by arm on {text.plural(n_tested, 'day')}"
    if n_days > n_tested:
        detail += f" ({n_days - n_tested} more have too little traffic to tell)"
    if p >= config.health.sample_ratio_alpha:
        return f"{detail}: the split does not differ between days"
    return f"{detail}: the split differs between days, most on {worst}"
