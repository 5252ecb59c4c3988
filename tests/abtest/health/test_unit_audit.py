"""Bot-like units, repeated impressions and exposures before assignment."""

from datetime import date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.config import LiftConfig
from abtest.counting.counts import CELL_KEY, UnitCounts
from abtest.counting.sums import sums_of
from abtest.health.checks import check_health
from abtest.health.config import Health
from abtest.health.unit_audit import (
    audit_units,
    duplicate_impressions,
    exposure_before_assignment,
)
from caig.contracts.experiments import HEALTH
from caig.contracts.health import BOT_LIKE_UNITS
from caig.contracts.table import check
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

DAYS = [date(2026, 3, 1), date(2026, 3, 2)]
SCHEMA = {
    "experiment_id": pl.String,
    "arm": pl.String,
    "unit_id": pl.String,
    "category": pl.String,
    "day": pl.Date,
    "n": pl.Int64,
    "c": pl.Int64,
}
PEOPLE = [
    ("e", arm, f"{arm}{unit}", "hats", DAYS[unit % 2], 40, 1)
    for arm in ("control", "treatment")
    for unit in range(10)
]


def counts_of(rows: list[tuple]) -> UnitCounts:
    return UnitCounts.from_rows(pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def audited(rows: list[tuple], config: Health | None = None):
    audit = audit_units(counts_of(rows), config or Health())
    check(audit.checks, HEALTH)
    check(audit.bots, BOT_LIKE_UNITS)
    return audit


def rows_of(counts: UnitCounts) -> pl.DataFrame:
    names = list(CELL_KEY[:4])
    return counts.cells.with_columns(pl.col(names).cast(pl.String)).sort(CELL_KEY)


def bots_by_arm(audit) -> dict[str, int]:
    return dict(audit.bots.select("arm", "n_units_bot").iter_rows())


def test_people_are_kept_to_the_last_row():
    audit = audited(PEOPLE)
    assert audit.checks["status"].to_list() == ["healthy"]
    assert bots_by_arm(audit) == {"control": 0, "treatment": 0}
    assert_frame_equal(rows_of(audit.kept), rows_of(counts_of(PEOPLE)))


def test_too_many_impressions_on_a_day_over_categories_but_not_over_days():
    crawler = [("e", "treatment", "bot", kind, DAYS[0], 501, 0) for kind in ("hats", "shoes")]
    regular = [("e", "treatment", "fan", "hats", day, 900, 9) for day in DAYS]
    audit = audited([*PEOPLE, *crawler, *regular])
    assert bots_by_arm(audit) == {"control": 0, "treatment": 1}
    assert_frame_equal(rows_of(audit.kept), rows_of(counts_of([*PEOPLE, *regular])))
    (row,) = audit.checks.iter_rows(named=True)
    assert row["status"] == "unhealthy"
    assert row["statistic"] == pytest.approx(1002 / (400 + 1002 + 1800))
    assert "treatment: 1 of 12 units, 31.3 % of impressions, 0 of 28 clicks" in row["detail"]
    (treated,) = audit.bots.filter(pl.col("arm") == "treatment").iter_rows(named=True)
    assert (treated["n_impressions"], treated["n_impressions_bot"]) == (3202, 1002)


@pytest.mark.parametrize(
    ("impressions", "clicks", "is_bot"), [(39, 20, 1), (40, 20, 0), (19, 19, 0), (20, 20, 1)]
)
def test_a_ctr_that_no_person_reaches_needs_clicks(impressions, clicks, is_bot):
    clicker = ("e", "control", "clicker", "hats", DAYS[0], impressions, clicks)
    assert bots_by_arm(audited([*PEOPLE, clicker]))["control"] == is_bot


def test_a_unit_in_two_arms_is_a_bot_in_both_and_other_experiments_keep_theirs():
    crossing = [("e", arm, "x", "hats", DAYS[0], 600, 0) for arm in ("control", "treatment")]
    elsewhere = [("f", "control", "x", "hats", DAYS[0], 600, 0)]
    audit = audited([*PEOPLE, *crossing, *elsewhere])
    assert audit.bots.select("experiment_id", "n_units_bot").rows() == [
        ("e", 1),
        ("e", 1),
        ("f", 0),
    ]
    assert rows_of(audit.kept).filter(pl.col("unit_id") == "x")["experiment_id"].to_list() == ["f"]


def test_without_days_only_the_ctr_tells():
    undated = [(*row[:4], None, *row[5:]) for row in PEOPLE]
    crawler = ("e", "control", "crawler", "hats", None, 9_000, 0)
    clicker = ("e", "control", "clicker", "hats", None, 30, 25)
    assert bots_by_arm(audited([*undated, crawler, clicker]))["control"] == 1


def test_without_units_nothing_is_checked_and_every_row_kept():
    summed = [("e", arm, None, "hats", DAYS[0], 5_000, 90) for arm in ("control", "treatment")]
    audit = audited(summed)
    assert audit.checks.is_empty()
    assert audit.bots.is_empty()
    assert_frame_equal(rows_of(audit.kept), rows_of(counts_of(summed)))


def test_the_checks_take_their_place_among_the_others():
    log = simulate_traffic(TrafficConfig(n_users=2_000)).log
    counts = UnitCounts.from_rows(log.select(*CELL_KEY, n="n_impressions", c="n_clicks"))
    strict = Health(bot_impressions_per_day=8)
    audit = audit_units(counts, strict)
    report = check_health(sums_of(counts), LiftConfig(health=strict), unit_checks=audit.checks)
    check(report.checks, HEALTH)
    (row,) = report.checks.filter(pl.col("check") == "bot_like_units").iter_rows(named=True)
    assert row["status"] == "unhealthy"
    assert report.withheld(()) == {}
    daily = log.group_by("unit_id", "day").agg(pl.col("n_impressions").sum())
    expected = daily.filter(pl.col("n_impressions") > 8)["unit_id"].n_unique()
    assert audit.bots["n_units_bot"].sum() == expected
    assert (
        audit.kept.cells["n"].sum()
        == log["n_impressions"].sum() - audit.bots["n_impressions_bot"].sum()
    )


ROWS = pl.DataFrame(
    {
        "test": ["a"] * 4 + ["b"] * 3,
        "impression": ["1", "2", "2", "2", "1", "2", None],
        "at": [datetime(2026, 3, 1, hour) for hour in range(7)],
        "assigned": [datetime(2026, 3, 1, hour) for hour in (1, 1, 1, 4, 4, 4)] + [None],
    }
)


@pytest.mark.parametrize("lazy", [False, True])
def test_repeated_impressions_by_experiment(lazy):
    rows = ROWS.lazy() if lazy else ROWS
    found = check(duplicate_impressions(rows, "impression", Health(), experiment="test"), HEALTH)
    assert found.select("experiment_id", "status", "statistic").rows() == [
        ("a", "unhealthy", 0.5),
        ("b", "healthy", 0.0),
    ]
    assert found["detail"][0] == "2 of 4 rows repeat an impression (50.00 %)"


def test_repeated_impressions_of_a_log_that_is_one_experiment():
    found = duplicate_impressions(ROWS, "impression", Health(max_duplicate_share=0.7))
    # Without an experiment, 1 and 2 are the same impressions: 4 of 6 rows.
    assert found.select("experiment_id", "status", "statistic").rows() == [
        ("experiment", "healthy", pytest.approx(4 / 6))
    ]


def test_exposure_before_assignment():
    found = check(
        exposure_before_assignment(ROWS, "at", "assigned", Health(), experiment="test"), HEALTH
    )
    # Hours 0-3 against 1, 1, 1, 4; hours 4 and 5 against 4: the hour itself is not before.
    assert found.select("experiment_id", "status", "statistic").rows() == [
        ("a", "unhealthy", 0.5),
        ("b", "healthy", 0.0),
    ]
    assert found["detail"][0] == "2 of 4 rows are from before their unit's assignment (50.00 %)"


def test_rows_that_tell_nothing_make_no_check():
    nothing = ROWS.with_columns(
        impression=pl.lit(None, dtype=pl.String), assigned=pl.lit(None, dtype=pl.Datetime)
    )
    assert duplicate_impressions(nothing, "impression", Health()).is_empty()
    assert exposure_before_assignment(nothing, "at", "assigned", Health()).is_empty()
