"""Writing an evaluation as a run: its tables and its report."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from caig.contracts.evaluations import (
    POSITION_BIAS,
    RELIABILITY,
    SCORER_COMPARISONS,
    SCORER_COUNTS,
)
from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.gates import ITEM_SCORES
from caig.runs.store import RunWriter
from evaluation.config import EvaluateConfig
from evaluation.reading import Evidence
from evaluation.reports.pair_accuracy import render_html, render_markdown, report_view
from evaluation.suites.pair_accuracy import ALL, pair_accuracy
from evaluation.suites.pair_items import pair_items


def record_evaluation(
    root: Path, evidence: Evidence, config: EvaluateConfig
) -> tuple[Path, dict[str, Any]]:
    """Evaluate and write the result as a run.

    Args:
        root: Folder of all runs.
        evidence: Pairs and scores.
        config: Ties, slices and levels.

    Returns:
        The run's folder, and the report's view.
    """
    started_at = datetime.now(UTC)
    tables = pair_accuracy(evidence.pairs, evidence.scorers, config)
    view = report_view(tables, evidence, config)
    with RunWriter(
        root,
        "evaluate",
        config,
        inputs=evidence.runs,
        seed=config.statistics.seed,
        started_at=started_at,
    ) as run:
        run.write_table(SUITE_RESULTS, tables.results)
        run.write_table(SCORER_COUNTS, tables.counts)
        run.write_table(POSITION_BIAS, tables.position)
        run.write_table(RELIABILITY, tables.reliability)
        run.write_table(SCORER_COMPARISONS, tables.comparisons)
        run.write_table(ITEM_SCORES, pair_items(evidence, config))
        html = render_html(view, run_id=run.run_id, made_at=started_at)
        markdown = render_markdown(view, run_id=run.run_id, made_at=started_at)
        run.write_text("report_html", "report.html", html, "text/html")
        run.write_text("report_md", "report.md", markdown, "text/markdown")
        overall = tables.results.filter(pl.col("slice") == ALL)
        for subject, metric, estimate in overall.select("subject", "metric", "estimate").rows():
            if metric in ("accuracy", "skill_share", "noise_corrected_accuracy"):
                run.add_metric(f"{metric}: {subject}", estimate)
    return run.path, view
