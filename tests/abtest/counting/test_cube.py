"""The cube against the log it was made of, against direct sums over buckets, and on its edges."""

import hashlib
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.counting.bootstrap import bootstrap_lifts, cube_arrays, cube_lifts
from abtest.counting.counts import UnitCounts, total_moments
from abtest.counting.cube import bucket_of, cube_of, cube_sums, merge_cubes, slice_days
from abtest.counting.sums import sums_of
from abtest.estimation import clustered
from abtest.estimation.clustered import UnitMoments
from caig.contracts.cubes import CUBE
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import check
from caig.errors import DataError
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

CONTRAST = ("treatment", "control")
EXPERIMENT = "shop-launch"


def counts_of(log: pl.DataFrame) -> UnitCounts:
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return simulate_traffic(TrafficConfig(n_users=20_000, impressions_per_user=20)).log


@pytest.fixture(scope="module")
def cube(log) -> pl.DataFrame:
    return cube_of(counts_of(log))


def test_buckets_are_those_of_the_documented_digest():
    names = ["u1", "", "Zoë", "u0000017"]
    expected = [int(hashlib.md5(n.encode()).hexdigest()[:8], 16) % 1024 for n in names]
    assert bucket_of(pl.Series([*names, None])).to_list() == [*expected, None]
    assert bucket_of(pl.Series(["u1"])).to_list() == [221]  # as DuckDB 2.0 says, too


def test_names_that_count_up_fill_the_buckets_evenly():
    filled = np.bincount(bucket_of(pl.Series([f"u{i}" for i in range(102_400)])), minlength=1024)
    chi_square = float(((filled - 100) ** 2 / 100).sum())
    assert abs(chi_square - 1023) < 4 * np.sqrt(2 * 1023)


def test_a_cube_keeps_every_count(log, cube):
    check(cube, CUBE)
    key = ["day", "arm", "category"]
    exact = log.group_by(key).agg(
        pl.col("n_impressions", "n_clicks").sum(), n_units=pl.col("unit_id").n_unique()
    )
    found = cube.group_by(key).agg(pl.col("n_impressions", "n_clicks", "n_units").sum())
    assert_frame_equal(
        found.sort(key), exact.sort(key).with_columns(pl.col("n_units").cast(pl.Int64))
    )


def test_adding_a_day_equals_counting_anew(log, cube):
    last = log["day"].max()
    before = cube_of(counts_of(log.filter(pl.col("day") < last)))
    today = cube_of(counts_of(log.filter(pl.col("day") == last)))
    assert_frame_equal(merge_cubes([today, before]), cube)
    assert_frame_equal(slice_days(cube, last, last), today)
    with pytest.raises(DataError, match=f"has {last} in two cubes.*Add every day once"):
        merge_cubes([cube, today])


def test_shares_of_units_of_the_same_days_add_up(log, cube):
    is_even = pl.col("unit_id").str.slice(-1).cast(pl.Int64) % 2 == 0
    parts = [cube_of(counts_of(log.filter(rows))) for rows in (is_even, ~is_even)]
    assert_frame_equal(merge_cubes(parts, of_same_days=True), cube)
    with pytest.raises(DataError, match="and 6 more in two cubes"):
        merge_cubes(parts)


def test_sums_of_a_cube_are_those_of_a_log_whose_units_are_buckets(log, cube):
    buckets = log.with_columns(unit_id=bucket_of(log["unit_id"]).cast(pl.String))
    expected = sums_of(counts_of(buckets))
    found = cube_sums(cube)
    for name in ("daily", "by_category", "by_day"):
        assert_frame_equal(getattr(found, name), getattr(expected, name))
    assert found.first_seen.is_empty()
    assert found.crossover.is_empty()


def moments(frame: pl.DataFrame, arm: str, categories: tuple[str, ...]) -> UnitMoments:
    of_arm = frame.filter(pl.col("arm") == arm).sort(pl.col("category").cast(pl.Enum(categories)))
    assert of_arm["category"].to_list() == list(categories)
    return UnitMoments(*(of_arm[name].to_numpy().astype(float) for name in UnitMoments._fields))


@pytest.mark.parametrize("days", [None, (2, 4), (6, 6)])
@pytest.mark.parametrize("grouped", [0, 2])
def test_lifts_from_arrays_are_those_of_the_slow_way(cube, days, grouped):
    first = date(2026, 3, 2)
    names = cube["category"].unique().sort().to_list()
    groups = dict.fromkeys(names[:grouped], "grouped")
    span = (first + timedelta(days[0]), first + timedelta(days[1])) if days else None
    arrays = cube_arrays(cube, EXPERIMENT, groups=groups)
    lifts = cube_lifts(arrays, CONTRAST, alpha=0.1, days=span)
    part = slice_days(cube, *span) if span else cube
    total = total_moments(cube_sums(part, groups=groups).daily)
    control, treatment = (
        moments(total, arm, arrays.categories) for arm in ("control", "treatment")
    )
    slow = clustered.log_lift(control, treatment)
    np.testing.assert_allclose(lifts.log_lift_se, slow.se, rtol=1e-10)
    expected = clustered.lift_interval(slow, 0.1)
    for name in ("value", "lower", "upper"):
        found = getattr(lifts.rel_lift, name)
        np.testing.assert_allclose(found, getattr(expected, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(lifts.p_value, clustered.lift_p_value(slow), rtol=1e-8)


def test_standard_errors_are_near_the_exact_ones(log, cube):
    arrays = cube_arrays(cube, EXPERIMENT)
    bucketed = cube_lifts(arrays, CONTRAST, alpha=0.05).log_lift_se
    total = total_moments(sums_of(counts_of(log)).daily)
    control, treatment = (
        moments(total, arm, arrays.categories) for arm in ("control", "treatment")
    )
    exact = clustered.log_lift(control, treatment).se
    many = np.minimum(control.c, treatment.c) >= 50
    ratio = bucketed[many] / exact[many]
    # A variance of 1,024 values has a relative sd of 1 / 32 or more, a standard error half of it.
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert 0.005 < ratio.std() < 0.06


def test_bootstrap_agrees_with_the_delta_method(cube):
    arrays = cube_arrays(cube, EXPERIMENT)
    delta = cube_lifts(arrays, CONTRAST, alpha=0.05)
    drawn = bootstrap_lifts(arrays, CONTRAST, alpha=0.05, seed=3, replicates=2_000)
    np.testing.assert_allclose(drawn.value, delta.rel_lift.value, rtol=1e-12)
    width = np.log1p(drawn.upper) - np.log1p(drawn.lower)
    many = delta.log_lift_se < 0.2
    assert many.sum() > 10
    ratio = width[many] / (2 * 1.959964 * delta.log_lift_se[many])
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(ratio, 1, atol=0.12)


def test_bootstrap_is_that_of_its_seed_and_covers(cube):
    arrays = cube_arrays(cube, EXPERIMENT)
    one, same, other = (
        bootstrap_lifts(arrays, CONTRAST, alpha=0.05, seed=seed, replicates=200)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.lower, same.lower)
    assert not np.array_equal(one.lower, other.lower)


@pytest.mark.slow
def test_cube_intervals_cover_the_truth():
    covered = {"delta": 0, "bootstrap": 0}
    trials = 0
    for seed in range(60):
        config = TrafficConfig(seed=seed, n_users=6_000, n_days=2, impressions_per_user=20)
        log, truth = simulate_traffic(config)
        arrays = cube_arrays(cube_of(counts_of(log)), EXPERIMENT)
        expected = dict(truth.select("category", "rel_lift").iter_rows())
        lift = np.array([expected[name] for name in arrays.categories])
        delta = cube_lifts(arrays, CONTRAST, alpha=0.05)
        drawn = bootstrap_lifts(arrays, CONTRAST, alpha=0.05, seed=seed, replicates=500)
        used = delta.log_lift_se < 0.25
        trials += used.sum()
        for name, interval in (("delta", delta.rel_lift), ("bootstrap", drawn)):
            held = (interval.lower <= lift) & (lift <= interval.upper)
            covered[name] += held[used].sum()
    assert trials > 500
    assert covered["delta"] / trials == pytest.approx(0.95, abs=0.025)
    assert covered["bootstrap"] / trials == pytest.approx(0.95, abs=0.03)


def tiny(**columns) -> pl.DataFrame:
    rows = {
        "experiment_id": "e",
        "arm": "control",
        "unit_id": "u",
        "category": "hats",
        "day": date(2026, 1, 1),
        "n": 10,
        "c": 1,
        **columns,
    }
    return pl.DataFrame(rows, schema_overrides={"n": pl.Int64, "c": pl.Int64})


def test_cells_without_clicks_or_variation_have_no_interval():
    rows = pl.concat(
        [
            tiny(arm=arm, unit_id=f"u{i}", category=category, c=clicks)
            for arm in CONTRAST
            for i in range(40)
            for category, clicks in (
                ("none", 0),
                ("only control", int(arm == "control" and i < 9)),
                ("all", 10),
            )
        ]
    )
    arrays = cube_arrays(cube_of(UnitCounts.from_rows(rows)), "e")
    lifts = cube_lifts(arrays, CONTRAST, alpha=0.05)
    drawn = bootstrap_lifts(arrays, CONTRAST, alpha=0.05, seed=1)
    by_name = {name: i for i, name in enumerate(arrays.categories)}
    for name in ("none", "only control", "all"):
        assert np.isnan(lifts.rel_lift.lower[by_name[name]])
        assert np.isnan(lifts.p_value[by_name[name]])
    assert np.isnan(drawn.value[by_name["none"]])
    assert np.isnan(drawn.upper[by_name["only control"]])
    assert not np.isinf(np.stack(drawn)).any()


def test_unbounded_limits_are_unknown_never_infinite():
    rows = pl.concat(
        [
            tiny(arm=arm, unit_id=f"u{i}", c=int(i < 2 + 8 * (arm == "treatment")))
            for arm in CONTRAST
            for i in range(60)
        ]
    )
    drawn = bootstrap_lifts(
        cube_arrays(cube_of(UnitCounts.from_rows(rows)), "e"), CONTRAST, alpha=0.05, seed=1
    )
    # With two clicks in control one draw in seven has none: the upper limit is infinite.
    assert np.isfinite(drawn.lower).all()
    assert np.isnan(drawn.upper).all()


def test_what_a_cube_cannot_be_made_of_or_asked_is_refused(cube):
    with pytest.raises(DataError, match="rows without unit_id"):
        cube_of(UnitCounts.from_rows(tiny(unit_id=pl.Series([None], dtype=pl.String))))
    with pytest.raises(DataError, match="no experiment 'x'"):
        cube_arrays(cube, "x")
    with pytest.raises(DataError, match="rows without day"):
        cube_of(UnitCounts.from_rows(tiny(day=pl.Series([None], dtype=pl.Date))))
    with pytest.raises(DataError, match="no arm 'b'; it has: control, treatment"):
        cube_lifts(cube_arrays(cube, EXPERIMENT), ("b", "control"), alpha=0.05)


def test_a_day_without_traffic_in_the_range_has_unknown_lifts(cube):
    arrays = cube_arrays(cube, EXPERIMENT)
    before = (date(2020, 1, 1), date(2020, 1, 2))
    assert np.isnan(cube_lifts(arrays, CONTRAST, alpha=0.05, days=before).p_value).all()
    assert arrays.categories[-1] == ALL_CATEGORIES


def test_swapped_arms_give_reciprocal_lifts(cube):
    arrays = cube_arrays(cube, EXPERIMENT)
    one = cube_lifts(arrays, CONTRAST, alpha=0.05).rel_lift
    other = cube_lifts(arrays, CONTRAST[::-1], alpha=0.05).rel_lift
    np.testing.assert_allclose((1 + one.lower) * (1 + other.upper), 1, rtol=1e-12)
