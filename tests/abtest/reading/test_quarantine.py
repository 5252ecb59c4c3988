"""Rows set aside on request: written out, counted, and without effect on the result."""

import polars as pl
import pytest

QUARANTINE = ("--set", "ingest.bad_rows=quarantine")
FORMATS = ("csv", "ndjson", "parquet")


@pytest.fixture
def dirty_log(good_log):
    """The good log with five bad rows and two rows of no impressions among its rows."""
    bad = good_log[:5].with_columns(
        arm=pl.Series(["control", None, "treatment", "NULL", "control"]),
        n_clicks=pl.Series([-1, 0, 9, 0, 0]),
        day=pl.Series(["2026-03-01", "2026-03-01", "2026-03-01", "2026-03-01", "soon"]),
    )
    empty = good_log[5:7].with_columns(
        n_clicks=pl.lit(0, pl.Int64), n_impressions=pl.lit(0, pl.Int64)
    )
    return pl.concat([good_log[:10], bad[:2], good_log[10:30], bad[2:], empty, good_log[30:]])


EXPECTED_ROWS = [11, 12, 33, 34, 35]
EXPECTED_REASONS = [
    "n_clicks: is negative",
    "arm: arm is missing",
    "n_clicks, n_impressions: more clicks than impressions",
    "arm: arm is a null written as text",
    "day: day is missing or no date like 2026-03-31, 20260331 or 2026-03-31T14:05:00+00:00",
]


@pytest.mark.parametrize("batch_rows", [1, 7, 1_000_000])
@pytest.mark.parametrize("kind", FORMATS)
def test_rows_are_written_out_and_counted(lift, dirty_log, write_log, kind, batch_rows):
    path = write_log(dirty_log, f"log.{kind}")

    outcome = lift(path, *QUARANTINE, "--set", f"ingest.batch_rows={batch_rows}")

    run = outcome.run
    aside = pl.read_parquet(run.file("quarantine"))
    assert aside["file"].to_list() == [str(path)] * 5
    assert aside["row"].to_list() == EXPECTED_ROWS
    assert aside["reason"].to_list() == EXPECTED_REASONS
    # Raw values, as text, of every column that was read.
    assert aside["arm"].to_list() == ["control", None, "treatment", "NULL", "control"]
    assert aside["n_clicks"].to_list() == ["-1", "0", "9", "0", "0"]
    assert aside["unit_id"].to_list() == ["u0", "u1", "u2", "u3", "u4"]
    assert aside["day"].to_list()[-1] == "soon"
    metrics = run.manifest.metrics
    assert metrics["rows"] == 47
    assert metrics["rows_quarantined"] == 5
    assert metrics["rows_without_impressions"] == 2
    assert "47 rows read = 42 used + 5 set aside (quarantine.parquet)" in outcome.out
    assert "2 rows have no impressions" in outcome.out


@pytest.mark.parametrize("kind", FORMATS)
def test_result_is_that_of_the_clean_log(lift, good_log, dirty_log, write_log, kind):
    clean = lift(write_log(good_log, f"clean.{kind}"), runs="clean").run
    dirty = lift(write_log(dirty_log, f"dirty.{kind}"), *QUARANTINE, runs="dirty").run
    for name in ("lift_table", "lift_daily", "health", "sample_ratio", "arm_summary"):
        assert dirty.table(name).equals(clean.table(name)), name


def test_rows_of_several_files_are_told_apart(lift, good_log, dirty_log, write_log):
    a = write_log(dirty_log[:12], "a.csv")
    b = write_log(dirty_log[12:], "b.csv")
    aside = pl.read_parquet(lift(a, b, *QUARANTINE).run.file("quarantine"))
    assert aside.select("file", "row").rows() == [
        (str(a), 11),
        (str(a), 12),
        (str(b), 21),
        (str(b), 22),
        (str(b), 23),
    ]


def test_every_reason_of_a_row_is_given(lift, good_log, write_log):
    log = pl.concat(
        [good_log, good_log[:1].with_columns(arm=pl.lit(""), n_clicks=pl.lit(-1, pl.Int64))]
    )
    aside = pl.read_parquet(lift(write_log(log, "log.parquet"), *QUARANTINE).run.file("quarantine"))
    assert aside["reason"].to_list() == ["arm: arm is missing; n_clicks: is negative"]


def test_a_clean_log_has_no_quarantine(lift, good_log, write_log):
    run = lift(write_log(good_log, "log.csv"), *QUARANTINE).run
    assert "quarantine" not in run.manifest.artifacts
    assert run.manifest.metrics["rows_quarantined"] == 0


def test_all_rows_bad_is_refused(lift, good_log, write_log):
    log = write_log(good_log.with_columns(n_clicks=-1), "log.csv")
    lift(log, *QUARANTINE).assert_refused(
        "no row is left: of 40 rows 40 were set aside and 0 have no impressions"
    )


def test_refused_all_the_same_where_nothing_is_left_to_compare(lift, good_log, write_log):
    log = good_log.with_columns(
        n_clicks=pl.when(pl.col("arm") == "control").then(-1).otherwise("n_clicks")
    )
    lift(write_log(log, "log.csv"), *QUARANTINE).assert_refused(
        "there is one arm only; arms: treatment"
    )


def test_columns_of_the_log_may_be_called_like_ours(lift, good_log, write_log):
    log = pl.concat([good_log, good_log[:1].with_columns(n_clicks=pl.lit(-1, pl.Int64))])
    names = {"arm": "file", "unit_id": "row", "category": "reason", "day": "self"}
    path = write_log(log.rename(names), "log.csv")
    roles = {"arm": "file", "unit": "row", "category": "reason", "day": "self"}
    settings = [word for r, name in roles.items() for word in ("--set", f"columns.{r}={name}")]
    aside = pl.read_parquet(lift(path, *settings, *QUARANTINE).run.file("quarantine"))
    row = aside.row(0, named=True)
    assert (row["file"], row["row"], row["reason"]) == (str(path), 41, "n_clicks: is negative")
    assert (row["file (log)"], row["row (log)"], row["reason (log)"]) == (
        "treatment",
        "u0",
        "shoes",
    )
    assert row["self"] == "2026-03-01"
