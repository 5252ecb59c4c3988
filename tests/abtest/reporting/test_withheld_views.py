"""What a report says of an unhealthy experiment: figures to find out why, and no claim."""

import re
from datetime import UTC, date, datetime

import polars as pl
import pytest

from abtest.config import Health, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from abtest.monitoring.config import Monitoring
from abtest.overall.config import Overall
from abtest.reporting.details import DETAILS
from abtest.reporting.report import ReportFacts, render_html, render_markdown
from abtest.reporting.summary import summarise
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

FACTS = ReportFacts(
    run_id="20260301T000000-lift-abcd",
    made_at=datetime(2026, 3, 1, tzinfo=UTC),
    n_rows=1,
    n_quarantined=0,
    files=[],
)
CHECKS = ("sample_ratio", "sample_ratio_by_category", "traffic_by_day", "units_in_two_arms")
DECIDING = [detail for detail in DETAILS if detail.decides]
SETTINGS = {
    "monitoring": Monitoring(planned_looks=3, planned_last_day=date(2026, 3, 8)),
    "overall": Overall(guardrails={"ctr": 0.02}),
}


@pytest.fixture(scope="module")
def unhealthy():
    """A log whose treatment wins by far, but has lost a tenth of its users."""
    log = simulate_traffic(TrafficConfig(n_users=20_000, mean_lift=0.5)).log
    log = log.filter((pl.col("arm") == "control") | ~pl.col("unit_id").str.ends_with("3"))
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))


def reports(counts, config):
    result = analyse_lift(counts, config)
    return result, render_html(result, config, FACTS), render_markdown(result, config, FACTS)


def headings(page: str) -> set[str]:
    """Headings of both formats, without what counts their rows."""
    html = re.findall(r"<(?:h3|summary)>([^<]+?)(?: \(\d+ rows\))?</", page)
    return {*html, *re.findall(r"^### (.+)$", page, re.MULTILINE)}


def test_tables_that_decide_are_left_out_and_named(unhealthy):
    config = LiftConfig(**SETTINGS)
    result, *pages = reports(unhealthy, config)
    # The claims are there to be made: what is left out is not merely empty.
    assert result.details["selected_lifts/1"].height > 3
    assert result.details["category_posterior/1"]["p_better"].max() > 0.99
    assert result.details["category_intervals/1"]["selected"].any()
    assert set(result.lift_table["verdict"]) == {"withheld"}
    titles = {detail.title for detail in DECIDING}
    for page in pages:
        assert headings(page) & titles == set()
        assert "Do categories differ?" in headings(page)
        (said,) = re.findall(r"Left out here, as they would decide: ([^<\n]+)\.", page)
        assert set(said.replace("&#39;", "'").split("; ")) == titles


def test_no_sentence_speaks_of_lifts(unhealthy):
    result, *_ = reports(unhealthy, LiftConfig())
    (summary,) = summarise(result)
    said = " ".join((summary.headline, *summary.notes))
    assert "No verdict" in said
    assert re.findall(r"\blift\b|\bwin\b|differ in their", said) == []


def test_overridden_by_name_all_of_it_is_shown_again(unhealthy):
    config = LiftConfig(health=Health(override=CHECKS), **SETTINGS)
    _, *pages = reports(unhealthy, config)
    for page in pages:
        assert {detail.title for detail in DECIDING} <= headings(page)
        assert "Left out here" not in page
    (summary,) = summarise(analyse_lift(unhealthy, config))
    assert "differ in their lift" in " ".join(summary.notes)


def test_which_tables_decide():
    names = {detail.identifier.partition("/")[0] for detail in DECIDING}
    assert {"category_intervals", "category_posterior", "selected_lifts"} <= names
    assert {"guardrails", "arm_comparison", "looks", "day_effects"} <= names
