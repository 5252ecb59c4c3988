"""Looks: what was planned, what it may be judged by, agreement of limits and tests, error rate."""

from datetime import date, timedelta
from time import perf_counter

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError
from scipy import stats

from abtest.config import Design, LiftConfig
from abtest.counting.sums import Sums
from abtest.monitoring.config import Monitoring
from abtest.monitoring.group_sequential import spending_boundaries
from abtest.monitoring.looks import looks, planned_looks
from caig.config import load_config, to_toml
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.looks import LOOKS
from caig.contracts.table import check
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

FIRST = date(2026, 3, 2)
WEEK = Monitoring(planned_looks=3, planned_last_day=FIRST + timedelta(days=6))


def after(days: int) -> date:
    return FIRST + timedelta(days=days)


def told(cells: pl.DataFrame, monitoring: Monitoring, config: LiftConfig) -> pl.DataFrame:
    table = looks(cells, design=config.design, analysis=config.analysis, monitoring=monitoring)
    return check(table, LOOKS)


@pytest.fixture(scope="module")
def shop(summed) -> Sums:
    return summed(simulate_traffic(TrafficConfig(n_users=20_000, mean_lift=0.3)).log)


@pytest.fixture(scope="module", params=["unit", "impression"])
def config(request) -> LiftConfig:
    return LiftConfig(design=Design(randomisation=request.param))


@pytest.fixture(scope="module")
def cells(shop, cumulated, config) -> pl.DataFrame:
    return cumulated(shop, config)


def test_planned_looks_have_boundaries_and_others_are_labelled(cells, config):
    table = told(cells, WEEK, config)
    assert table.height == 45 * 7
    overall = table.filter(pl.col("category") == ALL_CATEGORIES)
    # A third of seven days is reached during the third, two thirds during the fifth.
    assert overall["planned"].to_list() == [False, False, True, False, True, False, True]
    assert overall["look"].to_list() == list(range(1, 8))
    np.testing.assert_allclose(overall["information_fraction"], np.arange(1, 8) / 7)
    expected = spending_boundaries([3 / 7, 5 / 7, 1.0], 0.05, spending="obf")
    np.testing.assert_allclose(overall["boundary"].drop_nulls(), expected)
    unplanned = table.filter(~pl.col("planned"))
    for name in ("boundary", "nominal_alpha", "crossed", "rel_lift_ci_lower", "rel_lift_ci_upper"):
        assert unplanned[name].is_null().all(), name
    assert set(unplanned["method"]) == {"always-valid limits and mSPRT"}
    tested = table.filter(pl.col("status") == "ok")
    assert tested.height > 100
    for name in ("rel_lift_anytime_lower", "rel_lift_anytime_upper", "p_value_anytime", "z"):
        assert tested[name].is_not_null().all(), name
        assert table.filter(pl.col("status") != "ok")[name].is_null().all(), name


def test_tests_and_intervals_agree(cells, config):
    table = told(cells, WEEK, config).filter(pl.col("status") == "ok")
    at_looks = table.filter("planned")
    assert 0 < at_looks["crossed"].sum() < at_looks.height
    lower, upper = pl.col("rel_lift_ci_lower"), pl.col("rel_lift_ci_upper")
    assert at_looks.filter(pl.col("crossed") != ((lower > 0) | (upper < 0))).is_empty()
    lower, upper = pl.col("rel_lift_anytime_lower"), pl.col("rel_lift_anytime_upper")
    is_small = pl.col("p_value_anytime") < 0.05
    assert 0 < table.select(is_small.sum()).item() < table.height
    assert table.filter(is_small != ((lower > 0) | (upper < 0))).is_empty()


def test_swapped_arms_give_reciprocal_looks(shop, cumulated, config):
    back_design = config.design.model_copy(update={"control": "treatment"})
    back_config = config.model_copy(update={"design": back_design})
    there = told(cumulated(shop, config), WEEK, config)
    back = told(cumulated(shop, back_config), WEEK, back_config)
    both = there.join(back, on=["category", "day"], suffix="_back")
    assert both.height == there.height
    np.testing.assert_allclose(both["z"].drop_nulls(), -both["z_back"].drop_nulls(), atol=1e-9)
    for one, other in (
        ("rel_lift", "rel_lift"),
        ("rel_lift_ci_lower", "rel_lift_ci_upper"),
        ("rel_lift_anytime_lower", "rel_lift_anytime_upper"),
    ):
        product = (1 + both[one]) * (1 + both[f"{other}_back"])
        # A limit near -1 has lost digits of its distance to -1.
        np.testing.assert_allclose(product.drop_nulls(), 1, rtol=1e-6)
    for name in ("crossed", "boundary", "planned", "p_value_anytime"):
        assert_frame_equal(both.select(name), both.select(pl.col(f"{name}_back").alias(name)))


def test_without_a_plan_only_always_valid_figures(cells, config):
    table = told(cells, Monitoring(), config)
    assert table["boundary"].is_null().all()
    assert table["information_fraction"].is_null().all()
    assert table["crossed"].is_null().all()
    assert table.filter("planned")["day"].unique().to_list() == [after(6)]
    planned = told(cells, WEEK, config)
    same = ["z", "rel_lift_anytime_lower", "rel_lift_anytime_upper", "p_value_anytime"]
    assert_frame_equal(table.select(same), planned.select(same))


def test_a_single_planned_look_is_the_fixed_test(cells, config):
    plan = Monitoring(planned_looks=1, planned_last_day=after(6))
    last = told(cells, plan, config).filter("planned").drop_nulls("z")
    assert last["day"].unique().to_list() == [after(6)]
    fixed = last.join(cells, on=["category", "day"], suffix="_fixed")
    np.testing.assert_allclose(fixed["boundary"], stats.norm.isf(0.025))
    if config.design.randomisation == "unit":
        for name in ("rel_lift_ci_lower", "rel_lift_ci_upper"):
            np.testing.assert_allclose(fixed[name], fixed[f"{name}_fixed"], rtol=1e-9)
        p = 2 * stats.norm.sf(np.abs(fixed["z"].to_numpy()))
        np.testing.assert_allclose(p, fixed["p_value"], rtol=1e-9)


def test_days_outside_of_the_plan(cells, config):
    plan = Monitoring(planned_looks=(after(1), after(3)), planned_first_day=after(1))
    overall = told(cells, plan, config).filter(pl.col("category") == ALL_CATEGORIES)
    assert overall["planned"].to_list() == [False, True, False, True, False, False, False]
    fractions = overall["information_fraction"].to_list()
    assert fractions == [None, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0, None, None, None]
    over = Monitoring(planned_looks=1, planned_last_day=date(2020, 1, 1))
    assert not told(cells, over, config)["planned"].any()


def test_plan_in_whole_days():
    def days(monitoring: Monitoring) -> list[int]:
        plan = planned_looks(monitoring, FIRST, alpha=0.05)
        return [(look.day - FIRST).days + 1 for look in plan]

    assert days(WEEK) == [3, 5, 7]
    assert days(Monitoring(planned_looks=50, planned_last_day=after(3))) == [1, 2, 3, 4]
    assert days(Monitoring(planned_looks=(after(-9), after(2)), planned_last_day=after(9))) == [
        3,
        10,
    ]
    assert days(Monitoring()) == []
    listed = planned_looks(Monitoring(planned_looks=(after(1), after(3))), FIRST, alpha=0.05)
    assert [look.fraction for look in listed] == [0.5, 1.0]


def test_an_infinite_boundary_is_null_and_not_crossed(cells, config):
    plan = Monitoring(planned_looks=(FIRST,), planned_last_day=after(999))
    first = told(cells, plan, config).filter("planned").drop_nulls("z")
    assert first.height > 0
    assert first["boundary"].is_null().all()
    assert not first["crossed"].any()
    assert first["rel_lift_ci_upper"].is_null().all()


def test_few_units_widen_the_boundary_as_students_t_does(summed, cumulated):
    log = simulate_traffic(TrafficConfig(n_users=300, impressions_per_user=30)).log
    config = LiftConfig()
    cells = cumulated(summed(log), config)
    plan = Monitoring(planned_looks=1, planned_last_day=after(6))
    last = told(cells, plan, config).filter("planned").join(cells, on=["category", "day"])
    z = (last["rel_lift"].log1p() / last["log_lift_se"]).drop_nulls().to_numpy()
    assert (np.abs(last["z"].drop_nulls().to_numpy()) < np.abs(z)).all()


def test_a_z_beyond_the_normal_tail_is_a_number(cells):
    far = cells.filter(pl.col("status") == "ok").with_columns(rel_lift=pl.lit(1e6))
    table = told(far, WEEK, LiftConfig())
    assert (table["z"] > 6).all()
    assert table["z"].max() < 37.1
    assert table["crossed"].drop_nulls().all()
    assert (table["rel_lift_ci_lower"].drop_nulls() > 0).all()
    mirrored = told(far.with_columns(rel_lift=1 / (1 + pl.col("rel_lift")) - 1), WEEK, LiftConfig())
    np.testing.assert_allclose(mirrored["z"], -table["z"])


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"planned_looks": 3}, "needs planned_last_day"),
        ({"planned_looks": 0, "planned_last_day": FIRST}, "greater than or equal to 1"),
        ({"planned_last_day": FIRST}, "needs planned_looks"),
        ({"planned_looks": ()}, "lists no date"),
        ({"planned_looks": (after(1), FIRST)}, "must rise"),
        ({"planned_looks": (after(2),), "planned_last_day": FIRST}, "must lie between"),
        (
            {"planned_looks": 2, "planned_first_day": after(2), "planned_last_day": FIRST},
            "is after",
        ),
        ({"spending": "even"}, "obf"),
        ({"power_phi": 0}, "greater than 0"),
    ],
)
def test_plans_that_cannot_be_right(values, wrong):
    with pytest.raises(ValidationError, match=wrong):
        Monitoring(**values)


@pytest.mark.parametrize(
    "monitoring", [Monitoring(), WEEK, Monitoring(planned_looks=(FIRST, after(4)))]
)
def test_a_plan_survives_its_file(monitoring, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(to_toml(monitoring))
    assert load_config(Monitoring, path) == monitoring


def test_dates_in_toml_are_dates(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("planned_looks = [2026-03-02, 2026-03-06]\n")
    assert load_config(Monitoring, path).planned_looks == (FIRST, after(4))


def many_cells(n_experiments: int, n_categories: int, n_days: int, n_arms: int) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    frame = (
        pl.DataFrame({"experiment": range(n_experiments)})
        .join(pl.DataFrame({"category": [f"c{i}" for i in range(n_categories)]}), how="cross")
        .join(pl.DataFrame({"contrast": [f"{i} vs 0" for i in range(n_arms)]}), how="cross")
        .join(pl.DataFrame({"ordinal": range(n_days)}), how="cross")
    )
    # Experiments begin on 100 different days.
    days = pl.col("ordinal") + pl.col("experiment") % 100
    return frame.select(
        "category",
        "contrast",
        experiment_id=pl.format("e{}", "experiment"),
        day=pl.lit(FIRST) + pl.duration(days=days),
        status=pl.lit("ok"),
        rel_lift=pl.Series(rng.normal(0, 0.1, frame.height)),
        log_lift_se=pl.Series(rng.uniform(0.05, 0.2, frame.height)),
    )


def test_no_cells_no_looks(cells, config):
    assert told(cells.clear(), WEEK, config).is_empty()


@pytest.mark.parametrize("shape", [(1, 45, 60, 3), (2471, 1, 4, 4)])
def test_many_cells_take_seconds_at_most(shape):
    cells = many_cells(*shape)
    plan = Monitoring(planned_looks=5, planned_last_day=after(120))
    config = LiftConfig(design=Design(randomisation="impression"))
    begun = perf_counter()
    table = looks(cells, design=config.design, analysis=config.analysis, monitoring=plan)
    # Measured 0.1 s; the bound allows for a slow and busy machine.
    assert perf_counter() - begun < 10
    assert table.height == cells.height
