"""The report: same figures in HTML and Markdown, nothing loaded, hostile names harmless."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import polars as pl
import pytest

from abtest.config import Design, Health, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from abtest.reporting.figures import daily_plot, forest_plot
from abtest.reporting.report import ReportFacts, defused, render_html, render_markdown
from caig import text
from caig.contracts.records import FileInput
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

HOSTILE = '<script>alert("x")</script> ![i](http://evil.example/a.png) | \u202eabc `'
FACTS = ReportFacts(
    run_id="20260301T000000-lift-abcd",
    made_at=datetime(2026, 3, 1, tzinfo=UTC),
    n_rows=12_345,
    n_quarantined=7,
    files=[FileInput(path="logs/a<b>.csv", sha256="0" * 64, n_bytes=10)],
)


@pytest.fixture(scope="module")
def analysed():
    log = simulate_traffic(TrafficConfig(n_users=20_000, mean_lift=0.2)).log
    log = log.with_columns(
        category=pl.when(pl.col("category") == "Boots").then(pl.lit(HOSTILE)).otherwise("category")
    )
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    counts = UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))
    return analyse_lift(counts, LiftConfig())


class Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.links = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_html_runs_no_script_and_loads_nothing(analysed):
    page = render_html(analysed, LiftConfig(), FACTS)
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert "img" not in parsed.tags
    assert parsed.links == ["data:,"]
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert "&lt;script&gt;alert(" in page
    assert "logs/a&lt;b&gt;.csv" in page


def test_both_reports_tell_the_figures_of_the_table(analysed):
    html, markdown = (
        render_html(analysed, LiftConfig(), FACTS),
        render_markdown(analysed, LiftConfig(), FACTS),
    )
    for row in analysed.lift_table.iter_rows(named=True):
        interval = text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"])
        assert text.lift(row["rel_lift"]) in html.replace("&#43;", "+")
        assert interval in html
        assert f"| {text.lift(row['rel_lift'])} | {interval} |" in markdown
    assert "7 rows set aside" in html
    assert "**7 rows set aside**" in markdown


def test_markdown_table_keeps_its_columns_under_hostile_names(analysed):
    markdown = render_markdown(analysed, LiftConfig(), FACTS)
    blocks = re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    assert len(blocks) > 8
    for block in blocks:
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(columns) == 1, block
    assert "](http" not in markdown
    assert defused("a\n# b | <i>") == r"a \# b \| \<i\>"


def test_an_unhealthy_run_says_so_first():
    log = simulate_traffic(TrafficConfig(n_users=20_000)).log.filter(
        (pl.col("arm") == "control") | ~pl.col("unit_id").str.ends_with("3")
    )
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    counts = UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))
    page = render_html(analyse_lift(counts, LiftConfig()), LiftConfig(), FACTS)
    assert page.index("No verdict: the experiment is not healthy") < page.index("overall lift")
    config = LiftConfig(health=Health(override=("sample_ratio", "sample_ratio_by_category")))
    overridden = render_html(analyse_lift(counts, config), config, FACTS)
    assert "Overridden: Sample ratio" in overridden
    assert "No verdict" not in overridden


def test_many_experiments_are_listed_and_none_is_lost_in_silence():
    parts = [
        pl.DataFrame(
            {
                "experiment_id": [f"test {i:04d}"] * 2,
                "arm": ["control", "treatment"],
                "unit_id": [None, None],
                "category": [None, None],
                "day": [None, None],
                "n": [1000, 1000],
                "c": [20 + i % 7, 30],
            },
            schema_overrides={"unit_id": pl.String, "category": pl.String, "day": pl.Date},
        )
        for i in range(600)
    ]
    config = LiftConfig(design=Design(randomisation="impression"))
    result = analyse_lift(UnitCounts.from_rows(pl.concat(parts)), config)
    page = render_html(result, config, FACTS)
    assert "CTR lift: <bdi>600 experiments</bdi>" in page
    assert "88 more are in lift_table.parquet" in page
    assert len(page) < 1_000_000


def test_forest_plot_shows_every_row_and_says_what_it_shows(analysed):
    rows = list(analysed.lift_table.iter_rows(named=True))
    figure = forest_plot(rows[:-1], rows[-1])
    assert figure.count("<text") >= 2 * 45
    wins = sum(row["verdict"] == "win" for row in rows[:-1])
    assert f"{wins} of 44 categories win" in figure
    assert "<script" not in figure


def test_forest_plot_survives_cells_without_estimates(analysed):
    row = analysed.lift_table.row(0, named=True)
    unknown = (
        row | {name: None for name in row if name.startswith("rel_lift")} | {"status": "zero_click"}
    )
    assert "an arm has no click" in forest_plot([unknown], unknown)


def test_daily_plot_needs_two_days(analysed):
    daily = list(
        analysed.lift_daily.filter(pl.col("category") == "__all__")
        .sort("day")
        .iter_rows(named=True)
    )
    assert daily_plot(daily[:1]) == ""
    assert "Cumulated overall lift over 7 days" in daily_plot(daily)
