"""Public logs with published counts: the whole command on real input."""

import gzip

import polars as pl
import pytest

from caig.cli import run
from caig.runs.store import Run

pytestmark = pytest.mark.real_data


@pytest.fixture
def lift_real(lift, repository):
    def call(recipe, *arguments, runs="runs"):
        config = repository / "configs" / "abtest" / f"{recipe}.toml"
        return lift(*arguments, "--config", config, runs=runs).run

    return call


# Open Bandit, men: impressions were assigned one by one to the policies random and bts -----------


@pytest.fixture
def bandit_log(real_data_dir, tmp_path):
    """Both policies as parts of one log; the archive states the policy by its folder only."""
    folder = tmp_path / "bandit"
    folder.mkdir()
    for policy in ("random", "bts"):
        packed = real_data_dir / "open_bandit_men" / policy / "men" / "men.csv.gz"
        log = pl.read_csv(gzip.decompress(packed.read_bytes()), infer_schema=False)
        log.with_columns(policy=pl.lit(policy), campaign=pl.lit("men")).select(
            "policy", "campaign", "timestamp", "item_id", "position", "click"
        ).write_csv(folder / f"{policy}.csv")
    return folder


def row_of(made, category="__all__"):
    table = made.table("lift_table").filter(pl.col("category") == category)
    return table.row(0, named=True)


def test_open_bandit_overall(lift_real, bandit_log):
    row = row_of(lift_real("open-bandit", bandit_log))
    assert row["contrast"] == "bts vs random"
    assert (row["clicks_control"], row["impressions_control"]) == (46, 10_000)
    assert (row["clicks_treatment"], row["impressions_treatment"]) == (69, 10_000)
    assert row["rel_lift"] == pytest.approx(0.5, abs=1e-12)
    assert row["p_value"] == pytest.approx(0.0314798, abs=1e-7)
    assert z_of(row) == pytest.approx(2.150954, abs=1e-6)


def z_of(row):
    """The pooled z behind a row, from the table's own p-value."""
    from scipy.stats import norm

    return norm.isf(row["p_value"] / 2)


def test_open_bandit_by_position(lift_real, bandit_log):
    made = lift_real("open-bandit", bandit_log)
    assert made.table("lift_table")["category"].to_list() == ["1", "2", "3", "__all__"]
    row = row_of(made, "1")
    assert (row["clicks_control"], row["impressions_control"]) == (10, 3284)
    assert (row["clicks_treatment"], row["impressions_treatment"]) == (30, 3339)
    assert row["p_value"] == pytest.approx(0.0018128, abs=1e-7)
    parts = made.table("lift_table").filter(pl.col("category") != "__all__")
    assert parts["impressions_treatment"].sum() == 10_000
    assert parts["clicks_control"].sum() == 46


def test_open_bandit_arms_swapped(lift_real, bandit_log):
    there = row_of(lift_real("open-bandit", bandit_log, runs="there"))
    back = row_of(lift_real("open-bandit", bandit_log, "--set", "design.control=bts", runs="back"))
    assert back["contrast"] == "random vs bts"
    assert 1 + back["rel_lift"] == pytest.approx(1 / (1 + there["rel_lift"]), rel=1e-12)
    for lower, upper in (("lower", "upper"), ("upper", "lower")):
        inverse = 1 / (1 + there[f"rel_lift_ci_{upper}"])
        assert 1 + back[f"rel_lift_ci_{lower}"] == pytest.approx(inverse, rel=1e-9)
    assert back["p_value"] == pytest.approx(there["p_value"], rel=1e-12)
    assert back["abs_lift"] == pytest.approx(-there["abs_lift"], rel=1e-12)


def test_open_bandit_days_and_items(lift_real, bandit_log):
    made = lift_real("open-bandit", bandit_log)
    daily = made.table("lift_daily").filter(pl.col("category") == "__all__").sort("day")
    assert daily["day"].n_unique() == daily.height == 7
    last = daily.row(-1, named=True)
    assert (last["cum_clicks_control"], last["cum_impressions_control"]) == (46, 10_000)
    assert last["rel_lift"] == pytest.approx(0.5, abs=1e-12)
    arms = made.table("arm_summary")
    assert arms["n_creatives"].to_list() == [34, 34]


# Upworthy: every test is an experiment, every row an arm -----------------------------------------


@pytest.fixture(scope="module")
def weeks(real_data_dir):
    """Week of every test."""
    packed = real_data_dir / "upworthy" / "upworthy_shared.csv.gz"
    packages = pl.read_csv(packed, infer_schema_length=0)
    # 17 tests ran into the next week; they belong to the one in which they began.
    return packages.group_by(experiment_id="clickability_test_id").agg(
        week=pl.col("test_week").cast(pl.Int64).min()
    )


@pytest.fixture(scope="module")
def upworthy(real_data_dir, repository, tmp_path_factory):
    """One analysis of the archive for all tests: its thousands of contrasts take seconds."""
    log = real_data_dir / "upworthy" / "upworthy_shared.csv.gz"
    config = repository / "configs" / "abtest" / "upworthy.toml"
    root = tmp_path_factory.mktemp("upworthy")
    assert run(["lift", str(log), "--config", str(config), "--runs", str(root)]) == 0
    (made,) = root.iterdir()
    return Run.open(made)


def test_upworthy_sample_ratio_finds_the_known_fault(upworthy, weeks):
    checks = upworthy.table("health").filter(pl.col("check") == "sample_ratio")
    assert checks["threshold"].unique().to_list() == [0.001]
    by_period = (
        checks.join(weeks, on="experiment_id", validate="1:1")
        .group_by(faulty=pl.col("week").is_between(201325, 201402))
        .agg(tests=pl.len(), unhealthy=(pl.col("status") == "unhealthy").sum())
    )
    assert sorted(by_period.rows()) == [(False, 1896, 7), (True, 575, 391)]


def test_upworthy_verdicts_of_unhealthy_tests_are_withheld(upworthy):
    unhealthy = upworthy.table("health").filter(
        (pl.col("check") == "sample_ratio") & (pl.col("status") == "unhealthy")
    )["experiment_id"]
    table = upworthy.table("lift_table")
    of_unhealthy = table.filter(pl.col("experiment_id").is_in(unhealthy.to_list()))
    assert of_unhealthy["experiment_id"].n_unique() == 398
    assert of_unhealthy["verdict"].unique().to_list() == ["withheld"]
    others = table.filter(~pl.col("experiment_id").is_in(unhealthy.to_list()))
    assert "withheld" not in others["verdict"].to_list()


def test_upworthy_reads_every_package(upworthy, real_data_dir):
    packages = pl.read_csv(
        real_data_dir / "upworthy" / "upworthy_shared.csv.gz", infer_schema_length=0
    )
    arms = upworthy.table("arm_summary")
    assert upworthy.manifest.metrics["rows"] == packages.height
    empty = upworthy.manifest.metrics["rows_without_impressions"]
    assert arms.height == packages.height - empty
    assert arms["n_clicks"].sum() == packages["clicks"].cast(pl.Int64).sum()
    assert arms["n_impressions"].sum() == packages["impressions"].cast(pl.Int64).sum()
