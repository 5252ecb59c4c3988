"""Rows and columns that cannot be right: one clear message, exit 2, and nothing written.

Each test calls the command as a user does. The helper ``assert_refused`` also checks that no result
was printed and that the runs folder was not even made. Files that cannot be read at all are in
``test_bad_files.py``.
"""

import math
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest

FORMATS = ("csv", "ndjson", "parquet")


def with_values(frame, column, values):
    """``frame`` with some rows of a column (counted from 1) set to other values."""
    series = frame[column].to_list()
    for row, value in values.items():
        series[row - 1] = value
    return frame.with_columns(pl.Series(column, series, strict=False))


def as_shown(value, kind):
    """How a message shows a raw value: text formats hold text."""
    if value is None or kind == "parquet":
        return repr(value)
    return repr(str(value))


MISSING_NUMBER = "is missing or not a number"
ROW_CASES = {  # name: (column, values by row, what is said)
    "negative clicks": ("n_clicks", dict.fromkeys((4, 6, 10, 12), -1), "is negative"),
    "negative impressions": ("n_impressions", {1: -3}, "is negative"),
    "fractional clicks": ("n_clicks", {2: 0.5, 40: 0.25}, "is not a whole number"),
    "fractional impressions": ("n_impressions", {7: 2.5}, "is not a whole number"),
    "text in clicks": ("n_clicks", {3: "many", 4: "1,5"}, MISSING_NUMBER),
    "null clicks": ("n_clicks", {5: None}, MISSING_NUMBER),
    "count beyond exactness": ("n_impressions", {8: 2**53 + 1}, "is too large to be counted"),
    "null arm": ("arm", dict.fromkeys(range(2, 12), None), "arm is missing"),
    "empty arm": ("arm", {9: " "}, "arm is missing"),
    "NULL as arm": ("arm", {1: "NULL", 2: "nan"}, "arm is a null written as text"),
    "null unit": ("unit_id", {40: None}, "unit is missing"),
    "NULL as unit": ("unit_id", {40: "\\N"}, "unit is a null written as text"),
    "null category": ("category", {1: None}, "category is missing"),
    "reserved category": ("category", {6: "__all__"}, "__all__ is reserved for the overall row"),
    "null day": ("day", {1: None}, "day is missing or no date like 2026-03-31"),
    "no date": ("day", {3: "31.03.2026", 4: "2026-02-30"}, "day is missing or no date"),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", ROW_CASES)
def test_bad_row_names_file_column_count_and_rows(lift, good_log, write_log, case, kind):
    column, values, said = ROW_CASES[case]
    path = write_log(with_values(good_log, column, values), f"log.{kind}")

    outcome = lift(path)

    counted = f"({len(values)} row{'s' * (len(values) > 1)})"
    shown = [f"row {row}: {column}=" for row in list(values)[:3]]
    outcome.assert_refused(
        f"{len(values)} of 40 rows cannot be right", f"{path}: column {column}: {said}", *shown
    )
    assert counted in outcome.err
    assert all(f"row {row}: " not in outcome.err for row in list(values)[3:])
    for row, value in list(values.items())[:3]:
        # A count in Parquet became a float column beside a fraction; its value is the same.
        assert f"row {row}: {column}={as_shown(value, kind)}" in outcome.err
    assert "--set ingest.bad_rows=quarantine" in outcome.err


@pytest.mark.parametrize("kind", FORMATS)
def test_more_clicks_than_impressions_shows_both(lift, good_log, write_log, kind):
    path = write_log(with_values(good_log, "n_clicks", {13: 9}), f"log.{kind}")
    shown = [as_shown(value, kind) for value in (9, 3)]
    lift(path).assert_refused(
        f"{path}: column n_clicks, n_impressions: more clicks than impressions (1 row)",
        f"row 13: n_clicks={shown[0]}, n_impressions={shown[1]}",
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_two_clicks_in_a_row_that_is_one_impression(lift, good_log, write_log, kind):
    raw = with_values(good_log.drop("n_impressions"), "n_clicks", {2: 2, 3: 3})
    path = write_log(raw, f"log.{kind}")
    lift(path).assert_refused(
        f"{path}: column n_clicks: more than one click in a row that is one impression",
        "if rows are sums, name columns.impressions (2 rows)",
        f"row 2: n_clicks={as_shown(2, kind)}",
        f"row 3: n_clicks={as_shown(3, kind)}",
    )


@pytest.mark.parametrize("written", ["NaN", "nan", "inf", "-Infinity", "1e999"])
def test_nan_and_infinity_as_text(lift, good_log, write_log, written):
    path = write_log(with_values(good_log, "n_clicks", {5: written}), "log.csv")
    lift(path).assert_refused(
        f"{path}: column n_clicks: is NaN or infinite (1 row)", f"row 5: n_clicks='{written}'"
    )


@pytest.mark.parametrize(("value", "shown"), [(math.nan, "nan"), (math.inf, "inf")])
def test_nan_and_infinity_in_parquet(lift, good_log, write_log, value, shown):
    path = write_log(with_values(good_log, "n_impressions", {2: value, 7: value}), "log.parquet")
    lift(path).assert_refused(
        f"{path}: column n_impressions: is NaN or infinite (2 rows)",
        f"row 2: n_impressions={shown}",
        f"row 7: n_impressions={shown}",
    )


def test_every_broken_rule_and_file_is_listed_at_once(lift, good_log, write_log):
    first = with_values(with_values(good_log, "n_clicks", {1: -1}), "arm", {2: None})
    second = with_values(good_log, "day", {40: "soon"})
    a, b = write_log(first, "a.csv"), write_log(second, "b.csv")
    lift(a, b).assert_refused(
        "3 of 80 rows cannot be right; nothing was written: 3 problem(s)",
        f"{a}: column n_clicks: is negative (1 row)",
        f"{a}: column arm: arm is missing (1 row)",
        f"{b}: column day: day is missing",
        "row 40: day='soon'",
    )


def test_counts_of_bad_rows_add_up_over_batches(lift, good_log, write_log):
    bad = dict.fromkeys(range(1, 41, 2), -1)
    path = write_log(with_values(good_log, "n_clicks", bad), "log.csv")
    lift(path, "--set", "ingest.batch_rows=7").assert_refused(
        "20 of 40 rows", "is negative (20 rows)", "row 1: ", "row 3: ", "row 5: "
    )


# Columns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_missing_column_suggests_the_nearest(lift, good_log, write_log, kind):
    path = write_log(good_log.rename({"arm": "arms"}), f"log.{kind}")
    lift(path).assert_refused(
        f"{path}: 1 problem(s)",
        "'arm': no such column; did you mean 'arms'?",
        "columns found: arms, unit_id, category, day, n_clicks, n_impressions",
        "--set columns.arm=NAME",
    )


def test_stated_column_that_is_missing(lift, good_log, write_log):
    path = write_log(good_log, "log.csv")
    lift(path, "--set", "columns.category=categroy").assert_refused(
        "'categroy': no such column; did you mean 'category'?"
    )


def test_missing_unit_names_the_other_design(lift, good_log, write_log):
    path = write_log(good_log.drop("unit_id"), "log.csv")
    lift(path).assert_refused("'unit_id': no such column", 'design.randomisation="impression"')


def test_unit_declared_absent_in_a_design_that_needs_it(lift, good_log, write_log):
    path = write_log(good_log, "log.csv")
    lift(path, "--set", "columns.unit=").assert_refused(
        f"{path}: units were randomised, but columns.unit is empty"
    )


def test_column_that_looks_like_impressions_must_be_named(lift, good_log, write_log):
    path = write_log(good_log.rename({"n_impressions": "Views"}), "log.csv")
    lift(path).assert_refused(
        f"{path}: column 'Views' looks like impressions", "--set columns.impressions=Views"
    )
    assert lift(path, "--set", "columns.impressions=Views").code == 0


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TYPE_CASES = {  # name: (column, one value of the type, its name in the message)
    "list as arm": ("arm", ["a"], "List(String)"),
    "struct as arm": ("arm", {"name": "a"}, "Struct("),
    "date as arm": ("arm", date(2026, 3, 1), "Date"),
    "binary as unit": ("unit_id", b"u1", "Binary"),
    "list as category": ("category", ["shoes"], "List(String)"),
    "datetime as clicks": ("n_clicks", NOW, "Datetime("),
    "list as impressions": ("n_impressions", [1], "List(Int64)"),
    "time as day": ("day", time(12), "Time"),
    "duration as day": ("day", timedelta(1), "Duration("),
    "float as day": ("day", 20260301.0, "Float64"),
    "bool as day": ("day", True, "Boolean"),
}


@pytest.mark.parametrize("case", TYPE_CASES)
def test_wrong_type_in_parquet(lift, good_log, write_log, case):
    column, value, dtype = TYPE_CASES[case]
    frame = good_log.with_columns(pl.Series(column, [value] * good_log.height))
    path = write_log(frame, "log.parquet")
    lift(path).assert_refused(f"{path}: 1 problem(s)", f"column {column}: has type {dtype}")


@pytest.mark.parametrize(("value", "dtype"), [(["a"], "List"), ({"name": "a"}, "Struct")])
def test_wrong_type_in_ndjson(lift, good_log, write_log, value, dtype):
    frame = good_log.with_columns(arm=pl.Series([value] * good_log.height))
    path = write_log(frame, "log.ndjson")
    lift(path).assert_refused(f"{path}: 1 problem(s)", f"column arm: has type {dtype}")


def test_column_twice_in_a_csv_header(lift, good_log, write_log):
    path = write_log(good_log, "log.csv")
    path.write_text(path.read_text().replace("category", "arm", 1))
    lift(path).assert_refused(f"{path}: 1 problem(s)", "column arm: occurs twice in the header")


@pytest.mark.parametrize("name", ["_n", "_arm", "__row__"])
def test_column_name_that_clashes_with_ours(lift, good_log, write_log, name):
    path = write_log(good_log.rename({"n_clicks": name}), "log.parquet")
    lift(path, "--set", f"columns.clicks={name}").assert_refused(
        f"{path}: 1 problem(s)", f"column {name}: has a name kept for our own; rename it"
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_such_a_name_does_no_harm_where_it_is_not_read(lift, good_log, write_log, kind):
    plain = write_log(good_log, f"plain.{kind}")
    extra = good_log.with_columns(pl.lit(7).alias(name) for name in ("_n", "__row__", "file"))
    path = write_log(extra, f"extra.{kind}")
    expected = lift(plain, runs="a").run.table("lift_table")
    assert lift(path, runs="b").run.table("lift_table").equals(expected)


def test_files_whose_columns_differ(lift, good_log, write_log):
    a = write_log(good_log, "a.csv")
    b = write_log(good_log.drop("day"), "b.csv")
    lift(a, b).assert_refused(f"{b}: its columns differ from those of {a}: day (day)")


def test_ndjson_column_that_appears_late(lift, good_log, tmp_path):
    rows = [
        {"arm": "ab"[i % 2], "unit_id": f"u{i}", "n_clicks": i % 2, "n_impressions": 1}
        for i in range(1200)
    ]
    rows[1100]["category"] = "shoes"
    path = tmp_path / "log.ndjson"
    path.write_text("".join(f"{row}\n".replace("'", '"') for row in rows))
    arguments = (path, "--set", "design.control=a")
    lift(*arguments).assert_refused(
        f"{path}: column 'category' is absent at first and appears in row 1,101",
        "leave it out: --set columns.category=''",
    )
    assert lift(*arguments, "--set", "columns.category=").code == 0


# Arms, categories, clicks ------------------------------------------------------------------------


def test_one_arm_only(lift, good_log, write_log):
    only = good_log.filter(pl.col("arm") == "control")
    path = write_log(only, "log.csv")
    lift(path).assert_refused("there is one arm only; arms: control")


def test_unknown_control(lift, good_log, write_log):
    path = write_log(good_log, "log.csv")
    lift(path, "--set", "design.control=A").assert_refused(
        "no arm is called 'A'; arms: control, treatment", "--set design.control=ARM"
    )


def test_expected_split_that_does_not_fit(lift, good_log, write_log):
    path = write_log(good_log, "log.csv")
    lift(path, "--set", "design.expected_split={control=0.5, variant=0.5}").assert_refused(
        "variant", "treatment"
    )


def test_zero_clicks_everywhere(lift, good_log, write_log):
    path = write_log(good_log.with_columns(n_clicks=0), "log.csv")
    lift(path).assert_refused(
        "no clicks in 159 impressions", "column n_clicks: no clicks in 159 impressions"
    )


def test_category_without_impressions_in_one_arm(lift, good_log, write_log):
    lonely = good_log.with_columns(
        category=pl.when(pl.col("unit_id") == "u0").then(pl.lit("socks")).otherwise("category")
    )
    path = write_log(lonely, "log.csv")
    lift(path).assert_refused(
        "1 category cell(s) without impressions in one arm",
        "category='socks': 0 impressions in 'control', 3 in 'treatment'",
        "--set analysis.one_arm_categories=report",
    )

    reported = lift(path, "--set", "analysis.one_arm_categories=report")
    table = reported.run.table("lift_table")
    row = table.filter(pl.col("category") == "socks").row(0, named=True)
    assert (row["status"], row["verdict"]) == ("arm_missing", "insufficient")
    assert (row["impressions_control"], row["impressions_treatment"]) == (0, 3)
    assert row["rel_lift"] is None
    assert row["p_value"] is None


# Time zones --------------------------------------------------------------------------------------


def zoned(frame, *offsets):
    """``frame`` with times at noon whose offsets take turns."""
    written = [
        f"{day}T12:00:00{offsets[i % len(offsets)]}" for i, day in enumerate(frame["day"].to_list())
    ]
    return frame.with_columns(day=pl.Series(written))


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_mixed_offsets_in_one_file(lift, good_log, write_log, kind):
    path = write_log(zoned(good_log, "+00:00", "+02:00"), f"log.{kind}")
    lift(path).assert_refused(
        "column day: mixed time zones",
        f"{path}: +00:00 in 20 rows",
        f"{path}: +02:00 in 20 rows",
        "--set ingest.mixed_time_zones=convert",
    )
    assert lift(path, "--set", "ingest.mixed_time_zones=convert").code == 0


def test_mixed_offsets_between_files(lift, good_log, write_log):
    a = write_log(zoned(good_log[:20], "Z"), "a.csv")
    b = write_log(zoned(good_log[20:], "-05:00"), "b.csv")
    lift(a, b).assert_refused(
        "mixed time zones", f"{a}: +00:00 in 20 rows", f"{b}: -05:00 in 20 rows"
    )


def test_times_with_and_without_a_zone_cannot_be_converted(lift, good_log, write_log):
    path = write_log(zoned(good_log, "Z", ""), "log.csv")
    lift(path, "--set", "ingest.mixed_time_zones=convert").assert_refused(
        f"{path}: no zone in 20 rows", "times without a zone cannot be placed beside times with one"
    )


def test_mixed_zones_of_parquet_types(lift, good_log, write_log):
    at_noon = good_log.with_columns(pl.col("day").str.to_datetime("%Y-%m-%d"))
    files = []
    for i, zone in enumerate(("UTC", "Europe/Berlin", None)):
        part = at_noon[i * 13 : i * 13 + 13].with_columns(pl.col("day").dt.replace_time_zone(zone))
        files.append(write_log(part, f"{i}.parquet"))
    lift(*files[:2]).assert_refused(
        f"{files[0]}: UTC in 13 rows", f"{files[1]}: Europe/Berlin in 13 rows"
    )
    lift(files[0], files[2]).assert_refused(f"{files[2]}: no zone in 13 rows")
