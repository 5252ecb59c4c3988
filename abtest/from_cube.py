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
from abtest.counting.cube import cube_sums, merge_cubes
from abtest.health.checks import HealthReport
from abtest.lift import LiftResult, analyse_sums
from abtest.reading.ingest import Ingested
from abtest.reading.sources import LogSource
from caig.contracts.cubes import CUBE
from caig.contracts.experiments import HEALTH, SAMPLE_RATIO, UNIT_METRICS
from caig.contracts.health import SEQUENTIAL_RATIO
from caig.errors import DataError
from caig.runs.store import Run

WORST_FIRST = {"unhealthy": 0, "not_enough_traffic": 1, "healthy": 2, "not_applicable": 3}


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
    runs = [Run.open(Path(name)) for name in names]
    for run in runs:
        if CUBE.name not in run.manifest.artifacts:
            raise DataError(f"{run.path}: holds no cube; write one with: caig lift LOG --cube")
    cube = merge_cubes([run.table(CUBE.name) for run in runs])
    chosen = config.cube
    if chosen.first_day is not None:
        cube = cube.filter(pl.col("day") >= chosen.first_day)
    if chosen.last_day is not None:
        cube = cube.filter(pl.col("day") <= chosen.last_day)
    if cube.is_empty():
        raise DataError(f"{runs[0].path}: nothing is left between the chosen days")
    sums = cube_sums(cube, groups=chosen.groups)
    result = _without_units(analyse_sums(sums, config, health=_health(runs)))
    roles = {"cube" if i == 0 else f"cube_{i + 1}": run for i, run in enumerate(runs)}
    return Analysis(result, config, LogSource((), roles), _ingested(cube, result), started_at)


def _health(runs: Sequence[Run]) -> HealthReport:
    """Every check of every run, the worst outcome of each."""
    worst = pl.col("status").replace_strict(WORST_FIRST, return_dtype=pl.Int8)
    found = (
        pl.concat([HEALTH.empty(), *(run.table("health") for run in runs)])
        .sort("experiment_id", worst, maintain_order=True)
        .unique(["experiment_id", "check"], keep="first", maintain_order=True)
        .with_columns(pl.format("{}, in the run that read the log", "detail").alias("detail"))
    )
    return HealthReport(found, SAMPLE_RATIO.empty(), SEQUENTIAL_RATIO.empty())


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
