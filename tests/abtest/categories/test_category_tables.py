"""Tables of many categories on simulated traffic: contracts, agreement, symmetry, edge cases."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.categories.adjusted_intervals import category_intervals
from abtest.categories.config import Categories
from abtest.categories.joint_errors import lift_covariance
from abtest.categories.joint_test import joint_heterogeneity
from abtest.categories.posterior import category_posterior
from abtest.categories.selection import selected_lifts
from abtest.categories.shrinkage import shrink_cells
from abtest.categories.top_categories import top_categories
from abtest.config import Analysis, Design, LiftConfig
from abtest.counting.counts import MOMENTS, UnitCounts, total_moments
from abtest.counting.sums import Sums, sums_of
from abtest.estimation.cells import estimate_cells
from abtest.estimation.joint import category_moments, log_lifts
from abtest.lift import analyse_lift
from caig.contracts.categories import (
    CATEGORY_INTERVALS,
    CATEGORY_POSTERIOR,
    JOINT_HETEROGENEITY,
    SELECTED_LIFTS,
    TOP_CATEGORIES,
)
from caig.contracts.experiments import ALL_CATEGORIES, HETEROGENEITY
from caig.contracts.table import check
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

ALL_METHODS = Categories(intervals=("bonferroni", "fcr", "max_z"), rope=0.05)


def counts_of(log: pl.DataFrame) -> UnitCounts:
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))


def cells_of(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    """Estimated and shrunk cells of every arm against the control."""
    moments = total_moments(sums.daily)
    control = config.design.control
    treatments = [arm for arm in moments["arm"].unique().sort() if arm != control]
    key = ["experiment_id", "category"]
    pairs = []
    for treatment in treatments:
        sides = [
            moments.filter(pl.col("arm") == arm).select(*key, pl.col(MOMENTS).name.suffix(suffix))
            for arm, suffix in ((control, "_control"), (treatment, "_treatment"))
        ]
        pair = (
            sides[0]
            .join(sides[1], on=key)
            .with_columns(
                control=pl.lit(control),
                treatment=pl.lit(treatment),
                contrast=pl.lit(f"{treatment} vs {control}"),
            )
        )
        pairs.append(pair)
    together = pl.concat(pairs).sort("contrast", "category")
    return shrink_cells(estimate_cells(together, config), config.analysis.alpha).cells


def intervals(cells, sums, config, categories=ALL_METHODS) -> pl.DataFrame:
    table = category_intervals(
        cells, sums, design=config.design, analysis=config.analysis, categories=categories
    )
    return check(table, CATEGORY_INTERVALS)


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    """Three arms: a third of the treated units is called by another name."""
    log = simulate_traffic(TrafficConfig(n_users=20_000)).log
    is_moved = (pl.col("arm") == "treatment") & (pl.col("unit_id").hash(seed=1) % 3 == 0)
    return log.with_columns(arm=pl.when(is_moved).then(pl.lit("variant")).otherwise("arm"))


@pytest.fixture(scope="module")
def sums(log) -> Sums:
    return sums_of(counts_of(log))


@pytest.fixture(scope="module", params=["unit", "impression"])
def config(request) -> LiftConfig:
    return LiftConfig(design=Design(randomisation=request.param))


@pytest.fixture(scope="module")
def cells(sums, config) -> pl.DataFrame:
    return cells_of(sums, config)


def test_every_table_keeps_its_contract(cells, sums, config, log):
    table = intervals(cells, sums, config)
    tested = cells.filter((pl.col("status") == "ok") & (pl.col("category") != ALL_CATEGORIES))
    assert table.height == 3 * tested.height
    posterior = category_posterior(
        cells, design=config.design, analysis=config.analysis, categories=ALL_METHODS
    )
    assert check(posterior, CATEGORY_POSTERIOR).height == tested.height
    assert set(posterior["method"]) == {"empirical_bayes"}
    joint = check(joint_heterogeneity(cells, sums, design=config.design), JOINT_HETEROGENEITY)
    assert joint.height == 2
    spread = check(shrink_cells(cells, 0.05).heterogeneity, HETEROGENEITY)
    assert joint["rank"].to_list() == [n - 1 for n in spread["n_categories"]]
    # Every figure has one table; the two p-values are of two tests.
    assert set(joint.columns) & set(spread.columns) == {"experiment_id", "contrast", "p_value"}
    check(selected_lifts(cells, analysis=config.analysis), SELECTED_LIFTS)
    lifts = analyse_lift(counts_of(log), config).lift_table
    check(top_categories(lifts, categories=ALL_METHODS), TOP_CATEGORIES)


def test_adjusted_intervals_hold_the_lift_and_agree_with_their_p_values(cells, sums, config):
    table = intervals(cells, sums, config)
    excludes = (pl.col("rel_lift_ci_lower") > 0) | (pl.col("rel_lift_ci_upper") < 0)
    agreed = table.select(excludes.fill_null(value=False) == (pl.col("p_value_adj") < 0.05))
    assert agreed.to_series().all()
    key = ["experiment_id", "contrast", "category"]
    joined = table.join(cells.select(*key, "p_value", plain="rel_lift_ci_lower"), on=key)
    assert (joined["p_value_adj"] >= joined["p_value"]).all()
    assert (joined["rel_lift_ci_lower"] <= joined["plain"]).drop_nulls().all()
    wide = table.pivot("method", index=key, values="rel_lift_ci_lower")
    assert (wide["bonferroni"] <= wide["max_z"] + 1e-12).all()
    known = table.filter(pl.col("method") != "fcr").select("rel_lift_ci_lower", "rel_lift_ci_upper")
    assert known.null_count().row(0) == (0, 0)


def test_fcr_selects_what_the_lift_table_calls_significant(log):
    config = LiftConfig(design=Design(randomisation="impression"))
    counts = counts_of(log)
    sums = sums_of(counts)
    lifts = analyse_lift(counts, config).lift_table
    table = intervals(cells_of(sums, config), sums, config, Categories(intervals=("fcr",)))
    key = ["contrast", "category"]
    joined = table.join(lifts, on=key, suffix="_lift")
    assert joined.height == table.height
    assert joined["p_value_adj"].to_list() == pytest.approx(joined["p_value_adj_lift"].to_list())


def test_covariance_of_one_contrast_is_that_of_log_lifts(sums):
    config = LiftConfig()
    one = cells_of(sums, config).filter(
        (pl.col("status") == "ok")
        & (pl.col("category") != ALL_CATEGORIES)
        & (pl.col("treatment") == "variant")
    )
    experiment, names = one["experiment_id"][0], one["category"].to_list()
    arms = (category_moments(sums, experiment, arm, names) for arm in ("control", "variant"))
    _, expected = log_lifts(*arms)
    found = lift_covariance(one, sums)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(np.sqrt(np.diag(found)), one["log_lift_se"].to_numpy())


def test_contrasts_with_one_control_share_its_error(sums):
    cells = cells_of(sums, LiftConfig()).filter(
        (pl.col("status") == "ok") & (pl.col("category") != ALL_CATEGORIES)
    )
    covariance = lift_covariance(cells, sums)
    tested = cells["category"].to_list()
    name = next(name for name in tested if tested.count(name) == 2)
    one, other = (index for index, found in enumerate(tested) if found == name)
    control = category_moments(sums, cells["experiment_id"][0], "control", [name])
    rate = control.c / control.n
    residuals = control.cc - rate * control.nc - rate * control.nc.T + rate**2 * control.nn
    factor = control.units / (control.units - 1) / control.n**2 / rate**2
    assert covariance[one, other] == pytest.approx((factor * residuals).item(), rel=1e-9)
    values = np.linalg.eigvalsh(covariance)
    assert values.min() > 0


def test_arms_swapped_invert_intervals_and_keep_joint_tests(log):
    two = counts_of(log.filter(pl.col("arm") != "variant"))
    sums = sums_of(two)
    tables = []
    for control in ("control", "treatment"):
        config = LiftConfig(design=Design(control=control))
        cells = cells_of(sums, config)
        joint = joint_heterogeneity(cells, sums, design=config.design).drop("contrast")
        tables.append((intervals(cells, sums, config), joint))
    (there, joint), (back, joint_back) = tables
    assert_frame_equal(joint, joint_back, rel_tol=1e-8, abs_tol=1e-10)
    both = there.join(back, on=["category", "method"], suffix="_back")
    assert both["p_value_adj"].to_list() == pytest.approx(both["p_value_adj_back"].to_list())
    product = ((1 + both["rel_lift_ci_lower"]) * (1 + both["rel_lift_ci_upper_back"])).drop_nulls()
    assert product.to_list() == pytest.approx([1.0] * product.len())


def test_top_categories_are_those_with_the_most_traffic(log):
    lifts = analyse_lift(counts_of(log), LiftConfig()).lift_table
    table = top_categories(lifts, categories=Categories(top=3))
    expected = log.group_by("category").agg(pl.col("n_impressions").sum())
    expected = expected.sort("n_impressions", descending=True).head(3)
    for contrast in ("treatment vs control", "variant vs control"):
        part = table.filter(pl.col("contrast") == contrast)
        assert part["category"].to_list() == [ALL_CATEGORIES, *expected["category"]]
        assert part["rank"].to_list() == [0, 1, 2, 3]
        shares = expected["n_impressions"] / log["n_impressions"].sum()
        assert part["traffic_share"].to_list() == pytest.approx([1.0, *shares])
    row = table.join(lifts, on=["contrast", "category"], suffix="_lift")
    for name in ("control_ctr", "treatment_ctr_ci_upper", "rel_lift_ci_lower", "p_value"):
        assert row[name].to_list() == row[f"{name}_lift"].to_list()


def few_cells(clicks: dict[str, tuple[int, int, int, int]]) -> tuple[Sums, pl.DataFrame]:
    """Cells of impressions: clicks and impressions of control, then of treatment."""
    rows = [
        ("e", arm, None, category, None, n, c)
        for category, (c0, n0, c1, n1) in clicks.items()
        for arm, c, n in (("control", c0, n0), ("treatment", c1, n1))
    ]
    names = ("experiment_id", "arm", "unit_id", "category", "day", "n", "c")
    schema = dict.fromkeys(names[:4], pl.String) | {"day": pl.Date, "n": pl.Int64, "c": pl.Int64}
    sums = sums_of(UnitCounts.from_rows(pl.DataFrame(rows, schema=schema, orient="row")))
    return sums, cells_of(sums, IMPRESSIONS)


IMPRESSIONS = LiftConfig(design=Design(randomisation="impression"))


def all_tables(sums, cells, config=IMPRESSIONS):
    design, analysis = config.design, config.analysis
    return (
        intervals(cells, sums, config),
        check(
            category_posterior(cells, design=design, analysis=analysis, categories=ALL_METHODS),
            CATEGORY_POSTERIOR,
        ),
        check(selected_lifts(cells, analysis=analysis), SELECTED_LIFTS),
        check(joint_heterogeneity(cells, sums, design=design), JOINT_HETEROGENEITY),
    )


def test_few_categories_of_impressions_have_beta_posteriors():
    sums, cells = few_cells({"A": (20, 1000, 26, 1000), "B": (40, 900, 80, 900)})
    _, posterior, selected, joint = all_tables(sums, cells)
    assert posterior["method"].to_list() == ["beta_binomial"] * 2
    assert posterior["p_better"][0] == pytest.approx(0.81199680313, abs=1e-9)
    assert selected["category"].to_list() == ["B"]
    assert 0 < selected["rel_lift_corrected"][0] < selected["rel_lift"][0]
    spread = shrink_cells(cells, 0.05).heterogeneity
    assert joint["wald"][0] == pytest.approx(spread["q"][0], rel=1e-9)
    assert joint["rank"][0] == 1


@pytest.mark.parametrize(
    ("clicks", "n_tested"),
    [
        ({"zero": (0, 100, 8, 100)}, 0),
        ({"zero": (0, 100, 8, 100), "fine": (20, 300, 30, 300)}, 1),
        ({"all": (50, 50, 60, 60), "fine": (20, 300, 30, 300)}, 2),
        ({"same": (20, 300, 20, 300), "fine": (20, 300, 20, 300)}, 2),
        ({"tiny": (1, 3, 2, 3)}, 0),
    ],
)
def test_odd_cells_break_nothing(clicks, n_tested):
    table, *_, joint = all_tables(*few_cells(clicks))
    assert table.height == 3 * n_tested
    assert joint.height == (1 if n_tested == 2 and "all" not in clicks else 0)
    limits = table.filter(pl.col("rel_lift_ci_lower").is_not_null())
    assert (limits["rel_lift_ci_lower"] < limits["rel_lift_ci_upper"]).all()


def test_without_categories_tables_are_empty():
    sums, cells = few_cells({"A": (20, 1000, 26, 1000)})
    overall = cells.filter(pl.col("category") == ALL_CATEGORIES)
    for table in all_tables(sums, overall):
        assert table.is_empty()
    lifts = pl.DataFrame({"category": [ALL_CATEGORIES]})
    assert top_categories(lifts, categories=Categories()).is_empty()


def test_without_sums_of_two_categories_the_bound_of_sidak_is_used(sums):
    config = LiftConfig()
    cells = cells_of(sums, config)
    bare = Sums(**{**vars(sums), "by_category": sums.by_category.clear()})
    table = intervals(cells, bare, config, Categories())
    size = table["family_size"][0]
    assert table["level"][0] == pytest.approx(0.95 ** (1 / size))
    assert joint_heterogeneity(cells, bare, design=config.design)["wald"].null_count() == 2
    assert intervals(cells, sums, config, Categories())["level"][0] <= table["level"][0]


def test_a_method_is_named_once():
    with pytest.raises(ValueError, match="once only"):
        Categories(intervals=("max_z", "max_z"))


def test_level_follows_the_analysis(cells, sums, config):
    strict = category_intervals(
        cells, sums, design=config.design, analysis=Analysis(alpha=0.01), categories=Categories()
    )
    loose = category_intervals(
        cells, sums, design=config.design, analysis=Analysis(alpha=0.1), categories=Categories()
    )
    assert (strict["rel_lift_ci_lower"] < loose["rel_lift_ci_lower"]).all()
    assert strict["selected"].sum() <= loose["selected"].sum()
