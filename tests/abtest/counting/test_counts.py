"""Moments against a direct computation, and their additivity however a log is cut."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from abtest.counting.counts import (
    MOMENTS,
    UnitCounts,
    cumulative_moments,
    daily_moments,
    total_moments,
)
from caig.contracts.experiments import ALL_CATEGORIES

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["control", "treatment"]),
        st.sampled_from(["u1", "u2", "u3", "u4", "u5"]),
        st.sampled_from(["Shoes", "Lamps"]),
        st.integers(0, 3),
        st.integers(1, 9),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=60,
)


def counts_of(rows) -> UnitCounts:
    return UnitCounts.from_rows(
        pl.DataFrame(
            {
                "experiment_id": ["e"] * len(rows),
                "arm": [r[0] for r in rows],
                "unit_id": [r[1] for r in rows],
                "category": [r[2] for r in rows],
                "day": [date(2026, 3, 1) + timedelta(days=r[3]) for r in rows],
                "n": [r[4] for r in rows],
                "c": [min(r[4], r[5]) for r in rows],
            },
            schema_overrides={"day": pl.Date},
        )
    )


def direct_moments(cells: pl.DataFrame) -> pl.DataFrame:
    """Sums over units, computed without increments."""
    n, c = pl.col("n"), pl.col("c")
    square = pl.Float64
    return (
        cells.with_columns(pl.col("category", "arm").cast(pl.String))
        .group_by("category", "arm", "unit_id")
        .agg(n.sum(), c.sum())
        .group_by("category", "arm")
        .agg(
            units=pl.len().cast(pl.Int64),
            clicking_units=(c > 0).sum().cast(pl.Int64),
            n=n.sum(),
            c=c.sum(),
            nn=(n * n).sum().cast(square),
            cc=(c * c).sum().cast(square),
            nc=(n * c).sum().cast(square),
        )
        .sort("category", "arm")
    )


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_total_moments_equal_a_direct_computation(rows):
    counts = counts_of(rows)
    pooled = counts.cells.with_columns(category=pl.lit(ALL_CATEGORIES))
    total = total_moments(daily_moments(counts)).sort("category", "arm").drop("experiment_id")
    assert_frame_equal(
        total.filter(pl.col("category") != ALL_CATEGORIES), direct_moments(counts.cells)
    )
    assert_frame_equal(total.filter(pl.col("category") == ALL_CATEGORIES), direct_moments(pooled))


@given(ROWS, st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_moments_up_to_a_day_are_those_of_the_log_cut_at_that_day(rows, cut):
    day = date(2026, 3, 1) + timedelta(days=cut)
    counts = counts_of(rows)
    looked = cumulative_moments(daily_moments(counts)).filter(
        (pl.col("day") == day) & (pl.col("n") > 0) & (pl.col("category") != ALL_CATEGORIES)
    )
    if looked.is_empty():
        return
    until = direct_moments(counts.cells.filter(pl.col("day") <= day))
    assert_frame_equal(looked.sort("category", "arm").select("category", "arm", *MOMENTS), until)


@given(ROWS, st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_counts_of_two_parts_add_up_to_counts_at_once(rows, cut):
    whole = counts_of(rows)
    first, second = rows[:cut], rows[cut:]
    parts = [counts_of(part) for part in (first, second) if part]
    order = ["arm", "unit_id", "category", "day"]
    assert_frame_equal(UnitCounts.merge(parts).cells.sort(order), whole.cells.sort(order))
    assert_frame_equal((UnitCounts.empty() + whole).cells.sort(order), whole.cells.sort(order))


def test_days_on_which_a_cell_was_idle_repeat_the_day_before():
    rows = [
        ("control", "u1", "Shoes", 0, 4, 1),
        ("control", "u1", "Shoes", 2, 6, 1),
        ("treatment", "u2", "Shoes", 1, 5, 0),
    ]
    looked = cumulative_moments(daily_moments(counts_of(rows))).filter(
        (pl.col("arm") == "control") & (pl.col("category") == "Shoes")
    )
    # One unit: 4, 4, 10 impressions so far; squares 16, 16, 100 and not 16 + 36.
    assert looked["n"].to_list() == [4, 4, 10]
    assert looked["nn"].to_list() == [16, 16, 100]
    assert looked["units"].to_list() == [1, 1, 1]


def test_without_units_categories_and_days_only_the_pooled_cell_remains():
    rows = counts_of([("control", "u1", "Shoes", 0, 4, 1), ("treatment", "u2", "Shoes", 0, 4, 2)])
    bare = UnitCounts.from_rows(
        rows.cells.with_columns(
            unit_id=pl.lit(None, dtype=pl.String),
            category=pl.lit(None, dtype=pl.String),
            day=pl.lit(None, dtype=pl.Date),
        )
    )
    total = total_moments(daily_moments(bare)).sort("arm")
    assert total["category"].to_list() == [ALL_CATEGORIES, ALL_CATEGORIES]
    assert total["c"].to_list() == [1, 2]


def test_squares_of_billions_of_impressions_do_not_overflow():
    huge = 5_000_000_000
    rows = [("control", "u1", "Shoes", 0, 1, 0), ("control", "u1", "Shoes", 1, 1, 0)]
    cells = counts_of(rows).cells.with_columns(n=pl.lit(huge))
    total = total_moments(daily_moments(UnitCounts(cells)))
    assert total["nn"].to_list() == [float(2 * huge) ** 2] * 2
