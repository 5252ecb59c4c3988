"""Creatives from rows to tables: sums, states, tests between images, drivers."""

from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from scipy import stats

from abtest.creatives import collecting
from abtest.creatives.collecting import CREATIVE_SUMS, KEY, CreativeCollector, creative_sums
from abtest.creatives.config import CreativeAnalysis
from abtest.creatives.tables import creative_drivers, creative_effects, image_tests
from caig.contracts.creative_effects import CREATIVE_DRIVERS, CREATIVE_EFFECTS, IMAGE_TESTS
from caig.contracts.table import check

CONFIG = CreativeAnalysis()


def summed(images, *, units=None):
    """Sums of images given as (arm, category, product, creative, n, c); one impression a unit."""
    rows = [
        {
            "experiment_id": "e",
            **dict(zip(KEY[1:], names, strict=True)),
            "units": n if units is None else units,
            "n": n,
            "c": c,
            "nn": float(n),
            "nc": float(c),
            "cc": float(c),
        }
        for *names, n, c in images
    ]
    return pl.DataFrame(rows, schema=CREATIVE_SUMS)


def without_units(sums):
    return sums.with_columns(
        pl.lit(None).cast(sums.schema[name]).alias(name) for name in ("units", "nn", "nc", "cc")
    )


def random_rows(seed=2, size=3_000):
    rng = np.random.default_rng(seed)
    product = rng.integers(0, 6, size)
    return pl.DataFrame(
        {
            "experiment_id": "e",
            "arm": rng.choice(["control", "b"], size),
            "unit_id": [f"u{unit}" for unit in rng.integers(0, 400, size)],
            "category": [f"k{p // 3}" for p in product],
            "product_id": [f"p{p}" for p in product],
            "creative_id": [
                f"c{p}{i}" for p, i in zip(product, rng.integers(0, 3, size), strict=True)
            ],
            "n": rng.integers(1, 5, size),
            "c": rng.integers(0, 2, size),
        }
    )


# Sums ---------------------------------------------------------------------------------------------


def test_sums_are_those_of_a_loop():
    rows = random_rows()
    by_unit = defaultdict(lambda: [0, 0])
    for row in rows.iter_rows(named=True):
        cell = by_unit[(*(row[name] for name in KEY), row["unit_id"])]
        cell[0] += row["n"]
        cell[1] += row["c"]
    expected = defaultdict(lambda: [0] * 6)
    for (*key, _), (n, c) in by_unit.items():
        for index, value in enumerate((1, n, c, n * n, n * c, c * c)):
            expected[tuple(key)][index] += value
    found = {tuple(row[:5]): list(row[5:]) for row in creative_sums(rows).iter_rows()}
    assert found == dict(expected)


@pytest.mark.parametrize("pending", [1, 500, 2_000_000])
def test_parts_give_the_sums_of_the_whole(pending, monkeypatch):
    monkeypatch.setattr(collecting, "PENDING_ROWS", pending)
    rows = random_rows()
    collector = CreativeCollector()
    for part in rows.iter_slices(170):
        collector.add(part)
    assert collector.result().equals(creative_sums(rows))


def test_rows_without_a_creative_are_left_out():
    rows = random_rows()
    nameless = rows.head(100).with_columns(creative_id=pl.lit(None, dtype=pl.String))
    assert creative_sums(pl.concat([rows, nameless])).equals(creative_sums(rows))


def test_nothing_gives_no_sums():
    assert CreativeCollector().result().schema == CREATIVE_SUMS
    nothing = CREATIVE_SUMS.to_frame()
    check(creative_effects(nothing, alpha=0.05), CREATIVE_EFFECTS)
    check(image_tests(nothing, CONFIG), IMAGE_TESTS)


def test_a_log_without_units_has_no_moments():
    sums = creative_sums(random_rows().with_columns(unit_id=pl.lit(None, dtype=pl.String)))
    assert sums["units"].null_count() == sums.height
    effects = check(creative_effects(sums, alpha=0.05), CREATIVE_EFFECTS)
    assert effects["design_effect"].null_count() == effects.height
    assert effects["ctr_shrunk"].null_count() == 0


# States -------------------------------------------------------------------------------------------


def test_every_state_satisfies_the_contract():
    sums = summed(
        [
            ("a", "plain", "p1", "x", 1000, 20),
            ("a", "plain", "p1", "y", 1000, 0),
            ("a", "plain", "p2", "z", 3, 3),
            ("a", "silent", "p3", "v", 50, 0),
            ("a", "silent", "p3", "w", 50, 0),
            ("a", "eager", "p4", "s", 9, 9),
            ("a", "eager", "p4", "t", 5, 5),
            ("a", "single", "p5", "u", 500, 4),
            ("a", None, None, "q", 500, 4),
            ("a", None, None, "r", 500, 9),
        ]
    )
    effects = check(creative_effects(sums, alpha=0.05), CREATIVE_EFFECTS)
    states = dict(effects.select("creative_id", "status").iter_rows())
    assert states == {
        **dict.fromkeys("xyzqr", "ok"),
        **dict.fromkeys("vw", "zero_click"),
        **dict.fromkeys("st", "all_clicked"),
        "u": "alone",
    }
    known = effects.filter(pl.col("status") == "ok")
    assert (known["ctr_shrunk_ci_lower"] < known["ctr_shrunk_ci_upper"]).all()
    tests = check(image_tests(sums, CONFIG), IMAGE_TESTS)
    assert dict(tests.select("product_id", "status").iter_rows()) == {
        "": "ok",
        "p1": "ok",
        "p3": "too_small",
        "p4": "too_small",
    }


def test_units_without_variation_fall_back_to_binomial_variance():
    sums = summed([("a", "k", "p", "x", 10, 5), ("a", "k", "p", "y", 10, 5)], units=5)
    # Every unit two impressions and one click.
    sums = sums.with_columns(nn=pl.lit(20.0), nc=pl.lit(10.0), cc=pl.lit(5.0))
    effects = creative_effects(sums, alpha=0.05)
    assert effects["design_effect"].to_list() == [1.0, 1.0]
    assert (effects["ctr_shrunk_ci_lower"] < effects["ctr_shrunk"]).all()


# Tests between images -----------------------------------------------------------------------------


def test_impressions_give_pearsons_chi_square():
    sums = without_units(
        summed([("a", "k", "p", name, 900 + 50 * i, 30 + 9 * i) for i, name in enumerate("xyz")])
    )
    found = image_tests(sums, CONFIG).row(0, named=True)
    table = [[c, n - c] for n, c in sums.select("n", "c").iter_rows()]
    expected = stats.chi2_contingency(table, correction=False)
    assert found["statistic"] == pytest.approx(expected.statistic, rel=1e-12)
    assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-10)
    assert found["p_value_adj"] == found["p_value"]


def clustered_rows(rng, *, images, units=4_000, spread=1.0):
    """Each unit sees one image of each of two products several times; images are all alike."""
    readiness = rng.gamma(1 / spread, spread, units)
    parts = []
    for product in range(2):
        n = rng.poisson(5, units) + 1
        parts.append(
            pl.DataFrame(
                {
                    "experiment_id": "e",
                    "arm": "a",
                    "unit_id": np.arange(units),
                    "category": "k",
                    "product_id": f"p{product}",
                    "creative_id": [f"c{i}" for i in rng.integers(0, images, units)],
                    "n": n,
                    "c": rng.binomial(n, np.minimum(0.05 * readiness, 1)),
                }
            )
        )
    return pl.concat(parts)


def test_alike_images_are_told_apart_as_often_as_the_level_says():
    rng = np.random.default_rng(31)
    p_values, naive = [], []
    for _ in range(150):
        sums = creative_sums(clustered_rows(rng, images=3, units=1_500))
        p_values += image_tests(sums, CONFIG)["p_value"].to_list()
        naive += image_tests(without_units(sums), CONFIG)["p_value"].to_list()
    errors = np.mean(np.array(p_values) < 0.05)
    assert errors == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 300))
    assert np.mean(np.array(naive) < 0.05) > errors + 0.02


# Effects on counts --------------------------------------------------------------------------------


def simulated(rng, *, categories=5, products=6, images=4, sds=(0.2, 0.15)):
    """Sums of one arm with a true CTR for each image; impressions from few to many."""
    rows, truth = [], {}
    for k in range(categories):
        base = rng.uniform(0.02, 0.05)
        for p in range(products):
            product = rng.normal(0, sds[0])
            for i in range(images):
                rate = base * max(1 + product + rng.normal(0, sds[1]), 0.01)
                n = int(np.exp(rng.uniform(np.log(150), np.log(20_000))))
                name = f"{k}-{p}-{i}"
                truth[name] = rate
                rows.append(("a", f"k{k}", f"p{k}-{p}", name, n, int(rng.binomial(n, rate))))
    return summed(rows), truth


def test_shrunk_rates_are_better_covered_and_not_too_good_where_picked():
    rng = np.random.default_rng(77)
    covered, raw_error, shrunk_error, raw_bias, shrunk_bias, sds = [], [], [], [], [], []
    for _ in range(25):
        sums, truth = simulated(rng)
        effects = creative_effects(sums, alpha=0.05)
        true = np.array([truth[name] for name in effects["creative_id"]])
        shrunk, raw = effects["ctr_shrunk"].to_numpy(), effects["ctr"].to_numpy()
        low, high = (effects[f"ctr_shrunk_ci_{side}"].to_numpy() for side in ("lower", "upper"))
        covered.append(((low <= true) & (true <= high)).mean())
        raw_error.append(np.mean((raw - true) ** 2))
        shrunk_error.append(np.mean((shrunk - true) ** 2))
        picked = np.argsort(shrunk)[-10:]
        shrunk_bias.append(np.mean(shrunk[picked] / true[picked]) - 1)
        picked = np.argsort(raw)[-10:]
        raw_bias.append(np.mean(raw[picked] / true[picked]) - 1)
        sds.append(effects.select("product_sd", "image_sd").row(0))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    assert np.mean(shrunk_error) < 0.6 * np.mean(raw_error)
    assert np.mean(raw_bias) > 0.1
    assert abs(np.mean(shrunk_bias)) < 0.03
    assert np.mean(sds, 0) == pytest.approx([0.2, 0.15], abs=0.025)


def test_the_same_sums_in_another_order_give_the_same_table():
    sums, _ = simulated(np.random.default_rng(3), categories=2)
    shuffled = sums.sample(fraction=1.0, shuffle=True, seed=1)
    a, b = (creative_effects(frame, alpha=0.1) for frame in (sums, shuffled))
    for name in ("ctr_shrunk", "p_best_of_category"):
        assert a[name].to_numpy() == pytest.approx(b[name].to_numpy(), abs=0.03)


# Drivers ------------------------------------------------------------------------------------------


def drivers_of(images, n_drivers=5):
    effects = creative_effects(summed(images), alpha=0.05)
    arms = pl.DataFrame(
        {"experiment_id": ["e", "e"], "arm": ["control", "b"], "is_control": [True, False]}
    )
    config = CreativeAnalysis(n_drivers=n_drivers)
    return check(creative_drivers(effects, arms, config, alpha=0.05), CREATIVE_DRIVERS)


def test_contributions_add_up_to_the_lift_where_nothing_is_shrunk():
    million = 1_000_000
    images = [("control", "k", "p", "old", million, 20_000), ("control", "k", "q", "old2", 9, 0)]
    images += [
        ("b", "k", "p", "x", 2 * million, 60_000),
        ("b", "k", "p", "y", million, 15_000),
        ("b", "k", "q", "z", million, 25_000),
        ("b", "k", "q", "w", million, 10_000),
    ]
    table = drivers_of(images)
    lift = (110_000 / 5e6) / (20_000 / 1_000_009) - 1
    assert table["contribution"].sum() == pytest.approx(lift, abs=1e-3)
    assert table["traffic_share"].sum() == pytest.approx(1.0)
    named = {row["creative_id"]: (row["direction"], row["rank"]) for row in table.to_dicts()}
    assert named == {"x": ("up", 1), "z": ("up", 2), "w": ("down", 1), "y": ("down", 2)}
    inside = pl.col("contribution").is_between("contribution_ci_lower", "contribution_ci_upper")
    assert table.select(inside.all()).item()


def test_only_the_ends_are_named_and_silent_controls_have_no_ratio():
    images = [("control", "k", "p", "old", 5_000, 100), ("control", "m", "p", "old", 500, 0)]
    images += [("b", k, "p", f"{i}", 5_000, 80 + 5 * i) for k in "km" for i in range(9)]
    table = drivers_of(images, n_drivers=2)
    assert table["category"].unique().to_list() == ["k"]
    assert table["rank"].max() == 2


# Real images --------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_upworthy_images_differ_under_one_headline(real_data_dir):
    log = pl.read_csv(real_data_dir / "upworthy" / "upworthy_shared.csv.gz")
    alone = pl.col("headline").n_unique().over("clickability_test_id") == 1
    many = pl.col("eyecatcher_id").n_unique().over("clickability_test_id") > 1
    rows = log.filter(alone & many & (pl.col("impressions") > 0)).select(
        experiment_id=pl.lit("upworthy"),
        arm=pl.lit("all"),
        unit_id=pl.lit(None, dtype=pl.String),
        category="clickability_test_id",
        product_id=pl.lit("the headline"),
        creative_id="eyecatcher_id",
        n="impressions",
        c="clicks",
    )
    sums = creative_sums(rows)
    tests = check(image_tests(sums, CONFIG), IMAGE_TESTS).filter(pl.col("status") == "ok")
    effects = check(creative_effects(sums, alpha=0.05), CREATIVE_EFFECTS)
    # Regression values of this file.
    assert tests.height == 689
    assert (tests["p_value"] < 0.05).mean() == pytest.approx(0.4224, abs=5e-4)
    assert (tests["p_value_adj"] < 0.05).mean() == pytest.approx(0.3106, abs=5e-4)
    assert effects["image_sd"].max() == pytest.approx(0.1962, abs=2e-3)
    ok = effects.filter(pl.col("status") == "ok")
    assert ok["p_best_of_product"].sum() == pytest.approx(ok["category"].n_unique(), rel=1e-9)
