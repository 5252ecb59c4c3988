"""Pairs, their labels and their scorers' answers, as arrays in the order of the pairs.

Labels come from the observed rates, compared as whole numbers. An answer that is not there stays
NaN to the end: no score is ever made up for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.errors import DataError, Problem
from evaluation.metrics.ceiling import (
    AdCounts,
    Differences,
    Spread,
    logit_rate,
    pooled_rates,
    spread_within_products,
)
from evaluation.metrics.clustered import Codes, Floats

ADS_OF_PAIRS = ["creative_id", "product_id", "category", "n_impressions", "n_clicks"]


class Scored(NamedTuple):
    """One scorer's probabilities that the left ad is the better one; NaN where it gave none.

    Attributes:
        name: Scorer.
        kind: ``model`` or ``ruler``.
        scores_run: Run they are from.
        as_is: (n,) with the sides as they are.
        swapped: (n,) with sides swapped, still about the pair's own left ad.
    """

    name: str
    kind: str
    scores_run: str
    as_is: Floats
    swapped: Floats

    @property
    def mean(self) -> Floats:
        """(n,) mean of both presentations; NaN unless both are there."""
        both: Floats = (self.as_is + self.swapped) / 2
        return both


class PairData(NamedTuple):
    """The pairs of one suite.

    Attributes:
        product: (n,) code of the product; products without a pair have codes too.
        category: (n,) code of the category.
        categories: Names of the categories.
        gold: (n,) 1 if the left ad had the higher CTR, -1 the right one, 0 if neither.
        confidence: (n,) max(p_left_better, 1 - p_left_better).
        gap: (n,) larger CTR over smaller, minus 1; infinite if the smaller is 0.
        differences: Differences, label's side first.
        spread: Spread of true CTR within products; None where it cannot be told.
        clicks_per_ad: Median clicks of the ads it was estimated from.
        n_ads: Ads it was estimated from.
    """

    product: Codes
    category: Codes
    categories: list[str]
    gold: Codes
    confidence: Floats
    gap: Floats
    differences: Differences
    spread: Spread | None
    clicks_per_ad: float
    n_ads: int


def pair_data(
    pairs: pl.DataFrame, ads: pl.DataFrame | None = None, *, variance_factor: float = 1.0
) -> PairData:
    """Pairs as arrays.

    Args:
        pairs: ``creative_pairs/1``, at least one.
        ads: All ads of the data set, in pairs or not (columns creative_id, product_id, category,
            n_impressions, n_clicks; category null where unknown). The spread of a rule's pairs, or
            of the products that have such pairs, would be that rule's doing. None takes the ads of
            the pairs.
        variance_factor: Variance of clicks over the binomial one.
    """
    shown = _shown_ads(pairs, ads)
    products = shown["product_id"].unique().sort()
    categories = pairs["category"].unique().sort()
    product = _codes(pairs["product_id"], products)
    category = _codes(pairs["category"], categories)
    counts = _ad_counts(shown, products, categories)
    rate = pooled_rates(counts)[product]

    columns = ("left_clicks", "left_impressions", "right_clicks", "right_impressions")
    left_x, left_n, right_x, right_n = (pairs[name].to_numpy() for name in columns)
    gold = np.sign(left_x * right_n - right_x * left_n)
    rates = np.stack([left_x / left_n, right_x / right_n])
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(gold == 0, 0.0, rates.max(axis=0) / rates.min(axis=0) - 1)
    difference = logit_rate(left_x, left_n) - logit_rate(right_x, right_n)
    error = (1 / left_n + 1 / right_n) / np.maximum(rate * (1 - rate), 1e-12)
    p_left = pairs["p_left_better"].to_numpy()
    return PairData(
        product,
        category,
        categories.to_list(),
        gold,
        np.maximum(p_left, 1 - p_left),
        gap,
        Differences(gold * difference, variance_factor * error, category, product),
        spread_within_products(counts, variance_factor=variance_factor),
        float(np.median(counts.clicks)),
        counts.clicks.size,
    )


def scored(
    pairs: pl.DataFrame, scores: pl.DataFrame, *, scores_run: str, rulers: Sequence[str]
) -> list[Scored]:
    """Every scorer of a table, its answers in the order of the pairs.

    Args:
        pairs: ``creative_pairs/1``, of one split.
        scores: ``pair_scores/1``; answers about pairs of other splits are left aside.
        scores_run: Run they are from.
        rulers: Names of the scorers that look at no content.

    Raises:
        DataError: It scores none of the pairs.
    """
    asked = pairs.select("pair_id").with_row_index("at")
    about = scores.join(asked, on="pair_id", how="inner")
    if about.height == 0:
        problem = Problem(
            "pair_id", f"none of its {scores.height:,} rows is about one of these pairs"
        )
        raise DataError.from_problems(
            f"{scores_run}/pair_scores",
            [problem],
            "score the pairs of this run, and of the split that is evaluated (scoring.split)",
        )
    found = []
    for name in scores["scorer"].unique(maintain_order=True):
        answers = {}
        for presentation in ("as_is", "swapped"):
            rows = about.filter(
                (pl.col("scorer") == name) & (pl.col("presentation") == presentation)
            )
            answers[presentation] = np.full(pairs.height, np.nan)
            answers[presentation][rows["at"].to_numpy()] = rows["p_left"].to_numpy()
        kind = "ruler" if name in rulers else "model"
        found.append(Scored(name, kind, scores_run, answers["as_is"], answers["swapped"]))
    return found


def credit(
    p_left: Floats, gold: Codes, *, model_ties: str = "half", tie_tolerance: float = 0.0
) -> Floats:
    """What each answer is worth: 1 right, 0 wrong, a tie as stated, NaN where there is none.

    Args:
        p_left: (n,) probability that the left ad is the better one.
        gold: (n,) 1, -1, or 0 for no right answer, which is NaN too.
        model_ties: ``half`` or ``wrong``.
        tie_tolerance: Largest distance from 1/2 that is a tie.
    """
    worth = (np.sign(p_left - 0.5) == gold).astype(float)
    # A mean of two presentations that cancel may miss 1/2 by rounding.
    is_tie = np.abs(p_left - 0.5) <= tie_tolerance + 1e-12
    worth = np.where(is_tie, 0.5 if model_ties == "half" else 0.0, worth)
    return np.where(np.isnan(p_left) | (gold == 0), np.nan, worth)


def _codes(values: pl.Series, names: pl.Series) -> Codes:
    places = pl.DataFrame({"name": names}).with_row_index("code")
    codes = pl.DataFrame({"name": values}).join(places, on="name", maintain_order="left")["code"]
    return codes.to_numpy().astype(np.int64)


def _shown_ads(pairs: pl.DataFrame, ads: pl.DataFrame | None) -> pl.DataFrame:
    """Every ad once, those of the pairs as the pairs have them."""
    of_pairs = pl.concat(
        pairs.select(
            creative_id=f"{side}_id",
            product_id="product_id",
            category="category",
            n_impressions=f"{side}_impressions",
            n_clicks=f"{side}_clicks",
        )
        for side in ("left", "right")
    )
    known = of_pairs if ads is None else pl.concat([of_pairs, ads.select(ADS_OF_PAIRS)])
    return known.filter(pl.col("n_impressions") > 0).unique(
        "creative_id", keep="first", maintain_order=True
    )


def _ad_counts(shown: pl.DataFrame, products: pl.Series, categories: pl.Series) -> AdCounts:
    """Ads as arrays; products of categories that have no pair count as one more category."""
    product = _codes(shown["product_id"], products)
    known = {name: code for code, name in enumerate(categories)}
    category = np.full(len(products), -1, np.int64)
    named = shown["category"].replace_strict(known, default=-1, return_dtype=pl.Int64).to_numpy()
    np.maximum.at(category, product, named)
    return AdCounts(
        product,
        shown["n_impressions"].to_numpy().astype(float),
        shown["n_clicks"].to_numpy().astype(float),
        np.where(category < 0, len(categories), category),
    )
