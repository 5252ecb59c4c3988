"""``caig lift`` without files: once more from cubes, and from a table of an engine."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from caig.cli import run
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

REPORT = ("--set", "analysis.one_arm_categories=report")
FIGURES = ["category", "rel_lift", "impressions_control", "clicks_treatment", "status"]


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return simulate_traffic(TrafficConfig(n_users=6_000, mean_lift=0.3)).log


@pytest.fixture(scope="module")
def whole(log, tmp_path_factory):
    """A run with a cube of the whole log."""
    return cube_of(log, tmp_path_factory.mktemp("whole"))


def cube_of(log: pl.DataFrame, folder):
    log.write_parquet(folder / "log.parquet")
    words = ["lift", str(folder / "log.parquet"), "--cube", *REPORT]
    assert run([*words, "--runs", str(folder / "runs")]) == 0
    (made,) = (folder / "runs").iterdir()
    return made


def table_of(outcome) -> pl.DataFrame:
    return outcome.run.table("lift_table")


def test_a_cube_gives_the_lifts_of_the_log_with_nearly_its_intervals(lift, log, whole, tmp_path):
    log.write_parquet(tmp_path / "log.parquet")
    exact = table_of(lift(tmp_path / "log.parquet", *REPORT))
    again = table_of(lift(whole, "--from-cube", *REPORT))
    assert_frame_equal(again.select(FIGURES[:-1]), exact.select(FIGURES[:-1]))
    width = pl.col("rel_lift_ci_upper").log1p() - pl.col("rel_lift_ci_lower").log1p()
    ratio = again.select(width).to_series() / exact.select(width).to_series()
    assert 0.9 < ratio.drop_nulls()[-1] < 1.1
    # Buckets are no units.
    assert again["n_units_control"].null_count() == again.height


def test_cubes_of_two_days_add_up_to_that_of_both(lift, log, whole, tmp_path):
    days = log["day"].unique().sort()
    parts = []
    for name, kept in (("first", days[:4]), ("rest", days[4:])):
        folder = tmp_path / name
        folder.mkdir()
        parts.append(cube_of(log.filter(pl.col("day").is_in(kept.implode())), folder))
    added = table_of(lift(*parts, "--from-cube", *REPORT))
    at_once = table_of(lift(whole, "--from-cube", *REPORT))
    assert_frame_equal(added, at_once)
    lift(whole, parts[0], "--from-cube", *REPORT, runs="twice").assert_refused("cube", "twice")


def test_days_and_groups_are_chosen_without_the_log(lift, log, whole, tmp_path):
    last = log["day"].unique().sort()[2]
    grouped = log.filter(pl.col("day") <= last).with_columns(
        pl.col("category").replace({"Boots": "Shoes", "Sneakers": "Shoes"})
    )
    grouped.write_parquet(tmp_path / "log.parquet")
    exact = table_of(lift(tmp_path / "log.parquet", *REPORT))
    groups = 'cube.groups={Boots = "Shoes", Sneakers = "Shoes"}'
    chosen = ("--set", groups, "--set", f"cube.last_day={last}")
    again = table_of(lift(whole, "--from-cube", *chosen, *REPORT))
    assert "Shoes" in again["category"].to_list()
    assert_frame_equal(again.select(FIGURES[:-1]), exact.select(FIGURES[:-1]))
    late = ("--set", "cube.first_day=2030-01-01")
    lift(whole, "--from-cube", *late, runs="late").assert_refused("nothing is left")
    typo = ("--set", 'cube.groups={Bots = "Footwear"}')
    lift(whole, "--from-cube", *typo, runs="typo").assert_refused("no category 'Bots'", "Boots")


def test_an_unhealthy_log_stays_unhealthy_in_its_cube(lift, tmp_path):
    faulty = TrafficConfig(n_users=20_000, faults=Faults(srm_lost_share=0.2))
    made = cube_of(simulate_traffic(faulty).log, tmp_path)
    outcome = lift(made, "--from-cube", *REPORT)
    assert table_of(outcome)["verdict"].unique().to_list() == ["withheld"]
    checks = outcome.run.table("health").filter(pl.col("check") == "sample_ratio")
    assert "in the run that read the log" in checks["detail"].item()


def test_a_run_without_a_cube_and_per_unit_guardrails_are_refused(lift, whole, tmp_path):
    assert (
        run(
            [
                "make-data",
                "--set",
                "n_users=1000",
                "--set",
                "ads.per_product=0",
                "--runs",
                str(tmp_path / "data"),
            ]
        )
        == 0
    )
    (data,) = (tmp_path / "data").iterdir()
    lift(data, "--from-cube").assert_refused("holds no cube", "--cube")
    guardrail = ("--set", "overall.guardrails={clicks_per_unit = 0.02}")
    lift(whole, "--from-cube", *guardrail).assert_refused("does not count units")


def test_a_table_of_an_engine_is_named_in_place_of_the_log(lift, log, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    log.write_parquet(tmp_path / "log.parquet")
    with duckdb.connect(str(tmp_path / "traffic.db")) as connection:
        connection.execute(
            f"create table impressions as select * from '{tmp_path / 'log.parquet'}'"
        )
    name = f"duckdb:{tmp_path / 'traffic.db'}::impressions"
    outcome = lift(name, *REPORT)
    exact = lift(tmp_path / "log.parquet", *REPORT)
    assert_frame_equal(table_of(outcome), table_of(exact), abs_tol=1e-9)
    assert name in outcome.run.file("report_html").read_text()
    assert "impressions" in outcome.run.file("log").read_text()
    lift(f"{name}x", runs="other").assert_refused("no such table", "impressions")
    lift(name, tmp_path / "log.parquet", runs="other").assert_refused("analysed alone")
    lift(name, "--cube", runs="other").assert_refused("counts by unit")
    rows = ("--set", "columns.impression=unit_id")
    lift(name, *rows, runs="other").assert_refused("columns.impression", "need the rows")
    before = ("--history", tmp_path / "log.parquet")
    lift(name, *before, runs="other").assert_refused("--history")
