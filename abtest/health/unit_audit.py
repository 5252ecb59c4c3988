"""What only single units and rows can tell: bots, repeated rows, exposures before assignment.

A unit is bot-like by its rate, not by a name: more impressions on a day, or a higher CTR over many
clicks, than people reach. They are not removed by themselves; the counts without them come back, so
that the lift can be made both ways. To leave them out conditions on what came after assignment: if
the treatment makes units bot-like, the lift without them is biased, and the counts by arm tell.

The other two work on the log's rows, since counts by unit and day no longer hold what they need.
"""

from typing import NamedTuple

import polars as pl

from abtest.counting.counts import UnitCounts
from abtest.health.config import Health
from abtest.health.rows import health_rows
from caig import text
from caig.contracts.health import BOT_LIKE_UNITS

BOTS = "bot_like_units"
DUPLICATES = "duplicate_impressions"
EARLY = "exposure_before_assignment"
SINGLE = "experiment"
"""Name of the experiment of rows that name none, as where logs are read."""


class UnitAudit(NamedTuple):
    """Bot-like units of a log.

    Attributes:
        checks: ``health/1``, one row an experiment whose log names units.
        bots: ``bot_like_units/1``.
        kept: The counts without bot-like units.
    """

    checks: pl.DataFrame
    bots: pl.DataFrame
    kept: UnitCounts


def audit_units(counts: UnitCounts, config: Health) -> UnitAudit:
    """Find bot-like units, in all arms of their experiment alike.

    Args:
        counts: Counts of a log, all of it.
        config: Thresholds. The one by day is not used where the log names no day.
    """
    named = counts.cells.filter(pl.col("unit_id").is_not_null())
    unit = ["experiment_id", "unit_id"]
    daily = named.group_by(*unit, "day").agg(pl.col("n", "c").sum())
    is_dated = pl.col("day").is_not_null()
    totals = daily.group_by(unit).agg(
        pl.col("n", "c").sum(), most=pl.col("n").filter(is_dated).max()
    )
    clicks_much = (pl.col("c") >= config.bot_min_clicks) & (
        pl.col("c") > config.bot_ctr * pl.col("n")
    )
    sees_much = (pl.col("most") > config.bot_impressions_per_day).fill_null(value=False)
    bots = totals.filter(sees_much | clicks_much).select(unit)
    by_arm = _by_arm(named, bots)
    return UnitAudit(
        _bot_check(by_arm, config),
        by_arm,
        UnitCounts(
            # A unit is null where the log names none; nulls match nothing and stay.
            counts.cells.join(bots, on=unit, how="anti", maintain_order="left")
        ),
    )


def duplicate_impressions(
    rows: pl.LazyFrame | pl.DataFrame, impression: str, config: Health, *, experiment: str = ""
) -> pl.DataFrame:
    """Rows that repeat the impression of another row.

    Args:
        rows: Rows of the log. Rows whose impression is null are not looked at.
        impression: Column that names the impression.
        config: Thresholds.
        experiment: Column that names the experiment; empty if there is none, and then the log is
            one experiment called :data:`SINGLE`.

    Returns:
        ``health/1``, one row an experiment.
    """
    named = rows.lazy().filter(pl.col(impression).is_not_null())
    counted = named.group_by(_experiment(experiment)).agg(
        rows=pl.len(), found=pl.len() - pl.col(impression).n_unique()
    )
    return _share_check(
        counted.collect(), DUPLICATES, config.max_duplicate_share, "repeat an impression"
    )


def exposure_before_assignment(
    rows: pl.LazyFrame | pl.DataFrame,
    day: str,
    assigned: str,
    config: Health,
    *,
    experiment: str = "",
) -> pl.DataFrame:
    """Rows from before their unit was assigned.

    Args:
        rows: Rows of the log. Rows with a null in either column are not looked at.
        day: Column of the day or time of the row.
        assigned: Column of the day or time of the assignment, of the same type.
        config: Thresholds.
        experiment: As in :func:`duplicate_impressions`.

    Returns:
        ``health/1``, one row an experiment.
    """
    early = pl.col(day) < pl.col(assigned)
    counted = (
        rows.lazy()
        .filter(early.is_not_null())
        .group_by(_experiment(experiment))
        .agg(rows=pl.len(), found=early.sum())
    )
    return _share_check(
        counted.collect(), EARLY, config.max_early_share, "are from before their unit's assignment"
    )


def _by_arm(cells: pl.DataFrame, bots: pl.DataFrame) -> pl.DataFrame:
    key = ["experiment_id", "arm"]

    def summed(part: pl.DataFrame, ending: str) -> pl.DataFrame:
        return part.group_by(key).agg(
            pl.col("unit_id").n_unique().cast(pl.Int64).alias(f"n_units{ending}"),
            pl.col("n").sum().alias(f"n_impressions{ending}"),
            pl.col("c").sum().alias(f"n_clicks{ending}"),
        )

    of_bots = cells.join(bots, on=["experiment_id", "unit_id"], how="semi")
    return (
        summed(cells, "")
        .join(summed(of_bots, "_bot"), on=key, how="left")
        .with_columns(pl.col("^.*_bot$").fill_null(0), pl.col(key).cast(pl.String))
        .select(BOT_LIKE_UNITS.schema.names())
        .sort(key)
    )


def _bot_check(by_arm: pl.DataFrame, config: Health) -> pl.DataFrame:
    share = pl.col("n_impressions_bot") / pl.col("n_impressions")
    shown = [
        f"{arm}: {text.count(bots)} of {text.plural(units, 'unit')}, "
        f"{text.percent(n_bots / n)} of impressions, {text.count(c_bots)} of {text.count(c)} clicks"
        for arm, units, bots, n, n_bots, c, c_bots in by_arm.drop("experiment_id").iter_rows()
    ]
    found = (
        by_arm.with_columns(shown=pl.Series(shown, dtype=pl.String), share=share)
        .group_by("experiment_id", maintain_order=True)
        .agg(statistic=pl.col("share").max(), detail=pl.col("shown").str.join("; "))
        .with_columns(
            status=_unhealthy_beyond(pl.col("statistic"), config.max_bot_share),
            detail=pl.lit("bot-like units by arm: ") + pl.col("detail"),
        )
    )
    return health_rows(found, BOTS, threshold=config.max_bot_share)


def _share_check(counted: pl.DataFrame, check: str, threshold: float, what: str) -> pl.DataFrame:
    # Rows that name no experiment are one group even where there are none.
    counted = counted.filter(pl.col("rows") > 0).sort("experiment_id")
    details = [
        f"{text.count(found)} of {text.plural(rows, 'row')} {what} "
        f"({text.percent(found / rows, 2)})"
        for rows, found in counted.select("rows", "found").iter_rows()
    ]
    found = counted.with_columns(
        statistic=pl.col("found") / pl.col("rows"),
        status=_unhealthy_beyond(pl.col("found") / pl.col("rows"), threshold),
        detail=pl.Series(details, dtype=pl.String),
    )
    return health_rows(found, check, threshold=threshold)


def _unhealthy_beyond(share: pl.Expr, threshold: float) -> pl.Expr:
    return pl.when(share > threshold).then(pl.lit("unhealthy")).otherwise(pl.lit("healthy"))


def _experiment(column: str) -> pl.Expr:
    name = pl.col(column).cast(pl.String) if column else pl.lit(SINGLE)
    return name.alias("experiment_id")
