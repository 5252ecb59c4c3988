"""From counts to the tables of a lift analysis.

Everything here is a pure function of :class:`abtest.counting.sums.Sums` and the configuration, so
the same analysis can be run on merged sums, on simulated ones, or again with another alpha.
"""

from dataclasses import dataclass

import polars as pl

from abtest.categories.shrinkage import shrink_cells
from abtest.categories.verdicts import corrected_cells, verdict
from abtest.config import LiftConfig
from abtest.counting.counts import UnitCounts, cumulative_moments, total_moments
from abtest.counting.sums import Sums, sums_of
from abtest.details import Cells, detail_tables
from abtest.estimation.arms import comparable_arms, paired_arms, refuse_one_arm_categories
from abtest.estimation.cells import CI_METHODS, arm_ctr, estimate_cells
from abtest.health.checks import HealthReport, check_health
from abtest.monitoring.sequential import anytime_half_width, se_that_finds, tuned_mixture
from abtest.overall.per_unit import unit_metrics
from abtest.unit_level import NO_UNITS, UnitLevel
from caig.contracts.experiments import (
    ALL_CATEGORIES,
    HEALTH,
    HETEROGENEITY,
    LIFT_DAILY,
    LIFT_TABLE,
    SAMPLE_RATIO,
    UNIT_METRICS,
)
from caig.contracts.health import SEQUENTIAL_RATIO
from caig.errors import DataError


@dataclass(frozen=True)
class LiftResult:
    """Everything a lift analysis says.

    Attributes:
        lift_table: ``lift_table/1``.
        lift_daily: ``lift_daily/1``; empty if the log names no day.
        heterogeneity: ``heterogeneity/1``; empty if the log names no category.
        unit_metrics: ``unit_metrics/1``; empty where impressions were randomised.
        health: Checks and sample ratios.
        arms: One row an experiment and arm: ``experiment_id, arm, is_control``, the moments, and
            ``ctr`` with its interval.
        withheld: Failed checks by experiment whose verdicts are withheld.
        details: Every further table, by the identifier of its contract.
        without_bots: ``lift_table/1`` without bot-like units; None if there are none, or units were
            not looked at.
    """

    lift_table: pl.DataFrame
    lift_daily: pl.DataFrame
    heterogeneity: pl.DataFrame
    unit_metrics: pl.DataFrame
    health: HealthReport
    arms: pl.DataFrame
    withheld: dict[str, list[str]]
    details: dict[str, pl.DataFrame]
    without_bots: pl.DataFrame | None = None

    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table that has a contract, by its identifier."""
        return {
            LIFT_TABLE.identifier: self.lift_table,
            LIFT_DAILY.identifier: self.lift_daily,
            HETEROGENEITY.identifier: self.heterogeneity,
            UNIT_METRICS.identifier: self.unit_metrics,
            HEALTH.identifier: self.health.checks,
            SAMPLE_RATIO.identifier: self.health.sample_ratio,
            SEQUENTIAL_RATIO.identifier: self.health.sequential_ratio,
            **self.details,
        }


def analyse_lift(
    counts: UnitCounts, config: LiftConfig, *, with_details: bool = True
) -> LiftResult:
    """:func:`analyse_sums` of counts by unit, which are used for their sums only."""
    return analyse_sums(sums_of(counts), config, with_details=with_details)


def analyse_sums(
    sums: Sums,
    config: LiftConfig,
    units: UnitLevel = NO_UNITS,
    *,
    health: HealthReport | None = None,
    with_details: bool = True,
) -> LiftResult:
    """Estimate, test, correct and check.

    Args:
        sums: Sums of the log.
        config: Design and analysis.
        units: What counts by unit have said beyond their sums.
        health: What is known of it already, where the sums do not tell; checked here otherwise.
        with_details: False leaves ``details`` empty, for simulations that do not look at them.

    Returns:
        Tables that satisfy their contracts.

    Raises:
        DataError: An experiment lacks its control or has one arm only; nothing was clicked; a
            category has no impressions in an arm and the configuration does not ask for a report;
            or the declared split does not fit the arms.
    """
    moments = total_moments(sums.daily)
    arms = comparable_arms(moments, config)
    if health is None:
        health = check_health(sums, config, unit_checks=units.checks)
    withheld = health.withheld(config.health.override)
    pairs = paired_arms(moments, arms, ["experiment_id", "category"])
    # In one order, so that the same log gives the same bytes: pooling sums over the cells.
    pairs = pairs.sort(
        "experiment_id", "contrast", pl.col("category") == ALL_CATEGORIES, "category"
    )
    refuse_one_arm_categories(pairs, config)
    pooled = shrink_cells(estimate_cells(pairs, config), config.analysis.alpha)
    cumulated = _cumulated(sums.daily, arms, config)
    table = _lift_table(pooled.cells, config, withheld)
    cells = Cells(pairs, pooled.cells, cumulated, arms, table)
    return LiftResult(
        lift_table=table,
        lift_daily=_lift_daily(cumulated, config),
        heterogeneity=pooled.heterogeneity,
        unit_metrics=unit_metrics(pairs, config),
        health=health,
        arms=arm_ctr(arms, config),
        withheld=withheld,
        details=detail_tables(sums, cells, config, units) if with_details else {},
        without_bots=_without_bots(units, config),
    )


def _without_bots(units: UnitLevel, config: LiftConfig) -> pl.DataFrame | None:
    if units.without_bots is None:
        return None
    # Bots gone, an arm may have lost a category; that is a finding here, and no wrong log.
    analysis = config.analysis.model_copy(update={"one_arm_categories": "report"})
    reported = config.model_copy(update={"analysis": analysis})
    try:
        return analyse_sums(units.without_bots, reported, with_details=False).lift_table
    except DataError:  # nothing but bots in an arm: no lift is left, and the health check says why
        return None


def _lift_table(
    cells: pl.DataFrame, config: LiftConfig, withheld: dict[str, list[str]]
) -> pl.DataFrame:
    parts = [
        corrected_cells(experiment, config.analysis.correction)
        for experiment in cells.partition_by("experiment_id", maintain_order=True)
    ]
    has_units = config.design.randomisation == "unit"
    units = {
        f"n_units_{arm}": pl.col(f"units_{arm}") if has_units else pl.lit(None, dtype=pl.Int64)
        for arm in ("control", "treatment")
    }
    traffic = {
        f"{long}_{arm}": f"{short}_{arm}"
        for long, short in (("impressions", "n"), ("clicks", "c"))
        for arm in ("control", "treatment")
    }
    return (
        pl.concat(parts)
        .with_columns(
            **units,
            **traffic,
            alpha=pl.lit(config.analysis.alpha),
            ci_method=pl.lit(CI_METHODS[config.design.randomisation]),
            verdict=verdict(config.analysis.alpha, withheld),
        )
        .select(LIFT_TABLE.schema.names())
    )


def _cumulated(daily: pl.DataFrame, arms: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """Cells cumulated to each day, estimated; empty if the log names no day."""
    dated = daily.filter(pl.col("day").is_not_null())
    moments = cumulative_moments(dated)
    return estimate_cells(paired_arms(moments, arms, ["experiment_id", "category", "day"]), config)


def _lift_daily(cells: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    half = _anytime_half_width(cells, config)
    log_lift = pl.col("rel_lift").log1p()
    return (
        cells.with_columns(
            cum_impressions_control="n_control",
            cum_impressions_treatment="n_treatment",
            cum_clicks_control="c_control",
            cum_clicks_treatment="c_treatment",
            rel_lift_anytime_lower=(log_lift - half).exp() - 1,
            rel_lift_anytime_upper=(log_lift + half).exp() - 1,
        )
        .sort("experiment_id", "contrast", "category", "day")
        .select(LIFT_DAILY.schema.names())
    )


def _anytime_half_width(cells: pl.DataFrame, config: LiftConfig) -> pl.Series:
    """Half-width of the confidence sequence of log lift; null in cells that are not tested."""
    alpha = config.analysis.alpha
    mixture = tuned_mixture(alpha, se_that_finds(config.analysis.anytime_lift, alpha))
    se = cells["log_lift_se"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return pl.Series(anytime_half_width(se, alpha, mixture)).fill_nan(None)
