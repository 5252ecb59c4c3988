"""Writing a lift analysis as a run: everything at once, after everything is known to be right."""

from datetime import datetime
from pathlib import Path

import polars as pl

from abtest.config import LiftConfig
from abtest.estimation.cells import CTR_METHODS
from abtest.lift import LiftResult
from abtest.reading.ingest import Ingested
from abtest.reading.sources import LogSource
from abtest.reporting.json_report import lift_report
from abtest.reporting.report import ReportFacts, render_html, render_markdown
from caig.contracts.experiments import ALL_CATEGORIES, ARM_SUMMARY, LIFT_TABLE
from caig.contracts.tables import find_contract
from caig.runs.store import RunWriter


def record_run(
    root: Path,
    config: LiftConfig,
    *,
    source: LogSource,
    ingested: Ingested,
    result: LiftResult,
    started_at: datetime,
    history: LogSource | None = None,
) -> Path:
    """Write the run.

    Args:
        root: Folder of all runs.
        config: Configuration used.
        source: Where the log came from.
        ingested: What was read.
        result: What follows from it.
        started_at: When the work began (UTC).
        history: Where the period before came from, if there is one.

    Returns:
        The run's folder.
    """
    inputs, files, read = dict(source.runs), source.outside_runs, source.files
    if history is not None:
        inputs |= {f"history_{role}": run for role, run in history.runs.items()}
        files, read = (*files, *history.outside_runs), (*read, *history.files)
    with RunWriter(root, "lift", config, inputs=inputs, files=files, started_at=started_at) as run:
        run.log(
            "read",
            rows=ingested.n_rows,
            quarantined=ingested.n_rows_quarantined,
            without_impressions=ingested.n_rows_without_impressions,
            columns=ingested.columns,
            tables=source.tables,
            time_zones=ingested.zones,
        )
        for identifier, table in result.tables().items():
            run.write_table(find_contract(identifier), table)
        if result.without_bots is not None:
            run.write_table(LIFT_TABLE, result.without_bots, "lift_table_without_bots")
        run.write_table(ARM_SUMMARY, arm_summary(ingested, result, config))
        if ingested.quarantine is not None:
            run.write_frame("quarantine", ingested.quarantine)
        facts = ReportFacts(
            run_id=run.run_id,
            made_at=started_at,
            n_rows=ingested.n_rows,
            n_quarantined=ingested.n_rows_quarantined,
            files=[file.as_input() for file in read],
            sources=(*source.tables, *(f"run {run.run_id}" for run in source.runs.values())),
        )
        run.write_text(
            "report_html", "report.html", render_html(result, config, facts), "text/html"
        )
        run.write_text(
            "report_md", "report.md", render_markdown(result, config, facts), "text/markdown"
        )
        report = lift_report(result, config, facts).model_dump_json()
        run.write_text("report_json", "report.json", report, "application/json")
        _add_metrics(run, ingested, result)
    return run.path


def arm_summary(ingested: Ingested, result: LiftResult, config: LiftConfig) -> pl.DataFrame:
    """All traffic of every arm, as ``arm_summary/1``."""
    days = (
        ingested.sums.daily.filter((pl.col("n") > 0) & (pl.col("category") == ALL_CATEGORIES))
        .group_by("experiment_id", "arm")
        .agg(first_day=pl.col("day").min(), last_day=pl.col("day").max())
    )
    has_units = config.design.randomisation == "unit"
    key = ["experiment_id", "arm"]
    return (
        result.arms.join(days, on=key, how="left", maintain_order="left")
        .join(ingested.things, on=key, how="left", maintain_order="left")
        .with_columns(
            n_units=pl.col("units") if has_units else pl.lit(None, dtype=pl.Int64),
            n_impressions="n",
            n_clicks="c",
            ci_method=pl.lit(CTR_METHODS[config.design.randomisation]),
        )
        .select(ARM_SUMMARY.schema.names())
    )


def _add_metrics(run: RunWriter, ingested: Ingested, result: LiftResult) -> None:
    run.add_metric("rows", ingested.n_rows)
    run.add_metric("rows_quarantined", ingested.n_rows_quarantined)
    run.add_metric("rows_without_impressions", ingested.n_rows_without_impressions)
    overall = result.lift_table.filter(pl.col("category") == ALL_CATEGORIES)
    run.add_metric("contrasts", overall.height)
    if overall.height == 1:
        row = overall.row(0, named=True)
        for name in ("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper", "p_value"):
            run.add_metric(name, row[name])
