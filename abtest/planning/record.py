"""Finding the pilot of a plan, and writing the plan as a run."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from abtest.config import LiftConfig
from abtest.planning.config import PlanConfig
from abtest.planning.pilot import Pilot, pilot_of_rates, pilot_of_run, pilot_of_sums
from abtest.planning.report import plan_view, render_html, render_markdown
from abtest.planning.tables import plan_table, power_curve
from abtest.reading.ingest import ingest
from abtest.reading.sources import find_log
from caig.contracts.plans import PLAN, POWER_CURVE
from caig.contracts.records import FileInput
from caig.errors import CaigError, DataError
from caig.runs.store import MANIFEST, Run, RunWriter


class FoundPilot(NamedTuple):
    """A pilot and where it came from.

    Attributes:
        pilot: Traffic.
        runs: Runs behind it, by role.
        files: Files outside any run behind it.
    """

    pilot: Pilot
    runs: Mapping[str, Run]
    files: tuple[FileInput, ...]


def find_pilot(names: Sequence[str], config: PlanConfig) -> FoundPilot:
    """Traffic from what was named, or from rates if nothing was.

    Args:
        names: A run folder of ``caig lift``, or files, globs and folders of a log; or nothing.
        config: Rates, columns and design.

    Raises:
        CaigError: A pilot and rates are both given, or neither; or the pilot cannot be read.
    """
    states_rates = bool(config.rates.model_fields_set)
    if not names:
        pilot = pilot_of_rates(config.rates, config.design.randomisation)
        return FoundPilot(pilot, {}, ())
    if states_rates:
        raise CaigError("a pilot and rates are both given; leave one of them out")
    if len(names) == 1 and (Path(names[0]) / MANIFEST).is_file():
        run = Run.open(Path(names[0]))
        if "lift_table" in run.manifest.artifacts:
            return FoundPilot(pilot_of_run(run), {"pilot": run}, ())
    source = find_log(names)
    lift = LiftConfig(columns=config.columns, design=config.design, ingest=config.ingest)
    sums = ingest(source.files, lift).sums
    if not int(sums.daily["c"].sum()):
        raise DataError(f"{source.named()}: nothing was clicked")
    pilot = pilot_of_sums(
        sums,
        control=config.design.control,
        randomisation=config.design.randomisation,
        source=source.named(),
    )
    return FoundPilot(pilot, source.runs, source.outside_runs)


def record_plan(root: Path, config: PlanConfig, found: FoundPilot) -> tuple[Path, dict[str, Any]]:
    """Make the plan and write it as a run.

    Args:
        root: Folder of all runs.
        config: What to find.
        found: The pilot.

    Returns:
        The run's folder, and the plan's view.
    """
    started_at = datetime.now(UTC)
    pilot, plan = found.pilot, config.plan
    table, curve = plan_table(pilot, plan), power_curve(pilot, plan)
    view = plan_view(table, curve, pilot, plan)
    with RunWriter(
        root, "plan", config, inputs=found.runs, files=found.files, started_at=started_at
    ) as run:
        run.write_table(PLAN, table)
        run.write_table(POWER_CURVE, curve)
        html = render_html(view, run_id=run.run_id, made_at=started_at)
        markdown = render_markdown(view, run_id=run.run_id, made_at=started_at)
        run.write_text("report_html", "report.html", html, "text/html")
        run.write_text("report_md", "report.md", markdown, "text/markdown")
        overall = table.row(-1, named=True)
        for name in ("days_needed", "rel_lift_mde", "power_at_days"):
            run.add_metric(name, overall[name])
    return run.path, view
