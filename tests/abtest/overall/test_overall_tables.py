"""The tables: contracts, agreement with the functions below them, edges, and their speed."""

import time
from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.config import Design, LiftConfig
from abtest.counting.counts import MOMENTS, UnitCounts, total_moments
from abtest.counting.sums import Sums, sums_of
from abtest.estimation.arms import comparable_arms
from abtest.estimation.cells import estimate_cells
from abtest.overall.adjusted_table import adjusted_lifts
from abtest.overall.arm_table import arm_comparison
from abtest.overall.config import Overall
from abtest.overall.covariates import covariate_sums
from abtest.overall.guardrail_table import guardrails
from abtest.overall.tables import mix_shift, overall_lifts, stratified_tests
from caig.config import load_config
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.overall import (
    ADJUSTED_LIFTS,
    ARM_COMPARISON,
    GUARDRAILS,
    MIX_SHIFT,
    OVERALL_LIFTS,
    STRATIFIED_TESTS,
)
from caig.contracts.table import check
from caig.errors import ConfigError
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

ALPHA = 0.05
UNITS, IMPRESSIONS = (LiftConfig(design=Design(randomisation=r)) for r in ("unit", "impression"))
MARGINS = Overall(guardrails={"ctr": 0.2, "clicks_per_unit": 0.2, "impressions_per_unit": 0.1})


class Inputs:
    """What the tables are made of."""

    def __init__(self, counts: UnitCounts, config: LiftConfig) -> None:
        self.randomisation = config.design.randomisation
        self.sums: Sums = sums_of(counts)
        moments = total_moments(self.sums.daily)
        self.arms = comparable_arms(moments, config)
        self.cells = estimate_cells(paired(moments, self.arms), config)

    def overall(self, adjusted: pl.DataFrame | None = None) -> pl.DataFrame:
        table = overall_lifts(
            self.sums,
            self.cells,
            alpha=ALPHA,
            randomisation=self.randomisation,
            adjusted=adjusted,
        )
        return check(table, OVERALL_LIFTS)

    def mix(self) -> pl.DataFrame:
        table = mix_shift(
            self.sums, self.cells, Overall(), alpha=ALPHA, randomisation=self.randomisation
        )
        return check(table, MIX_SHIFT)

    def tests(self) -> pl.DataFrame:
        table = stratified_tests(self.sums, self.cells, randomisation=self.randomisation)
        return check(table, STRATIFIED_TESTS)

    def guarded(self, config: Overall = MARGINS) -> pl.DataFrame:
        table = guardrails(self.cells, config, alpha=ALPHA, randomisation=self.randomisation)
        return check(table, GUARDRAILS)

    def compared(self) -> pl.DataFrame:
        table = arm_comparison(self.arms, alpha=ALPHA, randomisation=self.randomisation)
        return check(table, ARM_COMPARISON)


def paired(moments: pl.DataFrame, arms: pl.DataFrame) -> pl.DataFrame:
    control = arms.filter("is_control").select("experiment_id", control="arm")
    treatment = arms.filter(~pl.col("is_control")).select("experiment_id", treatment="arm")
    pairs = (
        moments.select("experiment_id", "category")
        .unique()
        .join(control.join(treatment, on="experiment_id"), on="experiment_id")
        .with_columns(contrast=pl.format("{} vs {}", "treatment", "control"))
    )
    for side in ("control", "treatment"):
        renamed = moments.select(
            "experiment_id",
            "category",
            pl.col("arm").alias(side),
            pl.col(MOMENTS).name.suffix(f"_{side}"),
        )
        pairs = pairs.join(renamed, on=["experiment_id", "category", side], how="left")
    sides = [f"{name}_{side}" for name in MOMENTS for side in ("control", "treatment")]
    return pairs.with_columns(pl.col(sides).fill_null(0))


def of_log(log: pl.DataFrame) -> UnitCounts:
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))


def log_of(n_users: int = 6000, lift: float = 0.0, seed: int = 1) -> pl.DataFrame:
    config = TrafficConfig(n_users=n_users, mean_lift=lift, lift_sd=0.0, seed=seed)
    return simulate_traffic(config).log


def four_arms(log: pl.DataFrame) -> pl.DataFrame:
    """Treatment cut into three arms by unit."""
    third = pl.format("t{}", pl.col("unit_id").hash(seed=1) % 3)
    return log.with_columns(arm=pl.when(pl.col("arm") == "treatment").then(third).otherwise("arm"))


def impressions(cells: dict[tuple[str, str], tuple[int, int]]) -> UnitCounts:
    rows = [
        ("e", arm, None, category or None, date(2026, 3, 1), n, c)
        for (arm, category), (c, n) in cells.items()
    ]
    schema = {
        **dict.fromkeys(("experiment_id", "arm", "unit_id", "category"), pl.String),
        "day": pl.Date,
        "n": pl.Int64,
        "c": pl.Int64,
    }
    return UnitCounts.from_rows(pl.DataFrame(rows, schema=schema, orient="row"))


BERKELEY = {
    (arm, department): cell
    for arm, row in (
        ("control", ((89, 108), (17, 25), (202, 593), (131, 375), (94, 393), (24, 341))),
        ("treatment", ((512, 825), (353, 560), (120, 325), (138, 417), (53, 191), (22, 373))),
    )
    for department, cell in zip("ABCDEF", row, strict=True)
}


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return log_of(lift=0.1)


@pytest.fixture(scope="module", params=["unit", "impression"])
def inputs(request, log) -> Inputs:
    return Inputs(of_log(log), UNITS if request.param == "unit" else IMPRESSIONS)


def test_every_estimator_has_a_row_and_its_test_agrees_with_its_interval(inputs):
    table = inputs.overall()
    assert table["estimator"].to_list() == ["pooled", "post_stratified", "mantel_haenszel"]
    excludes = (table["rel_lift_ci_lower"] > 0) | (table["rel_lift_ci_upper"] < 0)
    assert ((table["p_value"] < ALPHA) == excludes).all()
    assert table["variance_ratio"].to_list() == pytest.approx([1, 1, 1], abs=0.2)
    assert table["n_categories"][0] is None
    assert 40 <= table["n_categories"][1] <= 44


def test_the_declared_design_chooses_the_variance(log):
    by_unit, by_impression = (Inputs(of_log(log), c).overall() for c in (UNITS, IMPRESSIONS))
    assert "clustered" in by_unit["method"][1]
    assert "binomial" in by_impression["method"][1]

    def width(table):
        return table["rel_lift_ci_upper"] - table["rel_lift_ci_lower"]

    assert (width(by_unit)[1:] > 1.05 * width(by_impression)[1:]).all()


def test_units_without_products_of_categories_have_the_pooled_row_alone(log):
    inputs = Inputs(of_log(log), UNITS)
    inputs.sums = Sums(
        inputs.sums.daily,
        inputs.sums.by_category.clear(),
        inputs.sums.by_day,
        inputs.sums.first_seen,
        inputs.sums.crossover,
    )
    assert inputs.overall()["estimator"].to_list() == ["pooled"]
    assert inputs.mix()["reading"].drop_nulls().to_list() == ["unknown"]


def test_mix_parts_add_up_to_the_pooled_lift(inputs):
    table, pooled = inputs.mix(), inputs.overall()["rel_lift"][0]
    whole = table.filter(pl.col("category") == ALL_CATEGORIES)
    assert whole["within_part"][0] + whole["mix_part"][0] == pytest.approx(pooled)
    by_category = table.filter(pl.col("category") != ALL_CATEGORIES)
    for name in ("control_share", "within_part", "mix_part"):
        assert by_category[name].sum() == pytest.approx(whole[name][0])
    assert by_category["reading"].null_count() == by_category.height
    assert table["category"][-1] == ALL_CATEGORIES


def test_berkeley_is_reversed_and_the_stratified_lifts_say_so():
    inputs = Inputs(impressions(BERKELEY), IMPRESSIONS)
    lifts = dict(inputs.overall().select("estimator", "rel_lift").iter_rows())
    assert lifts["pooled"] > 0.4
    assert lifts["mantel_haenszel"] == pytest.approx(0.944905022595929 - 1, abs=1e-9)
    assert lifts["post_stratified"] < 0
    assert inputs.mix()["reading"][-1] == "reversed"


def test_tests_over_categories_are_berkeleys_and_not_for_clustered_traffic(log):
    tests = Inputs(impressions(BERKELEY), IMPRESSIONS).tests()
    p_values = dict(tests.select("test", "p_value").iter_rows())
    assert p_values["cochran_mantel_haenszel_corrected"] == pytest.approx(0.2322634628, abs=1e-9)
    assert p_values["breslow_day"] == pytest.approx(0.0020713903, abs=1e-9)
    assert p_values["woolf"] == pytest.approx(0.0034272005, abs=1e-9)
    assert Inputs(of_log(log), UNITS).tests().is_empty()
    assert Inputs(of_log(log), IMPRESSIONS).tests().height == 5


def test_swapped_arms_invert_the_overall_lifts(log):
    def analysed(control):
        design = Design(control=control)
        return Inputs(of_log(log), LiftConfig(design=design)).overall()

    there, back = analysed("control"), analysed("treatment")
    product = (1 + there["rel_lift"]) * (1 + back["rel_lift"])
    assert product.to_list() == pytest.approx([1, 1, 1])
    assert there["p_value"].to_list() == pytest.approx(back["p_value"].to_list())


def test_cuped_rows_are_those_of_the_adjusted_table(log):
    early = pl.col("day") < date(2026, 3, 5)
    counts = of_log(log.filter(~early))
    history = of_log(log.filter(early)).cells.select("unit_id", "category", "n", "c")
    inputs = Inputs(counts, UNITS)
    adjusted = adjusted_lifts(covariate_sums(counts, history), inputs.cells, alpha=ALPHA)
    check(adjusted, ADJUSTED_LIFTS)
    whole = adjusted.row(-1, named=True)
    assert whole["category"] == ALL_CATEGORIES
    assert whole["n_covariates"] == 2
    assert whole["n_units"] == inputs.arms["units"].sum()
    assert whole["variance_reduction"] > 0.02
    assert adjusted.height == inputs.cells.height
    tested = dict(inputs.cells.select("category", pl.col("status") == "ok").iter_rows())
    assert all(
        tested[c] or p is None for c, p in adjusted.select("category", "p_value").iter_rows()
    )
    row = inputs.overall(adjusted).row(-1, named=True)
    assert row["estimator"] == "cuped"
    assert row["rel_lift_ci_lower"] == whole["rel_lift_ci_lower"]
    assert row["variance_ratio"] == pytest.approx(1 - whole["variance_reduction"])


def test_guardrails_are_judged_after_holm(log):
    table = Inputs(of_log(log), UNITS).guarded()
    assert table["metric"].to_list() == ["clicks_per_unit", "ctr", "impressions_per_unit"]
    assert table["adjustment"].unique().to_list() == ["Holm over 3 tests"]
    is_safe = table["p_value_adj"] < ALPHA
    assert (is_safe == (table["state"] == "noninferior")).all()
    assert ((table["p_value"] < ALPHA) == (table["rel_lift_bound_lower"] > -table["margin"])).all()
    assert is_safe.any()


def test_guardrails_are_corrected_within_an_experiment(log):
    other = log.with_columns(experiment_id=pl.lit("other"))
    both = Inputs(of_log(pl.concat([log, four_arms(other)])), UNITS).guarded()
    alone = [Inputs(of_log(one), UNITS).guarded() for one in (four_arms(other), log)]
    assert_frame_equal(both, pl.concat(alone), rel_tol=1e-9)
    assert both["adjustment"].unique().sort().to_list() == [
        "Holm over 3 tests",
        "Holm over 9 tests",
    ]


def test_a_harmful_treatment_is_inferior():
    harmed = Inputs(of_log(log_of(12_000, lift=-0.5)), UNITS)
    states = dict(harmed.guarded().select("metric", "state").iter_rows())
    assert states["ctr"] == states["clicks_per_unit"] == "inferior"


def test_impressions_have_the_guardrail_of_ctr_alone(log):
    inputs = Inputs(of_log(log), IMPRESSIONS)
    assert inputs.guarded()["metric"].to_list() == ["ctr"]
    assert inputs.guarded(Overall()).is_empty()


def test_margins_are_losses_between_nothing_and_everything():
    for wrong in ("1.0", "0.0", "-0.1"):
        with pytest.raises(ConfigError, match="margin of ctr"):
            load_config(Overall, overrides=[f"guardrails.ctr={wrong}"])
    with pytest.raises(ConfigError, match="guardrails"):
        load_config(Overall, overrides=["guardrails.revenue=0.1"])


@pytest.mark.parametrize("config", [UNITS, IMPRESSIONS])
def test_one_treatment_is_as_in_the_lift_table(log, config):
    inputs = Inputs(of_log(log), config)
    row = inputs.compared().row(1, named=True)
    overall = inputs.cells.filter(pl.col("category") == ALL_CATEGORIES).row(0, named=True)
    for name in ("rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper"):
        assert row[name] == pytest.approx(overall[name], rel=1e-6)
    assert row["p_value_dunnett"] == pytest.approx(overall["p_value"], rel=1e-5)


@pytest.mark.parametrize("config", [UNITS, IMPRESSIONS])
def test_several_arms_are_compared_together(log, config):
    table = Inputs(of_log(four_arms(log)), config).compared()
    assert table["arm"].to_list() == ["control", "t0", "t1", "t2"]
    assert table["contrast"].to_list() == [None, *(f"t{i} vs control" for i in range(3))]
    assert table["p_best"].sum() == pytest.approx(1, abs=1e-6)
    assert table["expected_loss"].min() == table.sort("p_best")["expected_loss"][-1]
    assert table["in_best_set"].any()
    treatments = table[1:]
    excludes = (treatments["rel_lift_ci_lower"] > 0) | (treatments["rel_lift_ci_upper"] < 0)
    assert ((treatments["p_value_dunnett"] < ALPHA) == excludes).all()


def test_arms_without_clicks_have_no_test_where_units_vary_and_one_by_score(log):
    silent = four_arms(log).with_columns(
        n_clicks=pl.when(pl.col("arm") == "t1").then(0).otherwise("n_clicks")
    )
    by_unit = Inputs(of_log(silent), UNITS).compared()
    assert by_unit.row(2, named=True)["p_value_dunnett"] is None
    assert by_unit.row(1, named=True)["p_value_dunnett"] is not None
    assert by_unit["p_best"].null_count() == 4
    by_impression = Inputs(of_log(silent), IMPRESSIONS).compared()
    row = by_impression.row(2, named=True)
    assert row["rel_lift"] == -1
    assert row["p_value_dunnett"] < 1e-6
    assert row["in_best_set"] is False


@pytest.mark.parametrize(
    "cells",
    [
        {("control", ""): (0, 50), ("treatment", ""): (4, 60)},
        {("control", ""): (50, 50), ("treatment", ""): (60, 60)},
        {("control", "A"): (5, 50), ("treatment", "A"): (9, 60)},
        {("control", "A"): (5, 50), ("treatment", "A"): (9, 60), ("treatment", "B"): (1, 3)},
    ],
)
def test_edges_keep_the_contracts(cells):
    inputs = Inputs(impressions(cells), IMPRESSIONS)
    overall, compared = inputs.overall(), inputs.compared()
    inputs.mix(), inputs.guarded(), inputs.tests()
    for table in (overall, compared):
        width = table["rel_lift_ci_upper"] - table["rel_lift_ci_lower"]
        assert (width.drop_nulls() > 0).all()


def test_one_unit_an_arm_keeps_the_contracts():
    rows = pl.DataFrame(
        {
            "experiment_id": ["e"] * 4,
            "arm": ["control", "control", "treatment", "treatment"],
            "unit_id": ["a", "a", "b", "b"],
            "category": ["A", "B"] * 2,
            "day": [date(2026, 3, 1)] * 4,
            "n": [4, 5, 6, 7],
            "c": [1, 0, 2, 1],
        }
    )
    inputs = Inputs(UnitCounts.from_rows(rows), UNITS)
    assert inputs.overall()["rel_lift_ci_lower"].null_count() == 3
    assert inputs.mix()["reading"][-1] == "unknown"
    assert set(inputs.guarded()["state"]) == {"inconclusive"}
    assert inputs.compared()["p_value_dunnett"].null_count() == 2


def test_many_experiments_without_categories_take_seconds_at_most():
    rng = np.random.default_rng(1)
    arms = rng.integers(2, 8, 2500)
    experiment = np.repeat(np.arange(2500), arms)
    n = rng.integers(500, 5000, experiment.size)
    daily = pl.DataFrame(
        {
            "experiment_id": [f"e{i}" for i in experiment],
            "category": ALL_CATEGORIES,
            "arm": [str(i) for size in arms for i in range(size)],
            "units": 0,
            "clicking_units": 0,
            "n": n,
            "c": rng.binomial(n, 0.02),
            **dict.fromkeys(("nn", "cc", "nc"), 0.0),
        }
    )
    config = LiftConfig(design=Design(randomisation="impression", control_rule="first_by_name"))
    inputs = Inputs.__new__(Inputs)
    inputs.randomisation = "impression"
    inputs.sums = sums_of(UnitCounts.empty())
    inputs.arms = comparable_arms(daily, config)
    inputs.cells = estimate_cells(paired(daily, inputs.arms), config)
    start = time.process_time()
    overall, compared = inputs.overall(), inputs.compared()
    assert inputs.mix().is_empty()
    assert inputs.guarded().height == overall.height == inputs.cells.height
    # About 1.5 s on one core; loose, since machines differ.
    assert time.process_time() - start < 15
    assert compared.height == experiment.size
    # A/A: Dunnett over each experiment's treatments.
    first = compared.group_by("experiment_id").agg(pl.col("p_value_dunnett").min())
    assert (first["p_value_dunnett"] < 0.05).mean() == pytest.approx(0.05, abs=0.015)
