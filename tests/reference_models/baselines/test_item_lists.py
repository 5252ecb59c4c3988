"""Lists, smoothing and list figures, against hand-made numbers and numpy."""

import numpy as np
import polars as pl
import pytest

from caig.contracts.creatives import CREATIVE_COUNTS
from caig.errors import DataError
from reference_models.item_lists import (
    BetaPrior,
    fitted_prior,
    item_lists,
    list_metrics,
    order_of_items,
)


def lists(*items, min_impressions=1):
    """Items as lists of (impressions, clicks)."""
    rows = [(f"{i}-{a}", f"{i}", *ad) for i, item in enumerate(items) for a, ad in enumerate(item)]
    frame = pl.DataFrame(
        rows, schema=["creative_id", "product_id", "n_impressions", "n_clicks"], orient="row"
    )
    counts = frame.select(CREATIVE_COUNTS.schema.names())
    ads = frame.select("creative_id", "product_id")
    return item_lists(ads, counts, min_impressions=min_impressions)


def test_ads_and_items_with_too_little_are_left_out():
    found = lists(
        [(100, 1), (59, 5), (60, 2)], [(100, 1), (10, 1)], [(60, 0), (60, 1)], min_impressions=60
    )
    assert found.ads["creative_id"].to_list() == ["0-0", "0-2", "2-0", "2-1"]
    assert found.starts.tolist() == [0, 2, 4]
    assert found.item_impressions().tolist() == [160, 120]


def test_nothing_left_is_no_item():
    found = lists([(10, 1), (10, 1)], min_impressions=60)
    assert found.n_items == 0
    assert found.item_impressions().size == 0


def test_vams_prior_is_the_published_one():
    prior = BetaPrior(2.0402, 2.0402 + 54.0625)
    assert prior.smoothed(np.array([0]), np.array([0]))[0] == pytest.approx(0.0364, abs=5e-5)
    assert prior.smoothed(np.array([8]), np.array([100]))[0] == pytest.approx(10.0402 / 156.1027)


def test_cg4ctrs_prior_has_the_mean_and_variance_of_the_rates_and_omits_alpha():
    clicks, impressions = np.array([10, 30, 20, 60]), np.array([1000, 1000, 500, 2000])
    rates = clicks / impressions
    prior = fitted_prior(clicks, impressions)
    alpha, beta = prior
    assert alpha / (alpha + beta) == pytest.approx(rates.mean())
    variance = alpha * beta / ((alpha + beta) ** 2 * (alpha + beta + 1))
    assert variance == pytest.approx(rates.var())
    assert prior.smoothed(np.array([0]), np.array([0]))[0] == pytest.approx(alpha / beta)


@pytest.mark.parametrize("clicks", [[0, 0], [5, 5], [0, 100]])
def test_rates_without_a_prior_are_refused(clicks):
    with pytest.raises(DataError, match="no Beta prior has these"):
        fitted_prior(np.array(clicks), np.array([100, 100]))


def test_items_with_more_impressions_tend_to_come_first_and_all_come_once():
    impressions = np.array([10, 1_000_000] * 50)
    places = np.zeros(100)
    for seed in range(40):
        order = order_of_items(impressions, np.random.default_rng(seed))
        assert sorted(order) == list(range(100))
        places[order] += np.arange(100) / 40
    assert places[1::2].mean() < places[::2].mean() - 20


def test_figures_by_hand():
    found = lists([(100, 10), (100, 5), (200, 2)], [(100, 1), (100, 3)])
    scores = np.array([0.2, 0.9, 0.1, 1.0, 1.0])
    metrics = list_metrics(found, scores)
    # Item 0: right are 0 over 2 and 1 over 2, wrong is 0 over 1. Item 1 is a tie: half.
    assert metrics.n_pairs == 4
    assert metrics.pair_accuracy == pytest.approx(2.5 / 4)
    base = 21 / 600
    top = [(5 + 1) / 200, (15 + 4) / 400, (17 + 4) / 600]
    assert metrics.top_1_uplift == pytest.approx(top[0] / base - 1)
    expected = np.mean([*top, top[2], top[2]]) / base - 1
    assert metrics.uplift == pytest.approx(expected)


def test_equal_rates_are_no_pair_and_nothing_is_nan():
    metrics = list_metrics(lists([(100, 1), (200, 2)]), np.array([1.0, 2.0]))
    assert metrics.n_pairs == 0
    assert np.isnan(metrics.pair_accuracy)
