"""One question to the cubes of runs: answered, and written as a run of its own."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from abtest.cubes.asking import ask_cube
from abtest.cubes.config import CubeConfig
from abtest.cubes.groups import refuse_unknown
from abtest.cubes.merging import Cubes
from caig.contracts.cubes import CUBE, CUBE_LIFTS
from caig.contracts.experiments import ALL_CATEGORIES, HEALTH
from caig.errors import DataError
from caig.runs.store import RunWriter


class Answer(NamedTuple):
    """What cubes say.

    Attributes:
        lifts: ``cube_lifts/1``.
        health: ``health/1`` of the runs that read the log, the worst outcome of each check.
        withheld: Failed checks by experiment whose verdicts are withheld.
    """

    lifts: pl.DataFrame
    health: pl.DataFrame
    withheld: dict[str, list[str]]


def answer(cubes: Cubes, config: CubeConfig) -> Answer:
    """Ask cubes for lifts.

    Args:
        cubes: Cubes of runs.
        config: Days, groups, level, bootstrap.

    Raises:
        DataError: Units were not randomised, nothing is left of the chosen days, a group does not
            fit, or arms cannot be compared.
    """
    if config.design.randomisation != "unit":
        raise DataError("a cube holds counts of units; design.randomisation must be unit")
    refuse_unknown(config.cube.groups, cubes.categories())
    withheld = cubes.health.withheld(config.health.override)
    lifts = ask_cube(cubes.between(config.cube), config, withheld=withheld)
    return Answer(lifts, cubes.health.checks, withheld)


def record_answer(
    root: Path, config: CubeConfig, cubes: Cubes, answered: Answer, *, started_at: datetime
) -> Path:
    """Write an answer as a run.

    Args:
        root: Folder of all runs.
        config: What was asked.
        cubes: What was asked of it.
        answered: :func:`answer` of them.
        started_at: When the work began (UTC).

    Returns:
        The run's folder. Of several cubes it also holds their sum, of all days and categories: the
        run may be named in their place.
    """
    seed = config.bootstrap.seed if config.bootstrap.replicates else None
    with RunWriter(
        root, "cube", config, inputs=cubes.roles(), seed=seed, started_at=started_at
    ) as run:
        run.write_table(CUBE_LIFTS, answered.lifts)
        run.write_table(HEALTH, answered.health)
        if len(cubes.runs) > 1:
            run.write_table(CUBE, cubes.cube)
        overall = answered.lifts.filter(pl.col("category") == ALL_CATEGORIES)
        run.add_metric("contrasts", overall.height)
        if overall.height == 1:
            row = overall.row(0, named=True)
            for name in ("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper", "p_value"):
                run.add_metric(name, row[name])
    return run.path
