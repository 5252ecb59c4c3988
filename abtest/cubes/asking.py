"""Lifts of any days and groups of categories, asked of a cube: ``cube_lifts/1`` in milliseconds.

What is said of a cell is said by the same functions as of a log's (status, delta method,
correction, verdict), of moments in which buckets of units play the part of units. So the lift is
that of the log, and its interval is as wide up to a few percent (docs/performance.md).

    arrays = cube_arrays(run.table("cube"), "my-experiment")
    table = ask(arrays, CubeConfig(cube=CubeSlice(first_day=date(2026, 3, 4))))
"""

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

import polars as pl

from abtest.categories.verdicts import corrected_cells, verdict
from abtest.config import LiftConfig
from abtest.counting.bootstrap import CubeArrays, arm_moments, bootstrap_lifts, cube_arrays
from abtest.counting.counts import MOMENTS
from abtest.cubes.config import CubeConfig
from abtest.estimation.arms import comparable_arms
from abtest.estimation.cells import estimate_cells
from caig.contracts.cubes import CUBE_LIFTS
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import DataError

METHOD = "delta method on log lift, clustered by bucket of units, Welch t"


class Days(NamedTuple):
    """Days that are counted.

    Attributes:
        first: First of them that the cube has.
        last: Last of them.
        n: How many of them it has.
    """

    first: date
    last: date
    n: int


def ask_cube(
    cube: pl.DataFrame, config: CubeConfig, *, withheld: Collection[str] = ()
) -> pl.DataFrame:
    """``cube_lifts/1`` of every experiment of a cube.

    Days are laid out as one, which takes less memory; to ask the same cube often, lay it out by day
    once and use :func:`ask`.

    Args:
        cube: ``cube/1``, of the days to count only.
        config: Groups, level and bootstrap.
        withheld: Experiments of which nothing may be said.

    Raises:
        DataError: Arms of an experiment cannot be compared.
    """
    overall = cube.group_by("experiment_id", "arm").agg(
        n=pl.col("n_impressions").sum(), c=pl.col("n_clicks").sum()
    )
    arms = comparable_arms(overall.with_columns(category=pl.lit(ALL_CATEGORIES)), _lift(config))
    tables = [CUBE_LIFTS.empty()]
    for compared in arms.partition_by("experiment_id", maintain_order=True):
        name = compared["experiment_id"][0]
        rows = cube.filter(pl.col("experiment_id") == name)
        seen = rows["day"].unique().sort()
        days = Days(seen[0], seen[-1], seen.len())
        together = rows.with_columns(day=pl.lit(days.last))
        arrays = cube_arrays(together, name, groups=config.cube.groups)
        tables.append(_rows(arrays, compared["arm"].to_list(), days, config, withheld))
    return pl.concat(tables)


def ask(arrays: CubeArrays, config: CubeConfig, *, withheld: Collection[str] = ()) -> pl.DataFrame:
    """``cube_lifts/1`` of one experiment that is laid out by day.

    Args:
        arrays: :func:`abtest.counting.bootstrap.cube_arrays`, with the groups to ask for.
        config: Days, level and bootstrap.
        withheld: Experiments of which nothing may be said.

    Raises:
        DataError: There is no traffic on the chosen days, or arms cannot be compared.
    """
    first = config.cube.first_day or arrays.days[0]
    last = config.cube.last_day or arrays.days[-1]
    seen = [day for day in arrays.days if first <= day <= last]
    if not seen:
        raise DataError(
            f"nothing is left between the chosen days ({first} to {last}); the cube holds days "
            f"{arrays.days[0]} to {arrays.days[-1]}"
        )
    days = Days(seen[0], seen[-1], len(seen))
    traffic = [arm_moments(arrays, arm, days=(days.first, days.last)) for arm in arrays.arms]
    overall = pl.DataFrame(
        {
            "experiment_id": arrays.experiment,
            "category": ALL_CATEGORIES,
            "arm": arrays.arms,
            **{name: [int(arm[name][-1]) for arm in traffic] for name in ("n", "c")},
        }
    )
    arms = comparable_arms(overall, _lift(config))["arm"].to_list()
    return _rows(arrays, arms, days, config, withheld)


def _lift(config: CubeConfig) -> LiftConfig:
    return LiftConfig(design=config.design, analysis=config.analysis)


def _rows(
    arrays: CubeArrays,
    arms: list[str],
    days: Days,
    config: CubeConfig,
    withheld: Collection[str],
) -> pl.DataFrame:
    """Rows of one experiment; of its arms the first is the control."""
    control, *treatments = arms
    span = (days.first, days.last)
    moments = {arm: arm_moments(arrays, arm, days=span) for arm in arms}
    cells = pl.concat(
        [
            pl.DataFrame(
                {
                    "experiment_id": arrays.experiment,
                    "contrast": f"{treatment} vs {control}",
                    "category": arrays.categories,
                    **_drawn(arrays, (treatment, control), days, config),
                    **{f"{name}_control": moments[control][name] for name in MOMENTS},
                    **{f"{name}_treatment": moments[treatment][name] for name in MOMENTS},
                }
            )
            for treatment in treatments
        ]
    )
    estimated = estimate_cells(cells, _lift(config))
    alpha = config.analysis.alpha
    counts = {
        f"{long}_{arm}": pl.col(f"{short}_{arm}").cast(pl.Int64)
        for long, short in (("n_buckets", "units"), ("impressions", "n"), ("clicks", "c"))
        for arm in ("control", "treatment")
    }
    return (
        corrected_cells(estimated, config.analysis.correction)
        .with_columns(
            **counts,
            day_from=pl.lit(days.first),
            day_to=pl.lit(days.last),
            n_days=pl.lit(days.n, dtype=pl.Int64),
            n_bootstrap=pl.lit(config.bootstrap.replicates, dtype=pl.Int64),
            alpha=pl.lit(alpha),
            ci_method=pl.lit(METHOD),
            verdict=verdict(alpha, withheld),
        )
        .select(CUBE_LIFTS.schema.names())
    )


def _drawn(
    arrays: CubeArrays, contrast: tuple[str, str], days: Days, config: CubeConfig
) -> dict[str, pl.Series]:
    """Limits of the bootstrap; null where unknown, or where none is asked for."""
    names = ("rel_lift_bootstrap_lower", "rel_lift_bootstrap_upper")
    asked = config.bootstrap
    if not asked.replicates:
        unknown = pl.Series([None] * len(arrays.categories), dtype=pl.Float64)
        return dict.fromkeys(names, unknown)
    drawn = bootstrap_lifts(
        arrays,
        contrast,
        alpha=config.analysis.alpha,
        seed=asked.seed,
        replicates=asked.replicates,
        days=(days.first, days.last),
    )
    return {
        name: pl.Series(limit).fill_nan(None)
        for name, limit in zip(names, (drawn.lower, drawn.upper), strict=True)
    }
