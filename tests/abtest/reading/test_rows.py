"""Conversion of raw values: days, counts and names, each as a log may write them."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.config import LiftConfig
from abtest.reading.rows import NO_ZONE, canonical, rules, type_problems

COLUMNS = {"arm": "arm", "clicks": "clicks", "day": "day"}


def config(**design):
    return LiftConfig.model_validate({"design": {"randomisation": "impression", **design}})


def days(values, zone="UTC"):
    """(day, zone) of every value of a day column."""
    raw = pl.DataFrame({"arm": "a", "clicks": 0, "day": values}, strict=False)
    rows = canonical(raw, COLUMNS, config(day_zone=zone))
    return rows.select("_day", "_zone").rows()


@pytest.mark.parametrize(
    ("written", "expected", "zone"),
    [
        ("2026-03-31", date(2026, 3, 31), NO_ZONE),
        (" 2026-03-31 ", date(2026, 3, 31), NO_ZONE),
        ("20260331", date(2026, 3, 31), NO_ZONE),
        ("2026-03-31T23:59", date(2026, 3, 31), NO_ZONE),
        ("2026-03-31T23:59:59", date(2026, 3, 31), NO_ZONE),
        ("2026-03-31 23:59:59.999999", date(2026, 3, 31), NO_ZONE),
        ("2026-03-31 23:59:59,999", date(2026, 3, 31), NO_ZONE),
        ("2026-03-31T23:59:59Z", date(2026, 3, 31), "+00:00"),
        ("2026-03-31T23:59Z", date(2026, 3, 31), "+00:00"),
        ("2026-03-31 23:59:59 UTC", date(2026, 3, 31), "+00:00"),
        ("2026-03-31 23:59:59+00", date(2026, 3, 31), "+00:00"),
        ("2026-03-31T23:59:59.25+00:00", date(2026, 3, 31), "+00:00"),
        ("2026-03-31T23:59:59-0100", date(2026, 4, 1), "-01:00"),
        ("2026-03-31T00:30:00+01:00", date(2026, 3, 30), "+01:00"),
        ("2026-03-31T00:30:00+0530", date(2026, 3, 30), "+05:30"),
        ("2026-03-31T23:30:00-03:30", date(2026, 4, 1), "-03:30"),
        ("2028-02-29", date(2028, 2, 29), NO_ZONE),
    ],
)
def test_written_days(written, expected, zone):
    assert days([written]) == [(expected, zone)]


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "soon",
            "2026-02-29",
            "2026-13-01",
            "20261301",
            "2026-3-1",
            "31.03.2026",
            "03/31/2026",
        ),
        *("1774915200", "1774915200000", "2026-03-31T24:01:00", "2026-03-31T12", "2026-03-31x"),
        *("2026-03-31T12:00:00 Europe/Berlin", "2026-03-31 12:00 PM", "2026-03-31T12:00:00+99:00"),
        *("20260331T120000", "2026-03-31T12:00:00+1:00", "12:00:00", "20260331xx"),
    ],
)
def test_what_is_no_day_is_null_and_has_no_zone(written):
    assert days([written]) == [(None, None)]


def test_a_zone_that_cannot_be_read_is_never_taken_for_none():
    """Otherwise a time in an unknown zone would count for the wrong day in silence."""
    for zone in ("EST", "+2", " 02:00", "[UTC]"):
        assert days([f"2026-03-31T12:00:00{zone}"]) == [(None, None)], zone


def test_whole_numbers_as_days():
    raw = [20260331, 20260401, 1774915200, 2026033]
    assert days(raw) == [
        (date(2026, 3, 31), NO_ZONE),
        (date(2026, 4, 1), NO_ZONE),
        (None, None),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("utc", "zone", "expected"),
    [
        ("2026-03-31T21:59:59Z", "Europe/Berlin", date(2026, 3, 31)),
        ("2026-03-31T22:00:00Z", "Europe/Berlin", date(2026, 4, 1)),  # summer: +02:00
        ("2026-03-28T22:30:00Z", "Europe/Berlin", date(2026, 3, 28)),  # winter: +01:00
        ("2026-03-28T23:00:00Z", "Europe/Berlin", date(2026, 3, 29)),
        ("2026-10-25T00:30:00Z", "Europe/Berlin", date(2026, 10, 25)),  # 02:30 comes twice
        ("2026-10-25T22:59:59Z", "Europe/Berlin", date(2026, 10, 25)),
        ("2026-10-25T23:00:00Z", "Europe/Berlin", date(2026, 10, 26)),
        ("2026-03-31T03:59:59Z", "America/New_York", date(2026, 3, 30)),
        ("2026-03-31T18:30:00Z", "Asia/Kolkata", date(2026, 4, 1)),
    ],
)
def test_day_ends_at_midnight_of_the_declared_zone(utc, zone, expected):
    assert [day for day, _ in days([utc], zone)] == [expected]


def test_times_without_a_zone_are_not_moved():
    assert days(["2026-03-31T23:59:59"], "Asia/Tokyo") == [(date(2026, 3, 31), NO_ZONE)]


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland"]),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/Sao_Paulo"]),
)
def test_text_and_datetime_columns_agree_with_zoneinfo(moment, written_in, day_zone):
    aware = moment.replace(microsecond=0, tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(written_in))
    expected = aware.astimezone(ZoneInfo(day_zone)).date()
    as_text = days([aware.isoformat()], day_zone)
    column = pl.Series([aware.astimezone(ZoneInfo("UTC"))]).dt.convert_time_zone(written_in)
    as_type = days(column, day_zone)
    assert [day for day, _ in as_text] == [expected]
    assert as_type == [(expected, written_in)]


def test_typed_days():
    assert days([date(2026, 3, 31), None]) == [(date(2026, 3, 31), NO_ZONE), (None, NO_ZONE)]
    naive = [datetime(2026, 3, 31, 23, 59)]
    assert days(naive, "Asia/Tokyo") == [(date(2026, 3, 31), NO_ZONE)]
    for unit in ("ms", "us", "ns"):
        column = pl.Series(naive, dtype=pl.Datetime(unit)).dt.replace_time_zone("UTC")
        assert days(column, "Europe/Berlin") == [(date(2026, 4, 1), "UTC")]
    assert days(pl.Series(["2026-03-31"], dtype=pl.Categorical)) == [(date(2026, 3, 31), NO_ZONE)]


# Counts ------------------------------------------------------------------------------------------


def clicks(values):
    raw = pl.DataFrame({"arm": "a", "clicks": values, "day": "2026-03-31"}, strict=False)
    return canonical(raw, COLUMNS, config())["_c"].to_list()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0", "1", " 2 ", "+3", "4.0", "5e0"], [0, 1, 2, 3, 4, 5]),
        (["true", "False", "TRUE"], [1, 0, 1]),
        (["", "x", "1,5", "0x1", "1_0", "yes"], [None] * 6),
        ([True, False], [1, 0]),
        (pl.Series([3, 255], dtype=pl.UInt8), [3, 255]),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), [2.0**64]),
        (pl.Series([Decimal("2.00"), Decimal("2.50")]), [2, 2.5]),
        (pl.Series([1.0, None]), [1, None]),
        # The codes of a categorical (here 0, 1) are not its values.
        (pl.Series(["7", "3", "true"], dtype=pl.Categorical), [7, 3, 1]),
        (pl.Series(["7", "3"], dtype=pl.Enum(["3", "7"])), [7, 3]),
        (pl.Series([None, None], dtype=pl.Null), [None, None]),
    ],
)
def test_counts(values, expected):
    assert clicks(values) == expected


def broken_rules(**columns):
    """Names of the rules that the only row breaks."""
    roles = {name: name for name in columns}
    settings = config()
    rows = canonical(pl.DataFrame(columns, strict=False), roles, settings)
    return [
        rule.wrong
        for rule in rules(roles, settings)
        if rows.select(rule.broken.fill_null(value=False)).item()
    ]


@pytest.mark.parametrize(
    ("impressions", "expected"),
    [
        (2**53 - 1, []),
        (2**53, ["is too large to be counted exactly"]),
        (str(2**53 - 1), []),
        (str(2**53 + 1), ["is too large to be counted exactly"]),
        (-0.0, ["more clicks than impressions"]),
        (-0.5, ["is negative", "is not a whole number", "more clicks than impressions"]),
        (float("-inf"), ["is NaN or infinite"]),
    ],
)
def test_rules_of_counts(impressions, expected):
    assert broken_rules(arm=["a"], clicks=[1], impressions=[impressions]) == expected


def test_a_rule_can_be_a_key():
    """Problems are collected by rule, and an expression has no hash."""
    first, second = rules({"arm": "arm", "clicks": "clicks"}, config())[:2]
    assert len({*(first, second), first}) == 2


# Names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("a", []),
        ("0", []),
        (0, []),
        (True, []),
        ("none", []),  # a control is often called so
        ("", ["arm is missing"]),
        (" \t", ["arm is missing"]),
        (None, ["arm is missing"]),
        (float("nan"), ["arm is missing"]),
        (" Null ", ["arm is a null written as text"]),
        ("N/A", ["arm is a null written as text"]),
        ("\\N", ["arm is a null written as text"]),
    ],
)
def test_rules_of_arms(arm, expected):
    assert broken_rules(arm=[arm], clicks=[0]) == expected


def test_names_of_every_type_become_text():
    def arms(values):
        raw = pl.DataFrame({"arm": values, "clicks": 0})
        return canonical(raw, {"arm": "arm", "clicks": "clicks"}, config())["_arm"].to_list()

    assert arms([1, 2]) == ["1", "2"]
    assert arms([True, False]) == ["true", "false"]
    assert arms(pl.Series(["b", "a"], dtype=pl.Categorical)) == ["b", "a"]
    assert arms(pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"]))) == ["b", "a"]
    assert arms([" b"]) == [" b"]


# Types -------------------------------------------------------------------------------------------

NAMES = {
    pl.String(),
    pl.Categorical(),
    pl.Int8(),
    pl.UInt64(),
    pl.Float32(),
    pl.Boolean(),
    pl.Null(),
}
COUNTS = NAMES | {pl.Decimal(10, 2), pl.Int128()}
DAYS = {pl.String(), pl.Date(), pl.Datetime("us"), pl.Datetime("ns", "UTC"), pl.Int32(), pl.Null()}
NEVER = {pl.Time(), pl.Duration(), pl.List(pl.String), pl.Struct({}), pl.Binary(), pl.Object()}


@pytest.mark.parametrize(
    ("role", "fit", "unfit"),
    [
        ("arm", NAMES, NEVER | {pl.Date(), pl.Datetime("us")}),
        ("unit", NAMES, NEVER | {pl.Date()}),
        ("clicks", COUNTS, NEVER | {pl.Date(), pl.Datetime("us")}),
        ("impressions", COUNTS, NEVER),
        ("day", DAYS, NEVER | {pl.Boolean(), pl.Float64(), pl.Decimal(10, 2)}),
    ],
)
def test_types_that_fit_a_role(role, fit, unfit):
    for dtype in fit:
        assert type_problems({"x": dtype}, {role: "x"}) == [], dtype
    for dtype in unfit:
        (problem,) = type_problems({"x": dtype}, {role: "x"})
        assert problem.column == "column x"
        assert problem.rule.startswith(f"has type {dtype}; {role} must hold ")


def test_hours_of_one_day_stay_together():
    start = datetime(2026, 3, 29)
    hours = [(start + timedelta(hours=h)).isoformat() + "+01:00" for h in range(24)]
    # Berlin puts the clock forward at 01:00 UTC: this day has 23 hours there.
    found = [day for day, _ in days(hours, "Europe/Berlin")]
    assert found == [date(2026, 3, 29)] * 23 + [date(2026, 3, 30)]
