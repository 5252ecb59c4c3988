"""Repeated impressions and early exposures, from the log's columns to the health table."""

import random
from collections import Counter
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.config import LiftConfig
from abtest.health.config import Health
from abtest.reading.row_checks import RowChecks
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

CHECKS = ("duplicate_impressions", "exposure_before_assignment")
RARE = ("--set", "analysis.one_arm_categories=report")
NAMED = (*RARE, "--set", "columns.impression=impression", "--set", "columns.assigned=assigned")
FORMATS = ("parquet", "csv", "tsv.gz", "ndjson")


@pytest.fixture(scope="module")
def log():
    """Shop traffic in which rows 0-9 occur again and units of rows 20-24 were assigned late."""
    drawn = simulate_traffic(TrafficConfig(n_users=1_000, n_days=3, seed=3)).log.with_row_index()
    late = pl.col("index").is_between(20, 24)
    named = drawn.with_columns(
        impression=pl.format("i{}", "index"),
        assigned=pl.when(late).then(pl.col("day").dt.offset_by("1d")).otherwise("day"),
    ).drop("index")
    return pl.concat([named, named.head(10)])


def found(outcome):
    health = outcome.run.table("health").filter(pl.col("check").is_in(CHECKS))
    return {row["check"]: row for row in health.iter_rows(named=True)}


@pytest.mark.parametrize("suffix", FORMATS)
def test_both_are_found_in_every_format_and_across_batches(lift, write_log, log, suffix):
    path = write_log(log, f"log.{suffix}")
    rows = found(lift(path, *NAMED, "--set", "ingest.batch_rows=700"))
    assert rows[CHECKS[0]]["statistic"] == 10 / log.height
    assert rows[CHECKS[1]]["statistic"] == 5 / log.height
    assert f"10 of {log.height:,} rows repeat an impression" in rows[CHECKS[0]]["detail"]


def test_they_are_unhealthy_beyond_their_thresholds(lift, write_log, log):
    path = write_log(log, "log.parquet")
    strict = ("--set", "health.max_duplicate_share=0", "--set", "health.max_early_share=0.5")
    rows = found(lift(path, *NAMED, *strict))
    assert [rows[check]["status"] for check in CHECKS] == ["unhealthy", "healthy"]


def test_they_stand_beside_the_audit_of_units(lift, write_log, log):
    health = lift(write_log(log, "log.parquet"), *NAMED).run.table("health")
    made = health.filter(pl.col("check").is_in(["bot_like_units", *CHECKS]))
    assert made.height == 3
    assert "not_applicable" not in made["status"].to_list()


def test_they_are_made_without_units(lift, write_log, log):
    by_impression = ("--set", "design.randomisation=impression", "--set", "columns.unit=''")
    rows = found(lift(write_log(log.drop("unit_id"), "log.csv"), *NAMED, *by_impression))
    assert [rows[check]["status"] != "not_applicable" for check in CHECKS] == [True, True]


def test_a_log_that_names_neither_says_so(lift, write_log, log):
    rows = found(lift(write_log(log, "log.parquet"), *RARE))
    assert {row["status"] for row in rows.values()} == {"not_applicable"}


def test_an_impression_may_repeat_in_another_file_and_type(lift, write_log, log):
    numbered = log.head(log.height - 10).with_row_index("number").drop("impression")
    whole = write_log(numbered.rename({"number": "impression"}), "a.parquet")
    again = numbered.head(7).with_columns(pl.col("number").cast(pl.String))
    part = write_log(again.rename({"number": "impression"}), "b.csv")
    rows = found(lift(whole, part, *NAMED))
    assert rows[CHECKS[0]]["statistic"] == 7 / (numbered.height + 7)


def test_what_is_not_known_is_not_looked_at(lift, write_log, log):
    is_first = pl.int_range(pl.len()) < 30
    some = log.with_columns(
        pl.when(is_first).then(pl.lit("")).otherwise(pl.col(name).cast(pl.String)).alias(name)
        for name in ("impression", "assigned")
    )
    for suffix in ("csv", "ndjson"):
        rows = found(lift(write_log(some, f"log.{suffix}"), *NAMED, runs=suffix))
        assert [rows[check]["statistic"] for check in CHECKS] == [0, 0]
        assert f"of {log.height - 30:,} rows" in rows[CHECKS[0]]["detail"]


def test_times_are_compared_by_the_day_of_the_design(lift, write_log, good_log):
    # Half an hour before the assignment: the same day in Berlin, the day before in UTC.
    timed = good_log.with_columns(
        day=pl.lit("2026-03-01T23:30:00Z"), assigned=pl.lit("2026-03-02T01:00:00+01:00")
    )
    path, asked = write_log(timed, "log.csv"), ("--set", "columns.assigned=assigned")
    berlin = found(lift(path, *asked, "--set", "design.day_zone=Europe/Berlin", runs="a"))
    utc = found(lift(path, *asked, "--set", "design.day_zone=UTC", runs="b"))
    assert (berlin[CHECKS[1]]["statistic"], utc[CHECKS[1]]["statistic"]) == (0, 1)
    compact = write_log(timed.with_columns(assigned=pl.lit("20260301")), "compact.csv")
    assert found(lift(compact, *asked, runs="c"))[CHECKS[1]]["statistic"] == 0


def test_an_assignment_that_is_no_day_is_refused_with_its_row(lift, write_log, log):
    text = pl.col("assigned").cast(pl.String)
    bad = log.with_columns(
        pl.when(pl.int_range(pl.len()) == 4).then(pl.lit("soon")).otherwise(text)
    )
    bad = bad.with_columns(assigned=pl.col("literal")).drop("literal")
    outcome = lift(write_log(bad, "log.csv"), *NAMED)
    outcome.assert_refused("column assigned", "is no date like", "row 5", "'soon'")


def test_an_assignment_needs_a_day_to_be_compared_with(lift, write_log, log):
    outcome = lift(write_log(log.drop("day"), "log.csv"), *NAMED)
    outcome.assert_refused("columns.assigned", "--set columns.day=NAME")


def test_a_named_column_must_exist(lift, write_log, log):
    lift(write_log(log.drop("impression"), "log.csv"), *NAMED).assert_refused("impression")


def test_period_before_need_not_name_them(lift, write_log, log):
    before = log.drop("impression", "assigned", "arm")
    history = write_log(before.with_columns(pl.col("day").dt.offset_by("-1mo")), "before.parquet")
    rows = found(lift(write_log(log, "log.parquet"), *NAMED, "--history", history))
    assert rows[CHECKS[0]]["statistic"] == 10 / log.height


def test_rows_that_are_arms_have_neither():
    for role in ("impression", "assigned"):
        with pytest.raises(ValueError, match=rf"drop columns\.{role}"):
            LiftConfig.model_validate(
                {"columns": {"arm": "@row", role: "x"}, "design": {"randomisation": "impression"}}
            )


rows_of_logs = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["x", "y", "z", " ", None]),
        st.integers(1, 4),
        st.one_of(st.none(), st.integers(1, 4)),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(rows_of_logs, st.integers(1, 9), st.randoms(use_true_random=False))
def test_checks_are_those_of_a_loop_however_the_log_is_cut(rows, size, rng: random.Random):
    rng.shuffle(rows)
    checks = RowChecks({"impression": "i", "assigned": "a"})
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        checks.add(
            pl.DataFrame(
                {
                    "_experiment_id": [e for e, *_ in part],
                    "_impression": pl.Series([i for _, i, _, _ in part], dtype=pl.String),
                    "_day": [date(2026, 3, d) for _, _, d, _ in part],
                    "_assigned": pl.Series(
                        [None if a is None else date(2026, 3, a) for *_, a in part], dtype=pl.Date
                    ),
                }
            )
        )
    table = checks.result(Health())
    expected = {}
    for name in "ab":
        ids = [i for e, i, _, _ in rows if e == name and i is not None and i.strip()]
        if ids:
            repeats = sum(count - 1 for count in Counter(ids).values())
            expected[name, CHECKS[0]] = repeats / len(ids)
        days = [(d, a) for e, _, d, a in rows if e == name and a is not None]
        if days:
            expected[name, CHECKS[1]] = sum(d < a for d, a in days) / len(days)
    assert {
        (e, c): s for e, c, s in table.select("experiment_id", "check", "statistic").rows()
    } == (pytest.approx(expected))
