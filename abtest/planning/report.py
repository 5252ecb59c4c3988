"""The report of a plan: one HTML file that opens from disk, and the same in Markdown.

Nothing is computed here. The HTML runs no script and loads nothing. Names from a log are untrusted:
escaped in HTML, defused in Markdown.
"""

import re
from datetime import datetime
from typing import Any

import jinja2
import polars as pl
from markupsafe import Markup

from abtest.planning.config import Plan
from abtest.planning.figures import power_chart
from abtest.planning.pilot import Pilot
from abtest.planning.sentences import assumptions, headline, notes, row_view
from abtest.planning.tables import planned_days
from abtest.reporting.report import defused
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES

OVERALL_LAST = pl.col("category") == ALL_CATEGORIES


def plan_view(table: pl.DataFrame, curve: pl.DataFrame, pilot: Pilot, plan: Plan) -> dict[str, Any]:
    """Texts of both forms of the report, but for the run's name and time.

    Args:
        table: ``plan/1``.
        curve: ``power_curve/1``.
        pilot: Traffic.
        plan: What to find.
    """
    overall = table.filter(OVERALL_LAST).row(0, named=True)
    return {
        "headline": headline(table, plan),
        "notes": notes(table, pilot, plan),
        "days": text.count(planned_days(pilot, plan)),
        "power": f"{100 * plan.power:g} %",
        "target": text.lift(plan.target_lift),
        "chart": Markup(power_chart(curve, pilot, plan)),
        "rows": [row_view(row) for row in table.sort(OVERALL_LAST, maintain_order=True).to_dicts()],
        "overall": row_view(overall),
        "assumptions": assumptions(pilot, plan),
    }


def render_html(view: dict[str, Any], *, run_id: str, made_at: datetime) -> str:
    """The report as one HTML page."""
    return _rendered("plan.html.j2", view, run_id, made_at, autoescape=True)


def render_markdown(view: dict[str, Any], *, run_id: str, made_at: datetime) -> str:
    """The report as Markdown."""
    rendered = _rendered("plan.md.j2", view, run_id, made_at, autoescape=False)
    return re.sub(r"\n{3,}", "\n\n", rendered)


def _rendered(
    template: str, view: dict[str, Any], run_id: str, made_at: datetime, *, autoescape: bool
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("abtest.planning"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = defused
    return environment.get_template(template).render(
        view, run_id=run_id, made_at=f"{made_at:%Y-%m-%d %H:%M}"
    )
