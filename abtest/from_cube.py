"""The analysis once more, from cubes instead of the log: other days, other groups, added-up days.

A bucket of units plays the part of a unit, so intervals are as wide as with units up to a few
percent (docs/performance.md). What a cube does not know is not said: units are not counted, and
health is that of the runs that read the log. An experiment they found unhealthy stays so.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import polars as pl

from abtest.api import Analysis
from abtest.config import LiftConfig
from abtest.counting.cube import cube_sums
from abtest.cubes.groups import refuse_unknown
from abtest.cubes.merging import open_cubes
from abtest.lift import LiftResult, analyse_sums
from abtest.reading.ingest import Ingested
from abtest.reading.sources import LogSource
from caig.contracts.experiments import UNIT_METRICS
from caig.errors import DataError


def analyse_cubes(names: Sequence[str | Path], config: LiftConfig) -> Analysis:
    """Add up the cubes of runs and analyse them.

    Args:
        names: Run folders that hold a cube, e.g. one a day.
        config: Design and analysis; ``config.cube`` chooses days and groups.

    Raises:
        DataError: A run holds no cube, a day is in two of them, nothing is left of the chosen days,
            units were not randomised, or arms cannot be compared.
    """
    started_at = datetime.now(UTC)
    if config.design.randomisation != "unit":
        raise DataError("a cube holds counts of units; design.randomisation must be unit")
    if config.overall.guardrails.keys() - {"ctr"}:
        raise DataError("a cube does not count units; only the guardrail ctr can be judged from it")
    cubes = open_cubes(names)
    refuse_unknown(config.cube.groups, cubes.categories())
    cube = cubes.between(config.cube)
    sums = cube_sums(cube, groups=config.cube.groups)
    result = _without_units(analyse_sums(sums, config, health=cubes.health))
    source = LogSource((), cubes.roles())
    return Analysis(result, config, source, _ingested(cube, result), started_at)


def _without_units(result: LiftResult) -> LiftResult:
    """Buckets are no units: their number and means per bucket say nothing."""
    unknown = pl.lit(None, dtype=pl.Int64)

    def blank(table: pl.DataFrame) -> pl.DataFrame:
        names = [name for name in table.columns if name.startswith("n_units")]
        return table.with_columns(unknown.alias(name) for name in names)

    by_day = "lift_by_day/1"
    return replace(
        result,
        lift_table=blank(result.lift_table),
        unit_metrics=UNIT_METRICS.empty(),
        arms=result.arms.with_columns(units=unknown),
        details=result.details | {by_day: blank(result.details[by_day])},
    )


def _ingested(cube: pl.DataFrame, result: LiftResult) -> Ingested:
    def absent() -> NoReturn:
        raise AssertionError("a cube holds no units")

    nothing = pl.lit(None, dtype=pl.Int64)
    return Ingested(
        sums=cube_sums(cube),
        things=result.arms.select("experiment_id", "arm", n_creatives=nothing, n_products=nothing),
        columns={},
        n_rows=cube.height,
        n_rows_quarantined=0,
        n_rows_without_impressions=0,
        quarantine=None,
        zones={},
        recount=absent,
    )
