"""Pairs and answers as arrays: labels, gaps, credit, and answers that are not there."""

import numpy as np
import polars as pl
import pytest
from pair_world import all_pairs, make_world, noisy_logits, scores_of

from caig.errors import DataError
from evaluation.suites.scored_pairs import credit, pair_data, scored


def ads(*counts):
    """One product's ads of these (impressions, clicks)."""
    n, x = zip(*counts, strict=True)
    return pl.DataFrame(
        {
            "creative_id": [f"a{i}" for i in range(len(counts))],
            "product_id": "p",
            "category": "c",
            "n_impressions": n,
            "n_clicks": x,
        }
    )


def test_labels_are_compared_as_whole_numbers():
    # 1/10 and 3/30 differ as floats of other roundings might; as whole numbers they do not.
    pairs = all_pairs(ads((10, 1), (30, 3), (49, 5)))
    data = pair_data(pairs)
    by_pair = dict(zip(pairs["pair_id"], data.gold, strict=True))
    ties = {frozenset(name.split("|")) for name, gold in by_pair.items() if gold == 0}
    assert ties == {frozenset({"a0", "a1"})}
    left = pairs["left_ctr"].to_numpy() > pairs["right_ctr"].to_numpy()
    told = data.gold != 0
    assert np.array_equal(data.gold[told] > 0, left[told])


def test_counts_of_ten_billion_do_not_overflow():
    pairs = all_pairs(ads((3_000_000_000, 30_000_001), (3_000_000_000, 30_000_000)))
    assert abs(pair_data(pairs).gold).tolist() == [1]


def test_gaps_of_nothing_clicked():
    data = pair_data(all_pairs(ads((10, 0), (10, 0), (10, 5), (10, 6))))
    assert sorted(data.gap) == pytest.approx([0.0, 0.2, *[np.inf] * 4])


def test_differences_point_to_the_label():
    world = make_world(0)
    data = pair_data(world.pairs)
    assert np.mean(data.differences.logit[data.gold != 0] > 0) > 0.99
    assert np.all(data.differences.error > 0)


def test_products_without_a_pair_still_tell_of_the_spread():
    world = make_world(1, products=50, categories=2)
    some = world.pairs.filter(pl.col("product_id").is_in(["p0", "p2"]))
    alone, whole = pair_data(some), pair_data(some, world.ads)
    assert alone.categories == whole.categories == ["cat0"]
    assert (alone.n_ads, whole.n_ads) == (8, 200)
    assert whole.spread.scale.sum() > 10 * alone.spread.scale.sum()
    assert whole.spread.tau2.size == 2  # its own category, and one for all that have no pair


@pytest.mark.parametrize(
    ("p_left", "gold", "rule", "tolerance", "worth"),
    [
        (0.7, 1, "half", 0.0, 1.0),
        (0.7, -1, "half", 0.0, 0.0),
        (0.2, -1, "half", 0.0, 1.0),
        (0.5, 1, "half", 0.0, 0.5),
        (0.5, 1, "wrong", 0.0, 0.0),
        (0.53, 1, "half", 0.05, 0.5),
        (0.56, 1, "half", 0.05, 1.0),
        (0.7, 0, "half", 0.0, None),
        (None, 1, "half", 0.0, None),
    ],
)
def test_credit(p_left, gold, rule, tolerance, worth):
    given = np.array([np.nan if p_left is None else p_left])
    found = credit(given, np.array([gold]), model_ties=rule, tie_tolerance=tolerance)
    assert found[0] == worth or (worth is None and np.isnan(found[0]))


def test_two_presentations_that_cancel_are_a_tie():
    one = np.array([0.1 + 0.2 + 0.4])
    mean = (one + (1 - one)) / 2
    assert credit(mean, np.array([1]))[0] == 0.5


def test_an_answer_that_is_not_there_is_never_a_number():
    world = make_world(2, products=5)
    scores = scores_of(world.pairs, noisy_logits(world.ads, 0.1))
    first, second = world.pairs["pair_id"][:2]
    thinned = scores.filter(
        (pl.col("pair_id") != first)
        & ~((pl.col("pair_id") == second) & (pl.col("presentation") == "swapped"))
    ).sample(fraction=1.0, shuffle=True, seed=0)
    (found,) = scored(world.pairs, thinned, scores_run="r", rulers=())
    assert np.isnan(found.as_is).tolist() == [True] + [False] * 29
    assert np.isnan(found.swapped).tolist() == [True, True] + [False] * 28
    assert np.isnan(found.mean[:2]).all()
    expected = scores.filter(pl.col("presentation") == "as_is")["p_left"].to_numpy()
    assert np.array_equal(found.as_is[1:], expected[1:])


def test_scores_of_other_pairs_are_refused():
    world, other = make_world(3, products=4), make_world(3, products=4)
    renamed = other.pairs.with_columns(pl.format("x{}", "pair_id").alias("pair_id"))
    scores = scores_of(renamed, noisy_logits(other.ads, 0.1))
    with pytest.raises(DataError, match="none of its 48 rows is about one of these pairs"):
        scored(world.pairs, scores, scores_run="r", rulers=())


def test_rulers_are_known_by_name():
    world = make_world(4, products=4)
    scores = scores_of(world.pairs, noisy_logits(world.ads, 0.1), "ref:random")
    (found,) = scored(world.pairs, scores, scores_run="r", rulers=("ref:random",))
    assert found.kind == "ruler"
