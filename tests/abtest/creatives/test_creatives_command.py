"""``caig lift`` with creatives: asked for, refused, limited; the same however the log is cut."""

import numpy as np
import polars as pl
import pytest

from abtest.config import LiftConfig
from abtest.creatives.collecting import creative_sums
from abtest.creatives.config import CreativeAnalysis
from abtest.creatives.tables import creative_effects, image_tests
from abtest.reading.ingest import ingest
from abtest.reading.sources import find_log
from caig.errors import ConfigError
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

TABLES = ("creative_effects", "image_tests", "creative_drivers")
ASKED = ("--set", "creatives.tables=true", "--set", "analysis.one_arm_categories=report")
BY_IMPRESSION = ("--set", "design.randomisation=impression", "--set", "columns.unit=''")


@pytest.fixture(scope="module")
def log():
    """Shop traffic, two images a product; one of orange-juice-3 is always clicked in treatment."""
    drawn = simulate_traffic(TrafficConfig(n_users=1_500, n_days=3, seed=5)).log
    rng = np.random.default_rng(1)
    image = pl.Series(rng.integers(0, 2, drawn.height))
    is_good = (
        (drawn["product_id"] == "orange-juice-3") & (drawn["arm"] == "treatment") & (image == 1)
    )
    return drawn.with_columns(
        creative_id=pl.col("product_id") + "/" + image.cast(pl.String),
        n_clicks=pl.when(is_good).then("n_impressions").otherwise("n_clicks"),
    )


def canonical_rows(log):
    return log.select(
        *("experiment_id", "arm", "unit_id", "category", "product_id", "creative_id"),
        n="n_impressions",
        c="n_clicks",
    )


def test_tables_are_made_when_asked_and_find_the_planted_image(lift, write_log, log):
    run = lift(write_log(log, "log.parquet"), *ASKED).run
    effects, tests, drivers = (run.table(name) for name in TABLES)
    key = ["experiment_id", "arm"]
    assert (
        effects.group_by(key)
        .agg(pl.col("n_impressions", "n_clicks").sum())
        .sort(key)
        .equals(log.group_by(key).agg(pl.col("n_impressions", "n_clicks").sum()).sort(key))
    )
    planted = tests.filter(
        (pl.col("product_id") == "orange-juice-3") & (pl.col("arm") == "treatment")
    )
    assert planted["p_value_adj"].item() < 1e-4
    best = drivers.filter((pl.col("category") == "Orange juice") & (pl.col("direction") == "up"))
    assert best.row(0, named=True)["creative_id"] == "orange-juice-3/1"
    assert best["contribution_ci_lower"][0] > 0


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson"])
def test_tables_are_those_of_all_rows_at_once(lift, write_log, log, suffix):
    path = write_log(log, f"log.{suffix}")
    run = lift(path, *ASKED, "--set", "ingest.batch_rows=900").run
    sums = creative_sums(canonical_rows(log))
    assert run.table("creative_effects").equals(creative_effects(sums, alpha=0.05))
    assert run.table("image_tests").equals(image_tests(sums, CreativeAnalysis()))


def test_tables_are_not_made_unasked(lift, write_log, log):
    run = lift(write_log(log, "log.parquet"), *ASKED[2:]).run
    assert not set(TABLES) & set(run.manifest.artifacts)


def test_report_shows_drivers_and_tests_smallest_p_first(lift, write_log, log):
    run = lift(write_log(log, "log.parquet"), *ASKED).run
    report = run.file("report_md").read_text()
    drivers = report.partition("### Creatives that raise or lower")[2].partition("###")[0]
    assert "orange-juice-3/1" in drivers.replace("\\", "")
    tests = report.partition("### Do the images of a product differ?")[2].partition("###")[0]
    first = [line for line in tests.splitlines() if line.startswith("|")][2]
    assert "orange-juice-3" in first.replace("\\", "")
    assert "treatment" in first


def test_beyond_max_arms_images_are_tested_but_not_ranked(lift, write_log, log):
    run = lift(write_log(log, "log.parquet"), *ASKED, "--set", "creatives.max_arms=1").run
    assert run.table("image_tests").height > 0
    assert run.table("creative_effects").is_empty()
    assert run.table("creative_drivers").is_empty()


def test_impressions_that_were_randomised_have_creatives_but_no_units(lift, write_log, log):
    run = lift(write_log(log.drop("unit_id"), "log.parquet"), *ASKED, *BY_IMPRESSION).run
    effects = run.table("creative_effects")
    assert effects["n_units"].null_count() == effects.height > 0
    assert effects["design_effect"].null_count() == effects.height


def test_log_without_a_creative_is_refused(lift, write_log, log):
    path = write_log(log.drop("creative_id"), "log.csv")
    lift(path, *ASKED).assert_refused("log.csv", "no column 'creative_id'", "columns.creative=NAME")


def test_creative_declared_absent_is_refused(lift, write_log, log):
    outcome = lift(write_log(log, "log.csv"), *ASKED, "--set", "columns.creative=''")
    outcome.assert_refused("columns.creative is empty")


def test_rows_that_are_arms_have_no_creatives():
    sections = {
        "columns": {"arm": "@row"},
        "design": {"randomisation": "impression"},
        "creatives": {"tables": True},
    }
    with pytest.raises((ValueError, ConfigError), match=r"drop creatives\.tables"):
        LiftConfig.model_validate(sections)


def test_rows_set_aside_count_for_no_creative(write_log, log):
    # One row claims more clicks than impressions.
    spoilt = log.with_row_index().with_columns(
        n_clicks=pl.when(pl.col("index") == 3).then(99).otherwise("n_clicks").cast(pl.Int64)
    )
    config = LiftConfig.model_validate(
        {"creatives": {"tables": True}, "ingest": {"bad_rows": "quarantine"}}
    )
    files = find_log([str(write_log(spoilt.drop("index"), "log.csv"))]).files
    kept = canonical_rows(log.with_row_index().filter(pl.col("index") != 3))
    assert ingest(files, config).creatives.equals(creative_sums(kept))


def test_period_before_need_not_name_creatives(lift, write_log, log):
    before = log.drop("creative_id", "arm").with_columns(pl.col("day").dt.offset_by("-1mo"))
    history = write_log(before, "before.parquet")
    run = lift(write_log(log, "log.parquet"), *ASKED, "--history", history).run
    assert run.table("creative_effects").height > 0
    assert run.table("adjusted_lifts").height > 0
