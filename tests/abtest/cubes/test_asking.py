"""Lifts asked of a cube against the whole analysis of the same cube, and against direct sums."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.config import Analysis, Design, LiftConfig
from abtest.counting.bootstrap import cube_arrays
from abtest.counting.config import CubeSlice
from abtest.counting.counts import UnitCounts
from abtest.counting.cube import bucket_of, cube_of, cube_sums, slice_days
from abtest.cubes.asking import METHOD, ask, ask_cube
from abtest.cubes.config import Bootstrap, CubeConfig
from abtest.lift import analyse_sums
from caig.contracts.cubes import CUBE_LIFTS
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import check
from caig.errors import DataError

FIRST = date(2026, 3, 2)
ARMS = ("control", "blue", "red")
NO_DRAWS = Bootstrap(replicates=0)


def rows_of(seed: int, *, n_units: int = 4_000, lift: float = 0.3, days: int = 5) -> pl.DataFrame:
    """Clustered traffic: units with a CTR of their own, in three arms and five categories."""
    rng = np.random.default_rng(seed)
    n_rows = 6 * n_units
    unit = rng.integers(0, n_units, n_rows)
    arm = unit % len(ARMS)
    own = 0.08 * rng.gamma(2.0, 0.5, n_units)[unit]
    n = rng.integers(1, 5, n_rows)
    rate = np.minimum(own * np.where(arm == 1, 1 + lift, 1.0), 0.9)
    return pl.DataFrame(
        {
            "experiment_id": "e",
            "arm": np.array(ARMS)[arm],
            "unit_id": [f"u{u}" for u in unit],
            "category": np.array(["a", "b", "c", "d", "e"])[rng.integers(0, 5, n_rows)],
            "day": [FIRST + timedelta(int(d)) for d in rng.integers(0, days, n_rows)],
            "n": n,
            "c": rng.binomial(n, rate),
        }
    )


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return rows_of(1, lift=0.6)


@pytest.fixture(scope="module")
def cube(rows) -> pl.DataFrame:
    return cube_of(UnitCounts.from_rows(rows))


SHARED = [
    "experiment_id",
    "contrast",
    "category",
    "status",
    *(f"{name}_{arm}" for name in ("impressions", "clicks") for arm in ("control", "treatment")),
    *("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper", "rel_lift_mde"),
    *("p_value", "p_value_adj", "adjustment", "alpha", "verdict"),
]
KEY = ["experiment_id", "contrast", "category"]


@pytest.mark.parametrize("days", [None, (1, 3), (4, 4)])
@pytest.mark.parametrize("groups", [{}, {"a": "front", "b": "front"}])
@pytest.mark.parametrize("correction", ["bh", "bonferroni"])
def test_every_figure_is_that_of_the_whole_analysis(cube, days, groups, correction):
    analysis = Analysis(alpha=0.1, correction=correction, one_arm_categories="report")
    span = [FIRST + timedelta(day) for day in days or (0, 4)]
    slow = analyse_sums(
        cube_sums(slice_days(cube, *span), groups=groups),
        LiftConfig(analysis=analysis),
        with_details=False,
    )
    config = CubeConfig(
        analysis=analysis,
        cube=CubeSlice(first_day=span[0], last_day=span[1], groups=groups),
        bootstrap=NO_DRAWS,
    )
    by_day = ask(cube_arrays(cube, "e", groups=groups), config)
    at_once = ask_cube(slice_days(cube, *span), config)
    assert_frame_equal(by_day, at_once)
    assert_frame_equal(
        check(by_day, CUBE_LIFTS).select(SHARED).sort(KEY),
        slow.lift_table.select(SHARED).sort(KEY),
        rel_tol=1e-9,
    )
    assert by_day["verdict"].n_unique() > 1
    assert by_day.select("day_from", "day_to", "n_days").unique().row(0) == (
        *span,
        (span[1] - span[0]).days + 1,
    )


def test_lifts_are_those_of_the_log_and_buckets_are_counted(rows, cube):
    config = CubeConfig(bootstrap=NO_DRAWS)
    found = ask_cube(cube, config).filter(
        (pl.col("category") == "b") & (pl.col("contrast") == "blue vs control")
    )
    rates, buckets = {}, {}
    for arm in ("control", "blue"):
        part = rows.filter((pl.col("arm") == arm) & (pl.col("category") == "b"))
        rates[arm] = part["c"].sum() / part["n"].sum()
        buckets[arm] = bucket_of(part["unit_id"].unique()).n_unique()
    row = found.row(0, named=True)
    assert row["rel_lift"] == pytest.approx(rates["blue"] / rates["control"] - 1, rel=1e-12)
    assert (row["n_buckets_control"], row["n_buckets_treatment"]) == tuple(buckets.values())
    assert row["ci_method"] == METHOD


def test_single_days_add_up_to_their_range(cube):
    arrays = cube_arrays(cube, "e")
    counts = [c for c in SHARED if c.startswith(("impressions", "clicks"))]

    def counted(first, last):
        chosen = CubeSlice(first_day=FIRST + timedelta(first), last_day=FIRST + timedelta(last))
        return ask(arrays, CubeConfig(cube=chosen, bootstrap=NO_DRAWS))

    parts = pl.concat([counted(day, day) for day in range(1, 4)])
    added = parts.group_by(KEY).agg(pl.col(counts).sum()).sort(KEY)
    assert_frame_equal(added, counted(1, 3).select(*KEY, *counts).sort(KEY))


def test_bootstrap_stands_beside_and_follows_its_seed(cube):
    def limits(**asked):
        table = ask_cube(cube, CubeConfig(bootstrap=Bootstrap(**asked)))
        return table.select("^rel_lift_bootstrap.*$", "n_bootstrap"), table

    drawn, table = limits(replicates=400, seed=3)
    assert_frame_equal(drawn, limits(replicates=400, seed=3)[0])
    assert not drawn.equals(limits(replicates=400, seed=4)[0])
    assert drawn["n_bootstrap"].unique().to_list() == [400]
    width = pl.col("rel_lift_bootstrap_upper") - pl.col("rel_lift_bootstrap_lower")
    delta = pl.col("rel_lift_ci_upper") - pl.col("rel_lift_ci_lower")
    ratio = table.select(width / delta).to_series()
    assert 0.85 < ratio.min() <= ratio.max() < 1.15
    none, _ = limits(replicates=0)
    assert none.select(pl.all().null_count()).row(0) == (table.height, table.height, 0)
    assert none["n_bootstrap"].unique().to_list() == [0]


def test_an_experiment_that_is_withheld_has_no_verdict_and_others_have(cube):
    both = pl.concat([cube, cube.with_columns(experiment_id=pl.lit("f"))])
    table = ask_cube(both, CubeConfig(bootstrap=NO_DRAWS), withheld=["e"])
    said = table.group_by("experiment_id").agg(pl.col("verdict").unique().sort()).sort(KEY[0])
    assert said["verdict"].to_list() == [["withheld"], ["flat", "win"]]


def test_cells_that_cannot_be_judged_have_a_state_and_no_infinite_limit():
    rows = rows_of(2, n_units=600).with_columns(
        c=pl.when(pl.col("category") == "a").then(0).otherwise("c")
    )
    rows = rows.filter((pl.col("category") != "b") | (pl.col("arm") != "red"))
    table = ask_cube(
        cube_of(UnitCounts.from_rows(rows)), CubeConfig(bootstrap=Bootstrap(replicates=50))
    )
    states = {
        (contrast, category): status
        for contrast, category, status in check(table, CUBE_LIFTS)
        .select("contrast", "category", "status")
        .iter_rows()
    }
    assert states["blue vs control", "a"] == "zero_click"
    assert states["red vs control", "b"] == "arm_missing"
    assert states["blue vs control", "b"] == "ok"
    nothing = table.filter(pl.col("status") != "ok")
    assert nothing["p_value"].null_count() == nothing.height
    assert set(nothing["verdict"]) == {"insufficient"}
    assert nothing.filter(pl.col("status") == "arm_missing")["rel_lift"].to_list() == [None]


def test_what_cannot_be_asked_is_refused(cube):
    late = CubeConfig(cube=CubeSlice(first_day=date(2030, 1, 1)))
    with pytest.raises(DataError, match=r"nothing is left.*holds days 2026-03-02 to 2026-03-06"):
        ask(cube_arrays(cube, "e"), late)
    with pytest.raises(DataError, match=r"no arm is called 'A'.*\n.*design.control=ARM"):
        ask_cube(cube, CubeConfig(design=Design(control="A")))


@pytest.mark.slow
def test_both_intervals_cover_the_true_lift():
    trials, covered = 0, {"ci": 0, "bootstrap": 0}
    for seed in range(250):
        cube = cube_of(UnitCounts.from_rows(rows_of(1_000 + seed, n_units=1_500, days=2)))
        table = ask_cube(cube, CubeConfig(bootstrap=Bootstrap(replicates=400, seed=seed)))
        for row in table.iter_rows(named=True):
            true = 0.3 if row["contrast"] == "blue vs control" else 0.0
            trials += 1
            for name in covered:
                lower, upper = row[f"rel_lift_{name}_lower"], row[f"rel_lift_{name}_upper"]
                covered[name] += lower <= true <= upper
    assert trials == 250 * 2 * 6
    # Six cells of a log share their control and their units; twice the independent error is ample.
    assert covered["ci"] / trials == pytest.approx(0.95, abs=0.015)
    assert covered["bootstrap"] / trials == pytest.approx(0.945, abs=0.02)
    assert ALL_CATEGORIES in table["category"].to_list()
