"""The whole analysis on counts: states, verdicts, corrections, contrasts, symmetry."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from abtest.config import Analysis, Design, Health, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from abtest.reporting.summary import summarise
from caig.contracts.experiments import ALL_CATEGORIES, LIFT_DAILY, LIFT_TABLE
from caig.contracts.table import check
from caig.errors import DataError
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

DAY = date(2026, 3, 1)
IMPRESSIONS = Design(randomisation="impression")
QUIET = Health(override=("sample_ratio", "sample_ratio_by_category"))


def of_log(log: pl.DataFrame) -> UnitCounts:
    key = ("experiment_id", "arm", "unit_id", "category", "day")
    return UnitCounts.from_rows(log.select(*key, n="n_impressions", c="n_clicks"))


def summed(cells: dict[tuple[str, str], tuple[int, int]], experiment: str = "e") -> UnitCounts:
    """Clicks and impressions by arm and category, without units."""
    return UnitCounts.from_rows(
        pl.DataFrame(
            [
                (experiment, arm, None, category, DAY, n, c)
                for (arm, category), (c, n) in cells.items()
            ],
            schema={
                "experiment_id": pl.String,
                "arm": pl.String,
                "unit_id": pl.String,
                "category": pl.String,
                "day": pl.Date,
                "n": pl.Int64,
                "c": pl.Int64,
            },
            orient="row",
        )
    )


def row_of(table: pl.DataFrame, category: str) -> dict:
    return table.filter(pl.col("category") == category).row(0, named=True)


@pytest.fixture(scope="module")
def shop() -> UnitCounts:
    return of_log(simulate_traffic(TrafficConfig(n_users=30_000)).log)


@pytest.mark.parametrize("randomisation", ["unit", "impression"])
def test_tables_keep_their_contracts(shop, randomisation):
    result = analyse_lift(shop, LiftConfig(design=Design(randomisation=randomisation)))
    check(result.lift_table, LIFT_TABLE)
    check(result.lift_daily, LIFT_DAILY)
    assert result.lift_table.height == 45
    assert result.lift_daily.height == 45 * 7
    assert result.lift_table["category"][-1] == ALL_CATEGORIES


@pytest.mark.parametrize("randomisation", ["unit", "impression"])
def test_arms_swapped_invert_every_lift_and_interval(shop, randomisation):
    def analysed(control):
        design = Design(control=control, randomisation=randomisation)
        return analyse_lift(shop, LiftConfig(design=design)).lift_table

    there, back = analysed("control"), analysed("treatment")
    both = there.join(back, on="category", suffix="_back")
    for one, other in (
        ("rel_lift", "rel_lift"),
        ("rel_lift_ci_lower", "rel_lift_ci_upper"),
        ("rel_lift_ci_upper", "rel_lift_ci_lower"),
    ):
        product = (1 + both[one]) * (1 + both[f"{other}_back"])
        assert product.drop_nulls().to_list() == pytest.approx([1.0] * product.drop_nulls().len())
    assert both["p_value"].to_list() == pytest.approx(both["p_value_back"].to_list())
    mirrored = {"win": "loss", "loss": "win", "flat": "flat", "insufficient": "insufficient"}
    assert [mirrored[v] for v in both["verdict"]] == both["verdict_back"].to_list()
    assert both["control_ctr"].to_list() == both["treatment_ctr_back"].to_list()


def test_the_last_cumulative_day_is_the_lift_table(shop):
    result = analyse_lift(shop, LiftConfig())
    last = result.lift_daily.filter(pl.col("day") == pl.col("day").max())
    columns = ["category", "rel_lift", "rel_lift_ci_lower", "rel_lift_ci_upper"]
    assert_frame_equal(
        last.select(columns).sort("category"), result.lift_table.select(columns).sort("category")
    )


def test_clustered_interval_is_wider_than_the_naive_one(shop):
    clustered = row_of(analyse_lift(shop, LiftConfig()).lift_table, ALL_CATEGORIES)
    naive = row_of(analyse_lift(shop, LiftConfig(design=IMPRESSIONS)).lift_table, ALL_CATEGORIES)
    assert clustered["rel_lift"] == pytest.approx(naive["rel_lift"])

    def width(row):
        return row["rel_lift_ci_upper"] - row["rel_lift_ci_lower"]

    ratio = width(clustered) / width(naive)
    assert ratio == pytest.approx(clustered["design_effect"] ** 0.5, rel=0.02)
    assert 1.1 < ratio < 1.5
    assert naive["design_effect"] is None
    assert naive["n_units_control"] is None


STATES = {
    ("control", "Fine"): (60, 2000),
    ("treatment", "Fine"): (120, 2000),
    ("control", "No click in treatment"): (8, 400),
    ("treatment", "No click in treatment"): (0, 400),
    ("control", "No click in control"): (0, 400),
    ("treatment", "No click in control"): (8, 400),
    ("control", "No click at all"): (0, 400),
    ("treatment", "No click at all"): (0, 400),
    ("control", "Rare"): (2, 30),
    ("treatment", "Rare"): (3, 30),
    ("control", "All clicks"): (50, 50),
    ("treatment", "All clicks"): (50, 50),
    ("treatment", "One arm"): (9, 100),
}


def test_every_cell_has_a_state_and_none_is_infinite_or_without_width():
    config = LiftConfig(
        design=IMPRESSIONS, analysis=Analysis(one_arm_categories="report"), health=QUIET
    )
    table = analyse_lift(summed(STATES), config).lift_table
    check(table, LIFT_TABLE)
    states = dict(table.select("category", "status").iter_rows())
    assert states == {
        "Fine": "ok",
        "No click in treatment": "zero_click",
        "No click in control": "zero_click",
        "No click at all": "zero_click",
        "Rare": "too_small",
        "All clicks": "ok",
        "One arm": "arm_missing",
        ALL_CATEGORIES: "ok",
    }
    assert row_of(table, "Fine")["verdict"] == "win"
    assert row_of(table, "All clicks")["p_value"] == 1
    assert row_of(table, "All clicks")["rel_lift_mde"] is None
    nothing_there = row_of(table, "No click in treatment")
    assert nothing_there["rel_lift"] == -1
    assert nothing_there["rel_lift_ci_upper"] == pytest.approx(-0.52, abs=0.02)
    from_nothing = row_of(table, "No click in control")
    assert from_nothing["rel_lift"] is None
    assert from_nothing["rel_lift_ci_lower"] > 0
    assert from_nothing["rel_lift_ci_upper"] is None
    for row in table.filter(pl.col("status") != "ok").iter_rows(named=True):
        assert row["verdict"] == "insufficient"
        assert row["p_value"] is None
    width = table["rel_lift_ci_upper"] - table["rel_lift_ci_lower"]
    assert (width.drop_nulls() > 0).all()


def test_cells_that_are_not_tested_do_not_count_in_the_family():
    config = LiftConfig(
        design=IMPRESSIONS, analysis=Analysis(one_arm_categories="report"), health=QUIET
    )
    fine = row_of(analyse_lift(summed(STATES), config).lift_table, "Fine")
    assert fine["adjustment"] == "Benjamini-Hochberg over 2 tests"
    assert fine["p_value_adj"] == pytest.approx(2 * fine["p_value"])


def test_unit_clustered_cells_without_variation_are_too_small():
    units = [
        (f"{arm}{i}", arm, 4, c) for arm in ("control", "treatment") for i, c in enumerate([1] * 20)
    ]
    counts = UnitCounts.from_rows(
        pl.DataFrame(
            {
                "experiment_id": ["e"] * len(units),
                "arm": [u[1] for u in units],
                "unit_id": [u[0] for u in units],
                "category": ["Same"] * len(units),
                "day": [DAY] * len(units),
                "n": [u[2] for u in units],
                "c": [u[3] for u in units],
            }
        )
    )
    row = row_of(analyse_lift(counts, LiftConfig()).lift_table, "Same")
    assert row["status"] == "too_small"
    assert row["rel_lift_ci_lower"] is None
    assert row["control_ctr"] == 0.25
    assert row["control_ctr_ci_lower"] is None


def test_several_treatments_make_several_contrasts_corrected_together():
    cells = {
        ("control", "A"): (100, 5000),
        ("blue", "A"): (150, 5000),
        ("red", "A"): (104, 5000),
        ("control", "B"): (80, 4000),
        ("blue", "B"): (90, 4000),
        ("red", "B"): (60, 4000),
    }
    table = analyse_lift(summed(cells), LiftConfig(design=IMPRESSIONS)).lift_table
    check(table, LIFT_TABLE)
    assert table["contrast"].unique().sort().to_list() == ["blue vs control", "red vs control"]
    by_category = table.filter(pl.col("category") != ALL_CATEGORIES)
    assert set(by_category["adjustment"]) == {"Benjamini-Hochberg over 4 tests"}
    overall = table.filter(pl.col("category") == ALL_CATEGORIES)
    assert set(overall["adjustment"]) == {"Benjamini-Hochberg over 2 tests"}


def test_a_single_overall_test_is_not_corrected():
    cells = {("control", "A"): (100, 5000), ("treatment", "A"): (150, 5000)}
    row = row_of(
        analyse_lift(summed(cells), LiftConfig(design=IMPRESSIONS)).lift_table, ALL_CATEGORIES
    )
    assert row["adjustment"] == "primary test, not corrected"
    assert row["p_value_adj"] == row["p_value"]


def test_an_unhealthy_experiment_gets_no_verdict_unless_overridden_by_name():
    config = TrafficConfig(n_users=20_000, mean_lift=0.3, faults=Faults(srm_lost_share=0.1))
    counts = of_log(simulate_traffic(config).log)
    result = analyse_lift(counts, LiftConfig())
    assert result.lift_table["verdict"].unique().to_list() == ["withheld"]
    summary = summarise(result)[0]
    assert summary.headline == "No verdict: the experiment is not healthy (sample ratio)"
    assert summary.notes[0].startswith("Sample ratio is unhealthy: units by arm: control: ")
    override = Health(override=("sample_ratio",))
    overridden = analyse_lift(counts, LiftConfig(health=override))
    assert row_of(overridden.lift_table, ALL_CATEGORIES)["verdict"] == "win"


def test_experiments_in_one_log_do_not_touch_each_other():
    one = {("control", "A"): (100, 5000), ("treatment", "A"): (150, 5000)}
    other = {("control", "A"): (9, 300), ("treatment", "A"): (11, 310)}
    config = LiftConfig(design=IMPRESSIONS)
    both = analyse_lift(summed(one, "one") + summed(other, "other"), config).lift_table
    alone = [
        analyse_lift(summed(cells, name), config).lift_table
        for name, cells in (("one", one), ("other", other))
    ]
    assert_frame_equal(both, pl.concat(alone))


def test_control_may_be_the_first_arm_by_number():
    cells = {("10", "A"): (30, 900), ("9", "A"): (40, 900)}
    config = LiftConfig(design=Design(randomisation="impression", control_rule="first_by_name"))
    assert analyse_lift(summed(cells), config).lift_table["contrast"][0] == "10 vs 9"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({("control", "A"): (3, 50)}, "there is one arm only; arms: control"),
        ({("a", "A"): (3, 50), ("b", "A"): (3, 50)}, "no arm is called 'control'; arms: a, b"),
        ({("control", "A"): (0, 50), ("treatment", "A"): (0, 70)}, "no clicks in 120 impressions"),
        (
            {("control", "A"): (3, 50), ("treatment", "A"): (3, 50), ("control", "B"): (1, 20)},
            "category='B': 20 impressions in 'control', 0 in 'treatment'",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(cells, message):
    with pytest.raises(DataError) as refused:
        analyse_lift(summed(cells), LiftConfig(design=IMPRESSIONS))
    assert message in str(refused.value)


def test_a_flat_result_of_nothing_but_clicks_does_not_say_what_could_be_found():
    cells = {("control", "A"): (50, 50), ("treatment", "A"): (60, 60)}
    result = analyse_lift(summed(cells), LiftConfig(design=IMPRESSIONS))
    headline = summarise(result)[0].headline
    assert headline.startswith("No significant difference overall: lift 0.0 % [")
    assert "would have been found" not in headline
