"""From files to counts: the same log gives the same counts however it is written or cut."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from abtest.config import LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from abtest.reading.ingest import ingest
from abtest.reading.rows import canonical, is_clean, rules
from abtest.reading.sources import find_log

KEY = ["experiment_id", "arm", "unit_id", "category", "day"]
FORMATS = ("csv", "tsv", "csv.gz", "ndjson", "jsonl.gz", "parquet")
BY_IMPRESSION = {"design": {"randomisation": "impression"}}


def read(*paths, on_batch=lambda _file, _rows: None, **sections):
    config = LiftConfig.model_validate(sections)
    return ingest(find_log([str(path) for path in paths]).files, config, on_batch)


def sorted_cells(counts):
    """Cells in one order, names as texts."""
    return counts.cells.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(KEY)


@pytest.fixture
def good_cells(good_log):
    """What the good log's counts must be, made without the code under test."""
    return good_log.select(
        experiment_id=pl.lit("experiment"),
        arm="arm",
        unit_id="unit_id",
        category="category",
        day=pl.col("day").str.to_date(),
        n="n_impressions",
        c="n_clicks",
    ).sort(KEY)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_counts(good_log, good_cells, write_log, kind):
    found = read(write_log(good_log, f"log.{kind}"))
    assert_frame_equal(sorted_cells(found.counts), good_cells)
    assert (found.n_rows, found.n_rows_quarantined, found.n_rows_without_impressions) == (40, 0, 0)


TYPED = {
    "unsigned": {"n_clicks": pl.UInt8, "n_impressions": pl.UInt64},
    "float": {"n_clicks": pl.Float32, "n_impressions": pl.Float64},
    "decimal": {"n_clicks": pl.Decimal(10, 2), "n_impressions": pl.Decimal(38, 0)},
    "clicks are flags": {"n_clicks": pl.Boolean},
    "categorical": {"arm": pl.Categorical, "unit_id": pl.Categorical, "category": pl.Categorical},
    "enum": {"arm": pl.Enum(["treatment", "control"])},
    "date": {"day": pl.Date},
    "datetime": {"day": pl.Datetime("ms")},
    "zoned datetime": {"day": pl.Datetime("ns", "UTC")},
}


@pytest.mark.parametrize("case", TYPED)
def test_every_parquet_type_gives_the_same_counts(good_log, good_cells, write_log, case):
    dtypes = TYPED[case]
    typed = good_log
    if "day" in dtypes:
        typed = typed.with_columns(pl.col("day").str.to_date())
    if dtypes.get("day", pl.Date) != pl.Date:
        typed = typed.with_columns(pl.col("day").cast(pl.Datetime("us")))
        zone = dtypes["day"].time_zone
        typed = typed.with_columns(pl.col("day").dt.replace_time_zone(zone).dt.offset_by("23h"))
    found = read(write_log(typed.cast(dtypes), "log.parquet"))
    assert_frame_equal(sorted_cells(found.counts), good_cells)


def test_days_as_whole_numbers(good_log, good_cells, write_log):
    compact = good_log.with_columns(pl.col("day").str.replace_all("-", "").cast(pl.Int32))
    for kind in ("csv", "ndjson", "parquet"):
        found = read(write_log(compact, f"log.{kind}"))
        assert_frame_equal(sorted_cells(found.counts), good_cells)


def test_raw_rows_equal_sums(good_log, good_cells, write_log):
    clicked = pl.lit(1).repeat_by("n_clicks")
    passed_by = pl.lit(0).repeat_by(pl.col("n_impressions") - pl.col("n_clicks"))
    raw = good_log.select(
        "arm", "unit_id", "category", "day", click=pl.concat_list(clicked, passed_by)
    ).explode("click")
    assert raw.height == 159
    found = read(write_log(raw, "raw.csv"), columns={"clicks": "click"})
    assert_frame_equal(sorted_cells(found.counts), good_cells)


# One pass ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_row_of_every_file_is_handed_over_once(good_log, write_log, kind):
    paths = [write_log(good_log[start : start + 20], f"{start}.{kind}") for start in (0, 20)]
    seen = Counter()

    def count(file, rows):
        seen[file.path] += rows

    found = read(*paths, on_batch=count, ingest={"batch_rows": 3})
    assert seen == dict.fromkeys(paths, 20)
    assert found.n_rows == 40


def test_rows_are_streamed_batch_by_batch(write_log):
    """The first batch arrives long before the last row is read, so that memory stays bounded."""
    frame = pl.DataFrame({"arm": ["control", "treatment"] * 5_000, "n_clicks": [0, 1] * 5_000})
    sizes = []
    read(
        write_log(frame, "log.csv"),
        on_batch=lambda _file, rows: sizes.append(rows),
        ingest={"batch_rows": 1_000},
        **BY_IMPRESSION,
    )
    assert sizes == [1_000] * 10


# Cutting a log -----------------------------------------------------------------------------------

CELL = st.tuples(
    st.sampled_from(["control", "treatment"]),
    st.sampled_from(["u1", "u2", "u3", "u4", "u5"]),
    st.sampled_from(["shoes", "hats"]),
    st.sampled_from(["2026-03-01", "2026-03-02", "2026-03-04"]),
    st.integers(0, 3),
    st.integers(3, 9),
)
NAMES = ("arm", "unit_id", "category", "day", "n_clicks", "n_impressions")


def log_of(rows):
    """Rows, and one more in each arm and category so that there is always something to compare."""
    always = [
        (arm, f"w{i}", category, "2026-03-01", i % 2, 4)
        for i, (arm, category) in enumerate(
            [(a, c) for a in ("control", "treatment") for c in ("shoes", "hats")] * 8
        )
    ]
    return pl.DataFrame([*rows, *always], NAMES, orient="row")


@settings(max_examples=25)
@given(st.lists(CELL, max_size=30), st.data())
def test_any_cut_into_files_and_batches_gives_the_same(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("cut")
    log = log_of(rows)
    log.write_csv(folder / "whole.csv")
    at_once = read(folder / "whole.csv")

    part = pl.Series(
        data.draw(st.lists(st.integers(0, 2), min_size=log.height, max_size=log.height))
    )
    paths = []
    for number in part.unique().sort():
        paths.append(folder / f"part{number}.csv")
        log.filter(part == number).write_csv(paths[-1])
    batch_rows = data.draw(st.integers(1, log.height + 1))
    cut = read(*data.draw(st.permutations(paths)), ingest={"batch_rows": batch_rows})

    assert_frame_equal(sorted_cells(cut.counts), sorted_cells(at_once.counts))
    assert cut.n_rows == at_once.n_rows == log.height
    for name in ("lift_table", "lift_daily"):
        tables = [
            getattr(analyse_lift(found.counts, LiftConfig()), name) for found in (cut, at_once)
        ]
        assert_frame_equal(*tables, rel_tol=1e-12, abs_tol=1e-12)


@settings(max_examples=30)
@given(st.lists(CELL, max_size=30))
def test_days_merged_equal_all_days_at_once(rows):
    cells = log_of(rows).select(
        experiment_id=pl.lit("experiment"),
        arm="arm",
        unit_id="unit_id",
        category="category",
        day=pl.col("day").str.to_date(),
        n="n_impressions",
        c="n_clicks",
    )
    at_once = UnitCounts.from_rows(cells)
    merged = UnitCounts.empty()
    for day in cells.partition_by("day"):
        merged += UnitCounts.from_rows(day)
    assert_frame_equal(sorted_cells(merged), sorted_cells(at_once))
    tables = [analyse_lift(counts, LiftConfig()).lift_table for counts in (merged, at_once)]
    assert_frame_equal(*tables, rel_tol=1e-12, abs_tol=1e-12)


# Counting ----------------------------------------------------------------------------------------


ODD = st.sampled_from(
    [None, "", " ", "\u2003", "u1", "n1", "null", "NaN ", " na", "\\N", "__all__", "\u00e4", "~"]
)
COUNT = st.sampled_from([None, "0", "1", "2", "-1", "1.5", "nan", "inf", "x", "9007199254740992"])
ODD_ROW = st.tuples(ODD, ODD, ODD, st.sampled_from(["2026-03-01", "?", None]), COUNT, COUNT)


@settings(max_examples=150)
@given(st.lists(ODD_ROW, min_size=1, max_size=3), st.booleans())
def test_a_glance_never_passes_what_a_rule_forbids(rows, has_impressions):
    batch = pl.DataFrame(rows, dict.fromkeys(NAMES, pl.String), orient="row")
    config = LiftConfig()
    roles = ("arm", "unit", "category", "day", "clicks", "impressions")
    columns = dict(zip(roles, NAMES, strict=True))
    if not has_impressions:
        del columns["impressions"]
    converted = canonical(batch, columns, config)
    broken = [rule.broken.fill_null(value=False).any() for rule in rules(columns, config)]
    any_broken = any(converted.select(rule.alias(str(i)) for i, rule in enumerate(broken)).row(0))
    names = {role: converted[f"_{role}"].drop_nulls().unique() for role in ("arm", "category")}
    for known in (None, names):
        assert not (is_clean(converted, columns, config, known) and any_broken)


def test_a_glance_suffices_for_a_good_log(good_log):
    columns = {"arm": "arm", "unit": "unit_id", "category": "category", "day": "day"}
    columns |= {"clicks": "n_clicks", "impressions": "n_impressions"}
    assert is_clean(canonical(good_log, columns, LiftConfig()), columns, LiftConfig())


# Columns -----------------------------------------------------------------------------------------


def test_default_columns_that_are_absent_count_as_absent(good_log, write_log):
    bare = good_log.select("arm", "n_clicks", "n_impressions")
    found = read(write_log(bare, "log.csv"), **BY_IMPRESSION)
    assert found.columns == {"arm": "arm", "clicks": "n_clicks", "impressions": "n_impressions"}
    assert found.counts.cells.select("unit_id", "category", "day").null_count().row(0) == (2, 2, 2)


def test_empty_text_leaves_a_column_out(good_log, write_log):
    path = write_log(good_log, "log.csv")
    found = read(path, columns={"category": "", "day": ""})
    assert "category" not in found.columns
    assert found.counts.cells["category"].null_count() == found.counts.cells.height == 40


def test_one_column_may_play_two_roles(good_log, write_log):
    found = read(write_log(good_log, "log.csv"), columns={"product": "category"})
    assert found.columns["product"] == found.columns["category"] == "category"
    assert found.things.sort("arm")["n_products"].to_list() == [2, 2]


def test_units_do_not_matter_where_impressions_were_randomised(good_log, write_log):
    log = good_log.with_columns(unit_id=pl.lit(None, dtype=pl.String))
    found = read(write_log(log, "log.parquet"), **BY_IMPRESSION)
    assert found.counts.cells["unit_id"].null_count() == found.counts.cells.height


def test_distinct_creatives_and_products_by_arm(good_log, write_log):
    log = good_log.with_columns(
        creative_id=pl.col("unit_id"), product_id=pl.lit("p"), experiment_id=pl.lit("e")
    )
    found = read(write_log(log, "log.csv"), ingest={"batch_rows": 7})
    assert found.things.sort("arm").rows() == [("e", "control", 20, 1), ("e", "treatment", 20, 1)]


def test_rows_without_impressions_count_for_nothing(good_log, good_cells, write_log):
    empty = good_log.with_columns(
        pl.lit(0, pl.Int64).alias("n_clicks"),
        pl.lit(0, pl.Int64).alias("n_impressions"),
        arm=pl.lit("unused"),
    )
    found = read(write_log(pl.concat([good_log, empty]), "log.csv"))
    assert_frame_equal(sorted_cells(found.counts), good_cells)
    assert (found.n_rows, found.n_rows_without_impressions) == (80, 40)


def test_many_experiments_in_one_log(good_log, good_cells, write_log):
    log = pl.concat(good_log.with_columns(experiment_id=pl.lit(f"e{i}")) for i in range(3))
    found = read(write_log(log.sample(fraction=1, shuffle=True, seed=1), "log.csv"))
    for i in range(3):
        one = UnitCounts(found.counts.cells.filter(pl.col("experiment_id") == f"e{i}"))
        expected = good_cells.with_columns(experiment_id=pl.lit(f"e{i}"))
        assert_frame_equal(sorted_cells(one), expected)


def test_zones_are_counted(good_log, write_log):
    log = good_log.with_columns(day=pl.col("day") + "T12:00:00+01:00")
    found = read(write_log(log, "log.csv"))
    assert found.zones == {"+01:00": 40}
    mixed = log.with_columns(
        pl.when(pl.col("arm") == "control")
        .then(pl.col("day").str.replace("+01:00", "Z", literal=True))
        .otherwise("day")
    )
    converted = read(write_log(mixed, "mixed.csv"), ingest={"mixed_time_zones": "convert"})
    assert converted.zones == {"+00:00": 20, "+01:00": 20}


# Rows that are arms ------------------------------------------------------------------------------

ROW_ARMS = {
    "columns": {"arm": "@row", "experiment": "test", "clicks": "c", "impressions": "n"},
    "design": {"randomisation": "impression", "control_rule": "first_by_name"},
}


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_row_arms_are_numbered_in_the_order_of_the_files(write_log, batch_rows):
    a = pl.DataFrame({"test": ["x", "y", "x"], "c": [1, 2, 3], "n": [100, 200, 300]})
    b = pl.DataFrame({"test": ["y", "x", "z"] + ["x"] * 9, "c": range(4, 16), "n": [1000] * 12})
    paths = write_log(b, "b.csv"), write_log(a, "a.csv")
    found = read(paths[1], paths[0], ingest={"batch_rows": batch_rows}, **ROW_ARMS)
    cells = found.counts.cells.sort("experiment_id", "c").select("experiment_id", "arm", "c", "n")
    assert cells.rows() == [
        ("x", "1", 1, 100),
        ("x", "2", 3, 300),
        ("x", "3", 5, 1000),
        *[("x", str(4 + i), 7 + i, 1000) for i in range(9)],
        ("y", "1", 2, 200),
        ("y", "2", 4, 1000),
        ("z", "1", 6, 1000),
    ]
    reversed_ = read(*paths, **ROW_ARMS).counts.cells.filter(pl.col("c") == 1)
    assert reversed_["arm"].to_list() == ["11"]


def test_row_arms_keep_their_number_when_others_are_set_aside(write_log):
    log = pl.DataFrame({"test": ["x"] * 4, "c": [-1, 2, 0, 4], "n": [10, 10, 0, 10]})
    found = read(write_log(log, "log.csv"), ingest={"bad_rows": "quarantine"}, **ROW_ARMS)
    assert found.counts.cells.sort("arm").select("arm", "c").rows() == [("2", 2), ("4", 4)]


def test_row_arms_without_an_experiment(write_log):
    log = pl.DataFrame({"test": ["x", None], "c": [1, 1], "n": [9, 9]})
    found = read(write_log(log, "log.csv"), ingest={"bad_rows": "quarantine"}, **ROW_ARMS)
    assert found.counts.cells.select("experiment_id", "arm").rows() == [("x", "1")]
    assert found.n_rows_quarantined == 1
