"""Is the experiment what its design says it is? Checks that come before any lift.

Here they are put together, with the two that need no statistics: units seen in two arms and missing
days. All work on all experiments at once. What needs single units or rows of the log
(:mod:`abtest.health.unit_audit`) is handed in by who has them.
"""

from typing import NamedTuple

import polars as pl

from abtest.config import LiftConfig
from abtest.counting.sums import Sums
from abtest.health.first_exposure import first_exposure_check
from abtest.health.impressions_per_unit import impressions_per_unit_check
from abtest.health.rows import completed, experiments_of, health_rows
from abtest.health.sample_ratio import sample_ratio_check, sample_ratios
from abtest.health.sequential_ratio import sequential_check, sequential_ratios
from abtest.health.traffic_by_day import traffic_by_day_check
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES, HEALTH, HEALTH_CHECKS, WITHHOLDING_CHECKS

SHOWN = 5
NOT_MADE = {
    "bot_like_units": "the units' own counts were not kept",
    "duplicate_impressions": "the log names no impression",
    "exposure_before_assignment": "the log names no time of assignment",
}
"""Checks that are handed in, and what was missing where they were not."""


class HealthReport(NamedTuple):
    """Results of all checks.

    Attributes:
        checks: ``health/1``.
        sample_ratio: ``sample_ratio/1``.
        sequential_ratio: ``sequential_ratio/1``.
    """

    checks: pl.DataFrame
    sample_ratio: pl.DataFrame
    sequential_ratio: pl.DataFrame

    def withheld(self, override: tuple[str, ...]) -> dict[str, list[str]]:
        """Experiments whose verdicts are withheld, with the failed checks.

        Args:
            override: Checks whose failure shall not count.
        """
        failed = self.checks.filter(
            (pl.col("status") == "unhealthy")
            & pl.col("check").is_in(WITHHOLDING_CHECKS)
            & ~pl.col("check").is_in(list(override))
        )
        grouped = failed.group_by("experiment_id", maintain_order=True).agg("check")
        return dict(grouped.iter_rows())


def check_health(
    sums: Sums, config: LiftConfig, *, unit_checks: pl.DataFrame | None = None
) -> HealthReport:
    """Run every check on every experiment.

    Args:
        sums: Sums of the log.
        config: Design and thresholds.
        unit_checks: Rows of ``health/1`` that :mod:`abtest.health.unit_audit` made of the same log.

    Returns:
        One row an experiment and check; a check that cannot be made is ``not_applicable`` and
        says why.

    Raises:
        DataError: The declared split and the log do not have the same arms.
    """
    ratios = sample_ratios(sums, config)
    sequential = sequential_ratios(sums, config)
    given = HEALTH.empty() if unit_checks is None else unit_checks
    experiments = experiments_of(sums.daily)
    checks = pl.concat(
        [
            sample_ratio_check(ratios, config),
            first_exposure_check(ratios, config),
            sequential_check(sequential, sums.daily, config),
            traffic_by_day_check(sums, config),
            impressions_per_unit_check(sums.daily, config),
            _crossover(sums, config),
            _missing_days(sums.daily),
            *(
                completed(given.filter(pl.col("check") == check), experiments, check, reason)
                for check, reason in NOT_MADE.items()
            ),
        ]
    )
    order = {name: index for index, name in enumerate(HEALTH_CHECKS)}
    checks = checks.sort(
        "experiment_id", pl.col("check").replace_strict(order, return_dtype=pl.Int32)
    )
    return HealthReport(checks.select(HEALTH.schema.names()), ratios, sequential)


def _crossover(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    check, threshold = "units_in_two_arms", config.health.max_crossover_share
    experiments = experiments_of(sums.daily)
    reason = "impressions, not units, were randomised"
    if config.design.randomisation == "impression":
        return completed(HEALTH.empty(), experiments, check, reason)
    share = pl.col("crossing") / pl.col("units")
    found = sums.crossover.with_columns(
        statistic=share,
        status=pl.when(share > threshold).then(pl.lit("unhealthy")).otherwise(pl.lit("healthy")),
    )
    details = [
        f"{text.count(crossing)} of {text.plural(units, 'unit')} were seen in two arms or more "
        f"({text.percent(crossing / units, 2)})"
        for units, crossing in found.select("units", "crossing").iter_rows()
    ]
    found = found.with_columns(detail=pl.Series(details, dtype=pl.String))
    return completed(health_rows(found, check, threshold=threshold), experiments, check, reason)


def _missing_days(daily: pl.DataFrame) -> pl.DataFrame:
    check = "missing_days"
    overall = daily.filter((pl.col("category") == ALL_CATEGORIES) & pl.col("day").is_not_null())
    seen = overall.select("experiment_id", "arm", "day").unique()
    span = seen.group_by("experiment_id").agg(
        day=pl.date_ranges(pl.col("day").min(), pl.col("day").max()).first(),
    )
    arms = seen.select("experiment_id", "arm").unique()
    due = arms.join(span.explode("day"), on="experiment_id")
    gaps = due.join(seen, on=["experiment_id", "arm", "day"], how="anti").sort("arm", "day")
    named = (
        gaps.group_by("experiment_id", "arm", maintain_order=True)
        .agg(days=pl.col("day").cast(pl.String).head(SHOWN).str.join(", "), missing=pl.len())
        .with_columns(
            more=pl.when(pl.col("missing") > SHOWN).then(pl.lit(", ...")).otherwise(pl.lit(""))
        )
        .group_by("experiment_id", maintain_order=True)
        .agg(
            pl.format("{}: {}{}", "arm", "days", "more").str.join("; ").alias("found"),
            pl.col("missing").sum(),
        )
    )
    found = (
        span.sort("experiment_id")
        .select("experiment_id", n_days=pl.col("day").list.len())
        .join(named, on="experiment_id", how="left", maintain_order="left")
        .with_columns(pl.col("missing").fill_null(0))
    )
    details = [
        f"no impressions on {text.plural(missing, 'arm-day')} of {text.plural(n_days, 'day')}: {at}"
        if missing
        else f"every arm has impressions on each of {text.plural(n_days, 'day')}"
        for n_days, at, missing in found.select("n_days", "found", "missing").iter_rows()
    ]
    rows = found.with_columns(
        statistic=pl.col("missing"),
        status=pl.when(pl.col("missing") > 0)
        .then(pl.lit("unhealthy"))
        .otherwise(pl.lit("healthy")),
        detail=pl.Series(details, dtype=pl.String),
    )
    rows = health_rows(rows, check, threshold=0.0)
    return completed(rows, experiments_of(daily), check, "the log names no day")
