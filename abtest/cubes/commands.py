"""``caig cube``: lifts of any days and groups of categories from stored cubes, at once."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators


def cube(
    *run: Path,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    group: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    bootstrap: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    seed: Annotated[int | None, Parameter(validator=validators.Number(gte=0))] = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """Lifts of any days and category groups from stored cubes, at once and without the log.

    A cube is written by caig lift LOG --cube. Those of several runs, e.g. one a day, are added up,
    and the new run holds their sum: name it in their place tomorrow. Prints the lift of every
    category or group by the delta method and by bootstrap; the last line is the run's folder, which
    holds cube_lifts and health (Parquet). Buckets of units play the part of units: lifts are those
    of the log, intervals differ by a few percent. For every other table: caig lift --from-cube.

    Args:
        run: Runs that hold a cube: of caig lift --cube, or of caig cube where it added some up.
        from_: First day to count, e.g. 2026-03-04; the cube's first by default.
        to: Last day to count; the cube's last by default.
        group: Categories to count as one, as NAME=CATEGORY,CATEGORY; the others stay as they are.
        bootstrap: Draws of the Poisson bootstrap; 0 makes none. 2000 by default.
        seed: Seed of the draws; 0 by default.
        config: TOML file: design, analysis, health, cube, bootstrap; see docs/lift.md.
        set_: One value over the file's, e.g. --set analysis.alpha=0.1.
        runs: Folder of all runs.
    """
    from datetime import UTC, datetime

    from abtest.cubes.config import CubeConfig, implied_by, with_choices
    from abtest.cubes.console import print_answer
    from abtest.cubes.groups import parsed_groups
    from abtest.cubes.merging import open_cubes
    from abtest.cubes.record import answer, record_answer
    from caig.config import load_config
    from caig.errors import CaigError

    if not run:
        raise CaigError("name a run that holds a cube: caig cube RUN... (see caig lift --cube)")
    started_at = datetime.now(UTC)
    groups = parsed_groups(group)
    cubes = open_cubes(run)
    settings = with_choices(
        load_config(CubeConfig, config, set_, defaults=implied_by(cubes.runs[0])),
        first=from_,
        last=to,
        groups=groups,
        replicates=bootstrap,
        seed=seed,
    )
    answered = answer(cubes, settings)
    path = record_answer(runs, settings, cubes, answered, started_at=started_at)
    print_answer(answered, settings, n_cubes=len(cubes.runs))
    print(path)
