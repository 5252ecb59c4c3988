"""The tables beside the lift table: one call of each area, on the same cells.

What they say is theirs; here is only which cells they are given, and under which contract's name
their table is kept.
"""

from dataclasses import dataclass

import polars as pl

from abtest.categories.adjusted_intervals import category_intervals
from abtest.categories.joint_test import joint_heterogeneity
from abtest.categories.posterior import category_posterior
from abtest.categories.selection import selected_lifts
from abtest.categories.top_categories import top_categories
from abtest.config import LiftConfig
from abtest.counting.sums import Sums
from abtest.creatives.tables import creative_drivers, creative_effects, image_tests
from abtest.estimation.arms import paired_arms
from abtest.estimation.cells import estimate_cells
from abtest.estimation.interval_table import interval_table
from abtest.health.rerandomise import aa_tests
from abtest.monitoring.day_effects import day_effects
from abtest.monitoring.looks import looks
from abtest.monitoring.single_days import lift_by_day, single_day_moments
from abtest.overall.adjusted_table import adjusted_lifts
from abtest.overall.arm_table import arm_comparison
from abtest.overall.guardrail_table import guardrails
from abtest.overall.tables import mix_shift, overall_lifts, stratified_tests
from abtest.unit_level import UnitLevel
from caig.contracts.categories import (
    CATEGORY_INTERVALS,
    CATEGORY_POSTERIOR,
    JOINT_HETEROGENEITY,
    SELECTED_LIFTS,
    TOP_CATEGORIES,
)
from caig.contracts.creative_effects import CREATIVE_DRIVERS, CREATIVE_EFFECTS, IMAGE_TESTS
from caig.contracts.cubes import CUBE
from caig.contracts.health import AA_TEST, BOT_LIKE_UNITS
from caig.contracts.intervals import LIFT_INTERVALS
from caig.contracts.looks import DAY_EFFECTS, LIFT_BY_DAY, LOOKS
from caig.contracts.overall import (
    ADJUSTED_LIFTS,
    ARM_COMPARISON,
    GUARDRAILS,
    MIX_SHIFT,
    OVERALL_LIFTS,
    STRATIFIED_TESTS,
)


@dataclass(frozen=True)
class Cells:
    """Estimated cells of one analysis, as the tables need them.

    Attributes:
        pairs: Moments of both arms, every contrast and category.
        whole: The same with estimates and shrunk lifts, over the whole period.
        cumulated: Estimates cumulated to each day; empty if the log names no day.
        arms: Arms with the flag ``is_control`` and their moments.
        lift_table: ``lift_table/1``.
    """

    pairs: pl.DataFrame
    whole: pl.DataFrame
    cumulated: pl.DataFrame
    arms: pl.DataFrame
    lift_table: pl.DataFrame


def detail_tables(
    sums: Sums, cells: Cells, config: LiftConfig, units: UnitLevel
) -> dict[str, pl.DataFrame]:
    """Every table beside the lift table, by the identifier of its contract.

    Args:
        sums: Sums of the log.
        cells: What was estimated of them.
        config: Design and analysis.
        units: What counts by unit have said beyond their sums.
    """
    design, analysis, categories = config.design, config.analysis, config.categories
    alpha, randomisation = analysis.alpha, design.randomisation
    adjusted = (
        None
        if units.covariates is None
        else adjusted_lifts(units.covariates, cells.whole, alpha=alpha)
    )
    return {
        TOP_CATEGORIES.identifier: top_categories(cells.lift_table, categories=categories),
        OVERALL_LIFTS.identifier: overall_lifts(
            sums, cells.whole, alpha=alpha, randomisation=randomisation, adjusted=adjusted
        ),
        MIX_SHIFT.identifier: mix_shift(
            sums, cells.whole, config.overall, alpha=alpha, randomisation=randomisation
        ),
        STRATIFIED_TESTS.identifier: stratified_tests(
            sums, cells.whole, randomisation=randomisation
        ),
        ADJUSTED_LIFTS.identifier: ADJUSTED_LIFTS.empty() if adjusted is None else adjusted,
        GUARDRAILS.identifier: guardrails(
            cells.whole, config.overall, alpha=alpha, randomisation=randomisation
        ),
        ARM_COMPARISON.identifier: arm_comparison(
            cells.arms, alpha=alpha, randomisation=randomisation
        ),
        JOINT_HETEROGENEITY.identifier: joint_heterogeneity(cells.whole, sums, design=design),
        CATEGORY_INTERVALS.identifier: category_intervals(
            cells.whole, sums, design=design, analysis=analysis, categories=categories
        ),
        CATEGORY_POSTERIOR.identifier: category_posterior(
            cells.whole, design=design, analysis=analysis, categories=categories
        ),
        SELECTED_LIFTS.identifier: selected_lifts(cells.whole, analysis=analysis),
        LIFT_INTERVALS.identifier: interval_table(
            cells.pairs, design, alpha=alpha, intervals=config.intervals
        ),
        **_over_time(sums, cells, config),
        **_of_units(units, cells, config),
        **_of_creatives(units, cells, config),
    }


def _over_time(sums: Sums, cells: Cells, config: LiftConfig) -> dict[str, pl.DataFrame]:
    if cells.cumulated.is_empty():
        return {t.identifier: t.empty() for t in (LOOKS, LIFT_BY_DAY, DAY_EFFECTS)}
    design, analysis = config.design, config.analysis
    key = ["experiment_id", "category", "day"]
    single = paired_arms(single_day_moments(sums, design=design), cells.arms, key)
    days = estimate_cells(single, config)
    return {
        LOOKS.identifier: looks(
            cells.cumulated, design=design, analysis=analysis, monitoring=config.monitoring
        ),
        LIFT_BY_DAY.identifier: lift_by_day(days, design=design),
        DAY_EFFECTS.identifier: day_effects(days, sums, design=design, analysis=analysis),
    }


def _of_units(units: UnitLevel, cells: Cells, config: LiftConfig) -> dict[str, pl.DataFrame]:
    tables = {}
    if units.bots is not None:
        tables[BOT_LIKE_UNITS.identifier] = units.bots
    if units.counts is not None:
        asked = config.units
        tables[AA_TEST.identifier] = aa_tests(
            units.counts,
            cells.arms,
            config.analysis,
            replicates=asked.aa_replicates,
            seed=asked.aa_seed,
        )
    if units.cube is not None:
        tables[CUBE.identifier] = units.cube
    return tables


def _of_creatives(units: UnitLevel, cells: Cells, config: LiftConfig) -> dict[str, pl.DataFrame]:
    sums, asked, alpha = units.creatives, config.creatives, config.analysis.alpha
    if sums is None:
        return {}
    is_ranked = sums.select("experiment_id", "arm").n_unique() <= asked.max_arms
    effects = creative_effects(sums, alpha=alpha) if is_ranked else CREATIVE_EFFECTS.empty()
    return {
        IMAGE_TESTS.identifier: image_tests(sums, asked),
        CREATIVE_EFFECTS.identifier: effects,
        CREATIVE_DRIVERS.identifier: creative_drivers(effects, cells.arms, asked, alpha=alpha),
    }
