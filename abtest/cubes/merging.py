"""The cubes of runs, added up, with what their runs found of the experiments' health.

A cube has no unit in it, so its health cannot be checked again: that of the runs that read the log
holds, the worst outcome of each check. Every part of an experiment may be too small to show a fault
that its whole would show; the run that reads all of the log is the one to trust.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from abtest.counting.config import CubeSlice
from abtest.counting.cube import merge_cubes
from abtest.health.checks import HealthReport
from caig.contracts.cubes import CUBE
from caig.contracts.experiments import HEALTH, SAMPLE_RATIO
from caig.contracts.health import SEQUENTIAL_RATIO
from caig.errors import DataError
from caig.runs.store import Run

WORST_FIRST = {"unhealthy": 0, "not_enough_traffic": 1, "healthy": 2, "not_applicable": 3}
ELSEWHERE = ", in the run that read the log"


class Cubes(NamedTuple):
    """Cubes of runs, as one.

    Attributes:
        runs: The runs, in the order named.
        cube: ``cube/1``, added up.
        health: The worst outcome of each check.
    """

    runs: list[Run]
    cube: pl.DataFrame
    health: HealthReport

    def roles(self) -> dict[str, Run]:
        """The runs by the part they play: ``cube``, ``cube_2``, ..."""
        return {"cube" if i == 0 else f"cube_{i + 1}": run for i, run in enumerate(self.runs)}

    def categories(self) -> list[str]:
        """Names of all categories, sorted."""
        return self.cube["category"].unique().sort().to_list()

    def between(self, chosen: CubeSlice) -> pl.DataFrame:
        """The rows of the chosen days.

        Raises:
            DataError: There are none.
        """
        first, last = chosen.first_day, chosen.last_day
        day = pl.col("day")
        rows = self.cube
        if first is not None:
            rows = rows.filter(day >= first)
        if last is not None:
            rows = rows.filter(day <= last)
        if rows.is_empty():
            days = self.cube["day"].unique().sort()
            held = f"days {days[0]} to {days[-1]}" if days.len() else "no day"
            raise DataError(
                f"{self.runs[0].path}: nothing is left between the chosen days "
                f"({first or 'its first'} to {last or 'its last'}); the cube holds {held}"
            )
        return rows


def open_cubes(names: Sequence[str | Path]) -> Cubes:
    """Add up the cubes of runs.

    Args:
        names: Run folders that hold a cube, e.g. one a day.

    Raises:
        ArtifactError: A folder is no complete run.
        DataError: A run holds no cube, or a day is in two of them.
    """
    runs = [Run.open(Path(name)) for name in names]
    for run in runs:
        if CUBE.name not in run.manifest.artifacts:
            raise DataError(f"{run.path}: holds no cube; write one with: caig lift LOG --cube")
    parts = [run.table(CUBE.name) for run in runs]
    cube = parts[0] if len(parts) == 1 else merge_cubes(parts)
    return Cubes(runs, cube, _health(runs))


def _health(runs: Sequence[Run]) -> HealthReport:
    worst = pl.col("status").replace_strict(WORST_FIRST, return_dtype=pl.Int8)
    # Cubes that were added up once have said where their checks come from.
    detail = pl.col("detail").str.strip_suffix(ELSEWHERE) + ELSEWHERE
    found = (
        pl.concat([HEALTH.empty(), *(run.table("health") for run in runs)])
        .sort("experiment_id", worst, maintain_order=True)
        .unique(["experiment_id", "check"], keep="first", maintain_order=True)
        .with_columns(detail=detail)
    )
    return HealthReport(found, SAMPLE_RATIO.empty(), SEQUENTIAL_RATIO.empty())
