"""``caig plan``: from a pilot or from rates to the days an experiment needs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def plan(
    *pilot: str,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    runs: Path = Path("runs"),
) -> None:
    """How long an experiment must run: power, detectable lift and days, overall and by category.

    From a pilot (a run of caig lift, or an impression log), or without one from rates: --set
    rates.ctr=0.02 --set rates.impressions_per_day=50000. Prints the answer and the table; the last
    line is the run's folder, which holds plan and power_curve (Parquet), report.html and report.md.

    Args:
        pilot: A run folder of caig lift, or files, globs and folders of a log.
        config: TOML file: plan, rates, columns, design, ingest; see docs/planning.md.
        set_: One value over the file's, as section.key=value, e.g. --set plan.target_lift=0.03.
        runs: Folder of all runs.
    """
    from abtest.planning.config import PlanConfig
    from abtest.planning.console import print_plan
    from abtest.planning.record import find_pilot, record_plan
    from caig.config import load_config

    settings = load_config(PlanConfig, config, set_)
    found = find_pilot(pilot, settings)
    path, view = record_plan(runs, settings, found)
    print_plan(view)
    print(path)
