"""The report of a lift analysis: one HTML file that opens from disk, and the same in Markdown.

Both are views of the result's tables and sentences; nothing is computed here. The HTML holds its
styles and figures, runs no script and may load nothing (its content policy forbids it). Names
from the log are
untrusted: escaped in HTML, defused in Markdown.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jinja2
import polars as pl
from markupsafe import Markup

from abtest.categories.multiplicity import CORRECTION_NAMES
from abtest.config import LiftConfig
from abtest.estimation.cells import CI_METHODS, CTR_METHODS
from abtest.lift import LiftResult
from abtest.reporting.details import detail_views
from abtest.reporting.figures import daily_plot, forest_plot
from abtest.reporting.summary import ContrastSummary, Row, summarise
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.records import FileInput

MAX_SECTIONS = 12
PER_UNIT_WORDS = {
    "impressions_per_unit": "impressions per unit",
    "clicks_per_unit": "clicks per unit",
}
MAX_LISTED = 500


@dataclass(frozen=True)
class ReportFacts:
    """What a report says besides the result.

    Attributes:
        run_id: Run that holds it.
        made_at: When (UTC).
        n_rows: Rows read.
        n_quarantined: Rows set aside.
        files: Files read.
        sources: Tables of engines, and runs, that were read.
    """

    run_id: str
    made_at: datetime
    n_rows: int
    n_quarantined: int
    files: Sequence[FileInput]
    sources: Sequence[str] = ()


def render_html(result: LiftResult, config: LiftConfig, facts: ReportFacts) -> str:
    """The report as one HTML page."""
    return (
        _environment(autoescape=True)
        .get_template("report.html.j2")
        .render(_view(result, config, facts))
    )


def render_markdown(result: LiftResult, config: LiftConfig, facts: ReportFacts) -> str:
    """The report as Markdown."""
    rendered = (
        _environment(autoescape=False)
        .get_template("report.md.j2")
        .render(_view(result, config, facts))
    )
    return re.sub(r"\n{3,}", "\n\n", rendered)


def defused(value: str) -> str:
    """Untrusted text for Markdown: on one line, its special characters without effect."""
    flat = " ".join(value.split())
    return re.sub(r"([\\`*_{}\[\]()#!|<>~])", r"\\\1", flat)


def _environment(*, autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("abtest.reporting"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = defused
    return environment


def _view(result: LiftResult, config: LiftConfig, facts: ReportFacts) -> dict[str, Any]:
    overall = result.lift_table.filter(pl.col("category") == ALL_CATEGORIES)
    experiments = overall["experiment_id"].unique().sort().to_list()
    detailed = summarise(result, limit=MAX_SECTIONS)
    others = overall.slice(len(detailed), MAX_LISTED)
    return {
        "title": experiments[0]
        if len(experiments) == 1
        else text.plural(len(experiments), "experiment"),
        "run_id": facts.run_id,
        "made_at": f"{facts.made_at:%Y-%m-%d %H:%M}",
        "n_rows": text.count(facts.n_rows),
        "n_quarantined": text.count(facts.n_quarantined) if facts.n_quarantined else "",
        "overrides": [text.CHECK_WORDS[name] for name in config.health.override],
        "sections": [_section(result, summary) for summary in detailed],
        "others": [_row_view(row) for row in others.iter_rows(named=True)],
        "n_unlisted": max(0, overall.height - len(detailed) - others.height),
        "confidence": f"{100 * (1 - config.analysis.alpha):g} %",
        "methods": _methods(config),
        "sources": facts.sources,
        "files": [
            {"path": f.path, "size": text.count(f.n_bytes), "sha": f.sha256[:16]}
            for f in facts.files
        ],
    }


def _section(result: LiftResult, summary: ContrastSummary) -> dict[str, Any]:
    checks = result.health.checks.filter(pl.col("experiment_id") == summary.experiment)
    arms = result.arms.filter(pl.col("experiment_id") == summary.experiment)
    is_withheld = summary.tone == "withheld"
    details, left_out = detail_views(
        result.tables(), summary.experiment, summary.contrast, is_withheld=is_withheld
    )
    return {
        "summary": summary,
        "facts": _facts(summary, arms),
        "health": [
            {
                "name": text.CHECK_WORDS[row["check"]],
                "status": row["status"],
                "state": text.HEALTH_WORDS[row["status"]],
                "p": text.p_value(row["p_value"]),
                "detail": row["detail"],
            }
            for row in checks.iter_rows(named=True)
        ],
        "forest": Markup(forest_plot(summary.categories, summary.overall))
        if summary.categories
        else "",
        "daily": Markup(daily_plot(summary.daily)),
        "rows": [_row_view(row) for row in (*summary.categories, summary.overall)],
        "per_unit": [_per_unit_view(row) for row in summary.per_unit],
        "details": details,
        "left_out": left_out,
        "is_withheld": is_withheld,
    }


def _facts(summary: ContrastSummary, arms: pl.DataFrame) -> list[dict[str, str]]:
    row = summary.overall
    units = (row["n_units_control"] or 0) + (row["n_units_treatment"] or 0)
    impressions = row["impressions_control"] + row["impressions_treatment"]
    named = [
        ("overall lift", text.lift(row["rel_lift"])),
        ("its interval", text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"])),
        ("CTR control", text.ctr(row["control_ctr"])),
        ("CTR treatment", text.ctr(row["treatment_ctr"])),
        ("impressions", text.count(impressions)),
        ("units", text.count(units) if units else text.UNKNOWN),
        ("days", text.count(len(summary.daily)) if summary.daily else text.UNKNOWN),
    ]
    if row["design_effect"] is not None:
        named.append(("design effect of units", f"{row['design_effect']:.2f}"))
    if len(arms) > 2:
        named.append(("arms", text.count(len(arms))))
    return [{"name": name, "value": value} for name, value in named]


def _row_view(row: Row) -> dict[str, Any]:
    is_overall = row["category"] == ALL_CATEGORIES
    return {
        "experiment": row["experiment_id"],
        "contrast": row["contrast"],
        "category": "Overall" if is_overall else row["category"],
        "overall": is_overall,
        "impressions": text.count(row["impressions_control"] + row["impressions_treatment"]),
        "ctr": f"{text.ctr(row['control_ctr']).removesuffix(' %')} \N{RIGHTWARDS ARROW} "
        f"{text.ctr(row['treatment_ctr'])}",
        "lift": text.lift(row["rel_lift"]),
        "interval": text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"]),
        "shrunk": text.lift(row["rel_lift_shrunk"]),
        "shrunk_interval": text.interval(
            row["rel_lift_shrunk_ci_lower"], row["rel_lift_shrunk_ci_upper"]
        ),
        "p": text.p_value(row["p_value"]),
        "p_adj": text.p_value(row["p_value_adj"]),
        "mde": text.lift(row["rel_lift_mde"]),
        "verdict": row["verdict"],
        "words": text.STATUS_WORDS[row["status"]]
        if row["verdict"] == "insufficient"
        else row["verdict"],
    }


def _per_unit_view(row: Row) -> dict[str, str]:
    return {
        "name": PER_UNIT_WORDS[row["metric"]],
        "control": _mean(row, "control"),
        "treatment": _mean(row, "treatment"),
        "lift": text.lift(row["rel_lift"]),
        "interval": text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"]),
        "p": text.p_value(row["p_value"]),
    }


def _mean(row: Row, arm: str) -> str:
    if row[f"{arm}_ci_lower"] is None:
        return text.UNKNOWN
    return f"{row[arm]:.4g} [{row[f'{arm}_ci_lower']:.4g}, {row[f'{arm}_ci_upper']:.4g}]"


def _methods(config: LiftConfig) -> list[str]:
    design, analysis = config.design, config.analysis
    return [
        "Lift is relative: CTR of treatment over CTR of control, minus 1.",
        f"Randomised by {design.randomisation}; lift and p-value by "
        f"{CI_METHODS[design.randomisation]}; CTR by {CTR_METHODS[design.randomisation]}.",
        f"Two-sided tests at {analysis.alpha:g}. {CORRECTION_NAMES[analysis.correction]} over the "
        "categories of an experiment, all contrasts together; overall rows are a family of their "
        "own, the experiment's contrasts.",
        "Shrunk: the lift moved towards the categories' mean as far as their spread (restricted "
        "maximum likelihood) and its own noise call for; the better guess of a category that was "
        "picked because it looks best. Its interval covers on average over the categories.",
        "Detectable: the smallest true lift that a test of this precision finds with 80 % power.",
        f"A category with fewer than {analysis.min_clicking_units} "
        f"{'units with a click' if design.randomisation == 'unit' else 'clicks'} in an arm is "
        "shown, not tested.",
        f"A sample ratio is unhealthy below p {config.health.sample_ratio_alpha:g}; then verdicts "
        "are withheld.",
        f"Days end at midnight {design.day_zone} where times carry a zone.",
    ]
