"""Packed counting against the table of units: equal in every number, or it says that it cannot."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from abtest.counting.counts import UnitCounts
from abtest.counting.packed import CannotPackError, CollisionError, PackedCounter
from abtest.counting.packed_keys import Fields, Layout
from abtest.counting.packed_products import MOST_DENSE_LABELS, MOST_IN_FLOAT32
from abtest.counting.sums import MOST_LABELS, Sums, sums_of
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
FIRST_DAY = dt.date(2026, 3, 1)
SCHEMA = {
    "experiment_id": pl.String,
    "arm": pl.String,
    "unit_id": pl.String,
    "category": pl.String,
    "day": pl.Date,
    "n": pl.Int64,
    "c": pl.Int64,
}


def assert_same(found: Sums, expected: Sums):
    for name in ("daily", "by_category", "by_day", "first_seen", "crossover"):
        assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)


def assert_counted(rows: pl.DataFrame, batch_rows: int = 1_000, **options):
    counter = PackedCounter(**options)
    for batch in rows.iter_slices(batch_rows):
        counter.add(batch)
    assert_same(counter.sums(), sums_of(UnitCounts.from_rows(rows)))


def drawn(
    n_rows: int, *, experiments: int = 1, most: int = 1, categories: int = 7, days: int = 6
) -> pl.DataFrame:
    """Rows without any order; units are in all arms."""
    rng = np.random.default_rng(n_rows + experiments + most + categories)
    n = rng.integers(1, most + 1, n_rows)
    return pl.DataFrame(
        {
            "experiment_id": [f"e{i}" for i in rng.integers(0, experiments, n_rows)],
            "arm": pl.Series(["treatment", "control", "other"])[rng.integers(0, 3, n_rows)],
            "unit_id": [f"u{i}" for i in rng.integers(0, n_rows // 10, n_rows)],
            "category": [f"k{i}" for i in rng.integers(0, categories, n_rows)],
            "day": [FIRST_DAY + dt.timedelta(int(i)) for i in rng.integers(0, days, n_rows)],
            "n": n,
            "c": rng.binomial(n, 0.15),
        },
        SCHEMA,
    )


ROW = st.tuples(
    st.sampled_from(["x", "y"]),
    st.sampled_from(["control", "treatment", "\u00e4"]),
    st.sampled_from(["u1", "u2", "u3", "u4", ""]),
    st.sampled_from(["shoes", "hats", "Hats", "\u00e4"]),
    st.dates(FIRST_DAY, FIRST_DAY + dt.timedelta(300)),
    st.integers(1, 60),
    st.integers(0, 9),
)


@settings(max_examples=40, deadline=None, phases=NO_SHRINKING)
@given(
    st.lists(ROW, min_size=1, max_size=40),
    st.integers(1, 41),
    st.sampled_from([(), ("category",), ("day",), ("category", "day")]),
)
def test_any_rows_are_counted_as_by_unit(rows, batch_rows, absent):
    log = pl.DataFrame(rows, SCHEMA, orient="row")
    log = log.with_columns(pl.lit(None, SCHEMA[name]).alias(name) for name in absent)
    assert_counted(log, batch_rows)


@pytest.mark.parametrize(
    "how",
    [{}, {"most": 9}, {"experiments": 3}, {"experiments": 2, "most": 200}, {"days": 400}],
    ids=str,
)
def test_larger_logs_are_counted_as_by_unit(how):
    assert_counted(drawn(6_000, **how))


def test_a_simulated_log_with_units_in_two_arms():
    faults = Faults(crossover_share=0.05)
    log = simulate_traffic(TrafficConfig(n_users=2_000, faults=faults)).log
    rows = log.select(
        *("experiment_id", "arm", "unit_id", "category", "day"),
        n=pl.col("n_impressions").cast(pl.Int64),
        c=pl.col("n_clicks").cast(pl.Int64),
    )
    assert_counted(rows, 3_000)
    assert sums_of(UnitCounts.from_rows(rows)).crossover["crossing"].item() > 20


def test_batches_that_need_ever_more_bits():
    """Days backwards, and a new category, arm and larger counts in every batch."""
    log = drawn(2_000).sort("day", descending=True)
    part = pl.int_range(pl.len()) // 200
    log = log.with_columns(
        arm=pl.concat_str("arm", part.cast(pl.String)),
        category=pl.concat_str("category", part.cast(pl.String)),
        n=pl.col("n") * (1 + part * part),
    )
    assert_counted(log, 200)


@pytest.mark.parametrize("rows_at_once", [1, 300])
def test_units_that_are_summed_a_few_at_a_time(rows_at_once, monkeypatch):
    monkeypatch.setattr("abtest.counting.packed_buckets.ROWS_AT_ONCE", rows_at_once)
    assert_counted(drawn(6_000, most=3))


def test_counts_on_both_sides_of_what_short_numbers_hold():
    """Products of counts up to 362 are made in 32 bits, larger ones in 64."""
    for most in (MOST_IN_FLOAT32 // 8, MOST_IN_FLOAT32, 5 * MOST_IN_FLOAT32):
        log = drawn(20_000, most=1, categories=3, days=2)
        assert_counted(log.with_columns(n=pl.lit(most, pl.Int64), c=pl.lit(most, pl.Int64)))


def test_more_days_than_dense_products_are_made_of():
    log = drawn(8_000, days=MOST_DENSE_LABELS + 1, categories=MOST_DENSE_LABELS + 1)
    assert log["category"].n_unique() > MOST_DENSE_LABELS < log["day"].n_unique()
    assert_counted(log)


def test_rows_of_which_some_are_kept_on_disk_are_counted_alike(monkeypatch):
    monkeypatch.setattr("abtest.counting.packed_store.ROWS_AT_ONCE", 700)
    assert_counted(drawn(5_000, most=3), 300, rows_in_memory=1_500)


def test_more_categories_than_products_are_summed_of():
    log = drawn(4_000, categories=MOST_LABELS + 1)
    assert log["category"].n_unique() > MOST_LABELS
    expected = sums_of(UnitCounts.from_rows(log))
    assert expected.by_category.is_empty()
    assert_counted(log)


def test_a_unit_of_many_impressions_is_squared_exactly():
    """3 * 10^7 impressions squared are more than 32 bits hold, and less than 2^53."""
    log = drawn(3_000, most=1_000_000).with_columns(c=pl.lit(0, pl.Int64), unit_id=pl.lit("bot"))
    expected = sums_of(UnitCounts.from_rows(log.head(40)))
    assert 2**32 < expected.by_day["nn"].max() < 2**53
    assert_counted(log.head(40))


def colliding(bits: int):
    """Hashes of which the first knows few units apart."""

    def hashes(units):
        first = units.hash(1).to_numpy() >> np.uint64(64 - bits) << np.uint64(64 - bits)
        return first, units.hash(2).to_numpy()

    return hashes


@pytest.mark.parametrize("bits", [0, 3, 12])
def test_units_that_share_a_hash_are_noticed(bits):
    counter = PackedCounter(hashes=colliding(bits))
    counter.add(drawn(5_000))
    with pytest.raises(CollisionError):
        counter.sums()


def test_one_collision_among_many_units_is_noticed():
    def hashes(units):
        first = units.replace("u17", "u23").hash(1).to_numpy()
        return first, units.hash(2).to_numpy()

    counter = PackedCounter(hashes=hashes)
    log = drawn(5_000)
    assert {"u17", "u23"} <= set(log["unit_id"])
    counter.add(log)
    with pytest.raises(CollisionError):
        counter.sums()


@pytest.mark.parametrize(
    "columns",
    [
        {"unit_id": pl.lit(None, pl.String)},
        {"n": pl.lit(2**40, pl.Int64)},
        {"n": pl.lit(0, pl.Int64), "c": pl.lit(0, pl.Int64)},
        {"category": pl.when(pl.col("c") > 0).then("category")},
        {"arm": pl.concat_str("arm", pl.int_range(pl.len()).cast(pl.String))},
        {"day": pl.date(2026, 1, 1) + pl.duration(days=pl.int_range(pl.len()) % 401)},
    ],
    ids=["no unit", "many impressions", "no impression", "some category", "many arms", "many days"],
)
def test_rows_that_do_not_fit_are_refused(columns):
    counter = PackedCounter()
    with pytest.raises(CannotPackError):  # noqa: PT012
        counter.add(drawn(5_000).with_columns(**columns))
        counter.sums()


def test_batches_with_and_without_categories_are_refused():
    log = drawn(100)
    counter = PackedCounter()
    counter.add(log)
    with pytest.raises(CannotPackError):
        counter.add(log.with_columns(category=pl.lit(None, pl.String)))


WIDTHS = st.tuples(*[st.integers(0, 4)] * 6)


@given(WIDTHS, st.integers(0, 2**32), st.lists(st.integers(0, 2**64 - 1), min_size=1))
@settings(max_examples=40, deadline=None, phases=NO_SHRINKING)
def test_keys_hold_what_was_packed(widths, seed, hashes):
    rng = np.random.default_rng(seed)
    layout = Layout(*widths, first_day=10, last_day=10 + (1 << widths[3]) - 1)
    fields = Fields(*(rng.integers(0, 1 << width, len(hashes)) for width in widths))
    units = np.array(hashes, np.uint64)
    keys = layout.with_units(layout.packed(fields), units)
    for found, expected in zip(layout.unpacked(keys), fields, strict=True):
        np.testing.assert_array_equal(found, expected)
    wider = layout.widened(Fields(*[np.int64(31)] * 6), 3, layout.last_day + 9)
    moved = fields._replace(day=fields.day + 7)
    expected = wider.with_units(wider.packed(moved), units)
    # Relaying keeps of the unit what both have room for: all that the wider layout has.
    np.testing.assert_array_equal(wider.relaid(keys, layout), expected)
