"""The table of all intervals: its contract, its states, and that it says what the methods say."""

import numpy as np
import polars as pl
import pytest

from abtest.config import Design
from abtest.counting.counts import MOMENTS
from abtest.estimation.config import Intervals
from abtest.estimation.interval_table import interval_table
from caig.contracts.intervals import INTERVAL_METHODS, LIFT_INTERVALS
from caig.contracts.table import check

IMPRESSIONS, UNITS = Design(randomisation="impression"), Design()
EXACT = {"fisher", "fisher_mid_p", "barnard", "boschloo"}
NONE = {"rel_lift": 0.0, "abs_lift": 0.0, "odds_ratio": 1.0}


def cells(*counts: tuple[int, int, int, int], per_unit: int = 1) -> pl.DataFrame:
    """Cells of (clicks, impressions) of control and of treatment; the last is the overall row."""
    rows = []
    for number, (y, n, x, m) in enumerate(counts):
        row: dict[str, object] = {
            "experiment_id": "e",
            "contrast": "b vs a",
            "category": "__all__" if number == len(counts) - 1 else f"c{number}",
        }
        for arm, c, size in (("control", y, n), ("treatment", x, m)):
            values = (size // per_unit, c, size, c, size * per_unit, c * 1.05, c * per_unit)
            row |= {f"{name}_{arm}": v for name, v in zip(MOMENTS, values, strict=True)}
        rows.append(row)
    return pl.DataFrame(rows)


def random_cells(count: int, seed: int, size: int, rate: float) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    n, m = rng.integers(size // 2, size, (2, count))
    drawn = zip(rng.binomial(n, rate), n, rng.binomial(m, rate * 1.3), m, strict=True)
    return cells(*((int(y), int(a), int(x), int(b)) for y, a, x, b in drawn), per_unit=3)


EDGES = cells(
    (0, 60, 4, 70), (4, 60, 0, 70), (0, 60, 0, 70), (60, 60, 70, 70), (0, 0, 3, 70), (1, 1, 1, 1),
    (2, 60, 9, 70), (190, 11_000, 104, 11_000),
)  # fmt: skip


@pytest.mark.parametrize("design", [IMPRESSIONS, UNITS])
@pytest.mark.parametrize("pairs", [EDGES, random_cells(40, 1, 400, 0.03)])
def test_table_keeps_its_contract_and_p_agrees_with_the_interval(design, pairs):
    table = check(interval_table(pairs, design, alpha=0.05, intervals=Intervals()), LIFT_INTERVALS)
    known = table.filter(pl.col("state") != "undefined")
    assert known.height > pairs.height
    none = pl.col("quantity").replace_strict(NONE)
    excludes = (pl.col("ci_lower") > none) | (pl.col("ci_upper") < none).fill_null(value=False)
    wrong = known.filter((pl.col("p_value") < 0.05) != excludes)
    assert wrong.is_empty()


def test_every_method_has_its_rows_in_one_design_only():
    intervals = Intervals()
    of_impressions = interval_table(EDGES, IMPRESSIONS, alpha=0.05, intervals=intervals)
    of_units = interval_table(EDGES, UNITS, alpha=0.05, intervals=intervals)
    methods = [set(table["method"].unique()) for table in (of_impressions, of_units)]
    assert methods[0] | methods[1] == {m for names in INTERVAL_METHODS.values() for m in names}
    assert not methods[0] & methods[1]
    assert all(name.startswith("clustered") for name in methods[1])
    for method, rows in of_impressions.group_by("method"):
        if method[0] not in EXACT:
            assert rows.height == EDGES.height


def test_states_of_a_cell_without_clicks_in_control():
    table = interval_table(EDGES, IMPRESSIONS, alpha=0.05, intervals=Intervals())
    zero = table.filter(pl.col("category") == "c0")
    states = dict(zero.select("method", "state").iter_rows())
    assert states == {
        "koopman": "unbounded",
        "katz": "undefined",
        "fieller": "undefined",
        "additive_delta": "undefined",
        "barnard": "unbounded",
        "miettinen_nurminen": "bounded",
        "mee": "bounded",
        "newcombe": "bounded",
        "wald": "bounded",
        "fisher": "unbounded",
        "fisher_mid_p": "unbounded",
        "boschloo": "unbounded",
    }
    ratios = zero.filter(pl.col("quantity") != "abs_lift")
    assert ratios["estimate"].null_count() == ratios.height
    clustered = interval_table(EDGES, UNITS, alpha=0.05, intervals=Intervals())
    score = clustered.filter(
        (pl.col("category") == "c0") & (pl.col("method") == "clustered_koopman")
    )
    assert score["state"].item() == "unbounded"
    assert score["ci_lower"].item() is not None


def test_a_missing_arm_is_undefined_everywhere():
    for design in (IMPRESSIONS, UNITS):
        table = interval_table(EDGES, design, alpha=0.05, intervals=Intervals())
        missing = table.filter(pl.col("category") == "c4")
        assert set(missing["state"]) == {"undefined"}


def test_published_figures_reach_the_table():
    pairs = cells((189, 11_034, 104, 11_037))
    table = interval_table(pairs, IMPRESSIONS, alpha=0.05, intervals=Intervals())
    limits = {m: (lo, hi) for m, lo, hi in table.select("method", "ci_lower", "ci_upper").rows()}
    assert limits["koopman"] == pytest.approx((0.433893531607 - 1, 0.697396846927 - 1), abs=1e-9)
    assert limits["fieller"] == pytest.approx((-0.5713102748890, -0.3060324019728), abs=1e-9)
    assert limits["miettinen_nurminen"] == pytest.approx((-0.0107885432, -0.0047168402), abs=1e-8)
    assert not EXACT & set(table["method"])  # 293 clicks are more than exact_max_clicks


def test_exact_methods_are_for_the_cells_with_the_fewest_clicks():
    pairs = random_cells(30, 2, 300, 0.03)
    few = Intervals(exact_max_cells=7, unconditional_max_cells=0)
    table = interval_table(pairs, IMPRESSIONS, alpha=0.05, intervals=few)
    made = table.filter(pl.col("method") == "fisher")["category"].to_list()
    clicks = pairs.with_columns(clicks=pl.col("c_control") + pl.col("c_treatment")).filter(
        pl.col("clicks") > 0
    )
    most = clicks.filter(pl.col("category").is_in(made))["clicks"].max()
    assert len(made) == 7
    assert clicks.filter((pl.col("clicks") < most) & ~pl.col("category").is_in(made)).is_empty()
    assert not {"barnard", "boschloo"} & set(table["method"])


def test_without_an_overall_row_score_intervals_of_units_are_undefined():
    pairs = random_cells(5, 3, 300, 0.05).filter(pl.col("category") != "__all__")
    table = interval_table(pairs, UNITS, alpha=0.05, intervals=Intervals())
    score = table.filter(pl.col("method") == "clustered_koopman")
    assert set(score["state"]) == {"undefined"}
    delta = table.filter(pl.col("method") == "clustered_log_delta")
    assert set(delta["state"]) == {"bounded"}


@pytest.mark.slow
def test_nine_thousand_contrasts_take_seconds():
    import time

    pairs = random_cells(8_946, 4, 6000, 0.012)
    start = time.process_time()
    interval_table(pairs, IMPRESSIONS, alpha=0.05, intervals=Intervals())
    assert time.process_time() - start < 10
