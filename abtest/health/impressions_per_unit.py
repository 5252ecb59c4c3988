"""Does the treatment change how many impressions a unit gets?

Welch's analysis of variance (Welch 1951) of impressions per unit over the arms, from their sums and
sums of squares; with two arms it is Welch's t-test. It is no fault of the randomisation and
withholds nothing, but it says that the denominator of CTR is itself an effect, so that CTR alone
does not tell whether units click more.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.config import LiftConfig
from abtest.health.rows import completed, experiments_of, health_rows
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES, HEALTH

Floats = NDArray[np.float64]
CHECK = "impressions_per_unit"


class WelchTest(NamedTuple):
    """Welch's test of equal means.

    Attributes:
        statistic: F; with two groups the square of Welch's t.
        p_value: Of equal means.
    """

    statistic: Floats
    p_value: Floats


def welch_anova(size: Floats, mean: Floats, variance: Floats) -> WelchTest:
    """Test of equal means of groups whose variances differ.

    Args:
        size: Shape (..., groups); 0 where there is no such group.
        mean: Shape (..., groups).
        variance: Shape (..., groups), with ``size - 1`` in the denominator.

    Returns:
        Shapes (...); NaN where a group has fewer than two members or does not vary.
    """
    exists = size > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(exists, size / np.where(variance > 0, variance, np.nan), 0.0)
        groups = exists.sum(-1)
        total = weight.sum(-1)
        centre = (weight * np.where(exists, mean, 0.0)).sum(-1) / total
        between = (weight * (np.where(exists, mean, 0.0) - centre[..., None]) ** 2).sum(-1)
        lost = np.where(exists, (1 - weight / total[..., None]) ** 2 / (size - 1), 0.0).sum(-1)
        numerator = between / (groups - 1)
        statistic = numerator / (1 + 2 * (groups - 2) / (groups**2 - 1) * lost)
        dof = (groups**2 - 1) / (3 * lost)
        p_value = special.fdtrc(groups - 1, dof, statistic)
    known = np.isfinite(statistic) & (groups > 1) & np.all(~exists | (size > 1), -1)
    return WelchTest(np.where(known, statistic, np.nan), np.where(known, p_value, np.nan))


def impressions_per_unit_check(daily: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """The check, one row of ``health/1`` an experiment.

    Args:
        daily: As of :class:`abtest.counting.sums.Sums`.
        config: Design and thresholds.
    """
    alpha = config.health.impressions_per_unit_alpha
    if config.design.randomisation == "impression":
        reason = "impressions, not units, were randomised"
        return completed(HEALTH.empty(), experiments_of(daily), CHECK, reason)
    arms = (
        daily.filter(pl.col("category") == ALL_CATEGORIES)
        .group_by("experiment_id", "arm")
        .agg(pl.col("units", "n", "nn").sum())
        .sort("experiment_id", "arm")
        .with_columns(mean=pl.col("n") / pl.col("units"))
        .with_columns(
            variance=(pl.col("nn") - pl.col("n") * pl.col("mean")) / (pl.col("units") - 1)
        )
    )
    row, column = (
        (pl.col(name).rank("dense") - 1).cast(pl.Int64) for name in ("experiment_id", "arm")
    )
    place = arms.select(row, arm=column.over("experiment_id")).to_numpy()
    test = welch_anova(*_groups(arms, place))
    means = (
        arms.with_columns(shown=pl.format("{}: {}", "arm", pl.col("mean").round(2).cast(pl.String)))
        .group_by("experiment_id", maintain_order=True)
        .agg(pl.col("shown").str.join(", "))
        .with_columns(statistic=pl.Series(test.statistic), p_value=pl.Series(test.p_value))
        .with_columns(pl.col("statistic", "p_value").fill_nan(None))
    )
    details = [
        _detail(shown, p, alpha) for shown, p in means.select("shown", "p_value").iter_rows()
    ]
    status = (
        pl.when(pl.col("p_value").is_null())
        .then(pl.lit("not_enough_traffic"))
        .when(pl.col("p_value") < alpha)
        .then(pl.lit("unhealthy"))
        .otherwise(pl.lit("healthy"))
    )
    rows = means.with_columns(status=status, detail=pl.Series(details, dtype=pl.String))
    return health_rows(rows, CHECK, threshold=alpha)


def _groups(arms: pl.DataFrame, place: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Size, mean and variance of every experiment's arms, shape (experiments, arms)."""
    shape = tuple(place.max(0) + 1)
    groups = []
    for name in ("units", "mean", "variance"):
        values = np.zeros(shape)
        values[place[:, 0], place[:, 1]] = arms[name].to_numpy().astype(np.float64)
        groups.append(values)
    return groups[0], groups[1], groups[2]


def _detail(shown: str, p: float | None, alpha: float) -> str:
    detail = f"impressions per unit by arm: {shown}"
    if p is None:
        return f"{detail}; an arm has one unit only, or its units do not vary"
    if p >= alpha:
        return detail
    return (
        f"{detail} (p {text.p_value(p)}): the denominator of CTR is itself an effect; read clicks "
        "per unit beside it"
    )
