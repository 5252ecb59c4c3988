"""Categories that break other tools: tables keep contracts, no interval is a point or infinite."""

from datetime import date, timedelta

import polars as pl
import pytest

from abtest.config import Analysis, Design, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import LiftResult, analyse_lift
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import check
from caig.contracts.tables import find_contract

DAY = date(2026, 3, 2)
REPORT = Analysis(one_arm_categories="report")


def rows() -> list[tuple]:
    """Rows (arm, unit, category, day, n, c) of nine categories, eight of them degenerate."""
    found = []
    for arm, lift in (("control", 1), ("treatment", 2)):
        for unit in range(120):
            name, day = f"{arm}-{unit}", DAY + timedelta(days=unit % 5)
            found.append((arm, name, "ordinary", day, 10, lift if unit % 3 == 0 else 0))
            found.append((arm, name, "no click in control", day, 8, (lift - 1) * (unit % 9 == 0)))
            found.append((arm, name, "no click", day, 5, 0))
            found.append((arm, name, "all clicks", day, 2, 2))
            found.append((arm, name, "one day", DAY, 4, int(unit % 4 == 0)))
            found.append((arm, name, "all units alike", day, 10, 1))
            if unit == 0:
                found.append((arm, name, "one unit", day, 50, 5))
            if arm == "control":
                found.append((arm, name, "one arm", day, 3, int(unit % 5 == 0)))
            elif unit < 2:
                found.append((arm, name, "one arm nearly", day, 3, 1))
            if arm == "control" and unit < 60:
                found.append((arm, name, "one arm nearly", day, 3, int(unit % 5 == 0)))
    return found


@pytest.fixture(scope="module", params=["unit", "impression"])
def analysed(request) -> LiftResult:
    names = ("arm", "unit_id", "category", "day", "n", "c")
    frame = pl.DataFrame(rows(), schema=names, orient="row").with_columns(
        experiment_id=pl.lit("e"),
        unit_id="unit_id" if request.param == "unit" else pl.lit(None, dtype=pl.String),
    )
    design = Design(randomisation=request.param)
    return analyse_lift(UnitCounts.from_rows(frame), LiftConfig(design=design, analysis=REPORT))


def test_every_table_keeps_its_contract(analysed):
    for identifier, table in analysed.tables().items():
        check(table, find_contract(identifier))


def test_no_interval_is_infinite_or_a_point(analysed):
    seen = 0
    for identifier, table in analysed.tables().items():
        for lower in (name for name in table.columns if name.endswith(("ci_lower", "time_lower"))):
            upper = lower.removesuffix("lower") + "upper"
            known = table.filter(pl.col(lower).is_not_null() & pl.col(upper).is_not_null())
            assert known.filter(pl.col(lower) >= pl.col(upper)).is_empty(), (identifier, lower)
            assert known.select(pl.col(lower, upper).is_finite().all()).row(0) in ((True,) * 2,)
            seen += known.height
    assert seen > 100


def test_every_cell_states_its_reason(analysed):
    table = analysed.lift_table
    status = dict(table.select("category", "status").iter_rows())
    assert status["no click in control"] == status["no click"] == "zero_click"
    assert status["one arm"] == "arm_missing"
    assert status["one arm nearly"] == "too_small"
    assert status["ordinary"] == status["one day"] == status[ALL_CATEGORIES] == "ok"
    by_unit = table["n_units_control"].null_count() == 0
    for name in ("one unit", "all units alike"):
        assert status[name] == ("too_small" if by_unit else "ok")
    untested = table.filter(pl.col("status") != "ok")
    assert untested["p_value"].null_count() == untested.height
    assert set(untested["verdict"]) <= {"insufficient", "withheld"}
    flat = table.filter((pl.col("status") == "ok") & (pl.col("p_value_adj") >= 0.05))
    assert flat.filter(pl.col("category") != "all clicks")["rel_lift_mde"].null_count() == 0


def test_cells_without_a_click_have_a_score_interval_beside_the_table(analysed):
    scores = analysed.details["lift_intervals/1"].filter(
        (pl.col("category") == "no click in control") & pl.col("method").str.contains("koopman")
    )
    (row,) = scores.iter_rows(named=True)
    assert row["state"] == "unbounded"
    assert row["ci_lower"] > 0
