"""The label ceiling: against a hand count, a closed form, and its own promise of coverage."""

import math

import numpy as np
import polars as pl
import pytest

from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.table import check
from reference_models.shop.ceiling import RULES, label_ceiling


def test_by_hand():
    creatives = pl.DataFrame(
        {
            "product_id": ["a", "a", "a", "b", "b", "c", "c"],
            "n_impressions": [10_000, 10_000, 10_000, 10_000, 10_000, 10_000, 900],
            "n_clicks": [100, 110, 130, 200, 400, 100, 90],
            "true_ctr": [0.011, 0.010, 0.013, 0.03, 0.02, 0.01, 0.02],
        }
    )
    result = check(label_ceiling(creatives), SUITE_RESULTS)
    found = {row["slice"]: (row["estimate"], row["n"]) for row in result.iter_rows(named=True)}
    assert found == {
        "filter=any": (2 / 4, 4),  # a: 110>100 wrong, 130>100 right, 130>110 right; b wrong
        "filter=ge_20": (1 / 2, 2),
        "filter=caig_5_20": (1 / 2, 2),
    }


def test_no_pairs_is_unknown_not_zero():
    one = pl.DataFrame(
        {"product_id": ["a"], "n_impressions": [5000], "n_clicks": [9], "true_ctr": [0.1]}
    )
    result = label_ceiling(one)
    assert result["estimate"].is_null().all()
    assert result["n"].to_list() == [0, 0, 0]


def drawn(products, rng, *, sd=0.2, n=2000, ads=2):
    ctr = 0.036 * np.exp(sd * rng.standard_normal((products, ads)))
    clicks = rng.binomial(n, ctr)
    return pl.DataFrame(
        {
            "product_id": np.repeat([f"p{i}" for i in range(products)], ads),
            "n_impressions": np.full(products * ads, n),
            "n_clicks": clicks.ravel(),
            "true_ctr": ctr.ravel(),
        }
    )


def test_against_the_closed_form():
    # Difference of true log rates is normal, and so is the noise of the observed one:
    # P(same order) = 1/2 + atan(signal / noise) / pi.
    sd, n = 0.2, 2000
    result = label_ceiling(drawn(40_000, np.random.default_rng(1), sd=sd, n=n))
    noise = math.sqrt((1 - 0.036) / (n * 0.036))
    expected = 0.5 + math.atan(sd / noise) / math.pi
    found = result.row(0, named=True)
    assert found["estimate"] == pytest.approx(expected, abs=0.01)
    assert found["ci_upper"] - found["ci_lower"] < 0.01


def test_the_interval_covers_when_pairs_of_a_product_depend_on_each_other():
    rng = np.random.default_rng(2)
    truth = label_ceiling(drawn(60_000, rng, ads=4))["estimate"][0]
    results = [label_ceiling(drawn(60, rng, ads=4)).row(0, named=True) for _ in range(300)]
    covered = np.mean([row["ci_lower"] <= truth <= row["ci_upper"] for row in results])
    assert 0.915 <= covered <= 0.98


def test_a_narrow_gap_is_harder_than_a_wide_one():
    result = label_ceiling(drawn(5000, np.random.default_rng(3), ads=4))
    by_rule = dict(zip(RULES, result["estimate"], strict=True))
    assert by_rule["caig_5_20"] < by_rule["any"] < by_rule["ge_20"]
