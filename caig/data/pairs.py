"""Pairs of ads of one product, by the rules the field compares itself on; each once, in batches.

The rules are those of the released code (docs/pairs.md): an ad counts with more than 1,000
impressions, both click-through rates are above zero, and the higher over the lower lies between
the rule's bounds, both inclusive, in plain floating point. What is left out of a batch is counted,
never lost. A pair's identifier and its sides follow from its two ads alone, so the same pair has
the same identifier under every rule.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.contracts.creatives import CREATIVE_PAIRS, SPLITS
from caig.data.config import Rule
from caig.data.order import chance_of_order
from caig.data.splits import stable_hash

BATCH_PAIRS = 1 << 17
"""Candidate pairs at a time."""

Indices = NDArray[np.int64]


class Bounds(NamedTuple):
    """What a pair must keep, inclusive.

    Attributes:
        lower: Least ratio of the higher CTR to the lower.
        upper: Largest.
        least_z: Least difference in standard errors, under one pooled rate for both.
    """

    lower: float
    upper: float
    least_z: float = 0.0


RULES: dict[Rule, Bounds] = {
    "caig_5_20": Bounds(1.05, 1.20),
    "ge_20": Bounds(1.20, math.inf),
    "any": Bounds(1.0, math.inf),
    "significant": Bounds(1.0, math.inf, least_z=1.959963984540054),  # p = 0.05 on two sides
}


@dataclass
class Tally:
    """What became of the candidate pairs; filled while batches are drawn.

    Attributes:
        candidates: Two ads of one product, both with enough impressions.
        same_picture: Left out: both show the same picture.
        no_click: Left out: at least one was never clicked.
        tied: Left out: equal click-through rates say nothing.
        outside: Left out: ratio or difference is outside the rule's bounds.
        kept: Pairs kept, by split.
        left_better: Kept pairs whose left ad has the higher observed CTR.
        certainty: Sum over kept pairs of the posterior probability of their observed order: the
            expected hits of one who knows the true rates.
    """

    candidates: int = 0
    same_picture: int = 0
    no_click: int = 0
    tied: int = 0
    outside: int = 0
    kept: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    left_better: int = 0
    certainty: float = 0.0

    @property
    def pairs(self) -> int:
        """Pairs kept, all splits together."""
        return sum(self.kept.values())


def pair_batches(
    ads: pl.DataFrame, rule: Rule, tally: Tally, *, batch_pairs: int = BATCH_PAIRS
) -> Iterator[pl.DataFrame]:
    """Draw the pairs of all products.

    Args:
        ads: Ads that count, those of a product one after the other. Columns creative_id,
            product_id, category, split, n_impressions (at least 1), n_clicks, image_sha256, and
            posterior_a, posterior_b: the parameters of the CTR's Beta posterior.
        rule: Which pairs to keep.
        tally: Filled as batches are drawn.
        batch_pairs: Candidates of a batch, which bounds the memory.

    Yields:
        ``creative_pairs/1``, in the order of the ads.
    """
    hashes = stable_hash(ads["creative_id"])
    pictures = ads["image_sha256"].rank("dense").to_numpy()
    impressions, clicks = ads["n_impressions"].to_numpy(), ads["n_clicks"].to_numpy()
    ctr = clicks / impressions
    first_pair = _first_pairs(ads["product_id"])
    for start in range(0, int(first_pair[-1]), batch_pairs):
        one, other = _members(first_pair, start, min(start + batch_pairs, int(first_pair[-1])))
        tally.candidates += one.size
        one, other = _kept(
            one,
            other,
            rule=rule,
            impressions=impressions,
            clicks=clicks,
            pictures=pictures,
            tally=tally,
        )
        if one.size:
            yield _as_table(ads, one, other, hashes=hashes, ctr=ctr, rule=rule, tally=tally)


def _first_pairs(products: pl.Series) -> Indices:
    """Number of the first pair that each ad begins, pairs counted over all ads; shape (N + 1,).

    An ad is paired with every later one of its product, so no pair comes twice.
    """
    lengths = products.rle().struct.field("len").to_numpy().astype(np.int64)
    ends = np.repeat(np.cumsum(lengths), lengths)
    partners = ends - 1 - np.arange(ends.size)
    return np.concatenate([[0], np.cumsum(partners)]).astype(np.int64)


def _members(first_pair: Indices, start: int, stop: int) -> tuple[Indices, Indices]:
    """The two ads of the pairs numbered from ``start`` to before ``stop``."""
    numbers = np.arange(start, stop)
    one = np.searchsorted(first_pair, numbers, side="right") - 1
    return one, one + 1 + numbers - first_pair[one]


def _kept(
    one: Indices,
    other: Indices,
    *,
    rule: Rule,
    impressions: Indices,
    clicks: Indices,
    pictures: NDArray[np.uint32],
    tally: Tally,
) -> tuple[Indices, Indices]:
    ctr = clicks / impressions
    higher, lower = np.maximum(ctr[one], ctr[other]), np.minimum(ctr[one], ctr[other])
    ratio = higher / np.where(lower > 0, lower, 1.0)
    bounds = RULES[rule]
    shown = impressions[one] + impressions[other]
    pooled = (clicks[one] + clicks[other]) / shown
    # The variance is that of one rate for both ads; where none or all clicked there is no gap.
    variance = pooled * (1 - pooled) * shown / (impressions[one] * impressions[other].astype(float))
    z = (higher - lower) / np.sqrt(np.where(variance > 0, variance, 1.0))
    is_left = np.ones(one.size, dtype=bool)
    for reason, is_out in (
        ("same_picture", pictures[one] == pictures[other]),
        ("no_click", lower == 0),
        ("tied", higher == lower),
        ("outside", (ratio < bounds.lower) | (ratio > bounds.upper) | (z < bounds.least_z)),
    ):
        setattr(tally, reason, getattr(tally, reason) + int((is_left & is_out).sum()))
        is_left &= ~is_out
    return one[is_left], other[is_left]


def _as_table(
    ads: pl.DataFrame,
    one: Indices,
    other: Indices,
    *,
    hashes: NDArray[np.uint64],
    ctr: NDArray[np.float64],
    rule: Rule,
    tally: Tally,
) -> pl.DataFrame:
    mixed = _mixed(hashes[one], hashes[other])
    # The top bit says whether the ad of the lower hash stands left: neither bit nor hash knows of
    # clicks, nor of the order the ads came in.
    flipped = (mixed >> np.uint64(63)).astype(bool) ^ (hashes[one] > hashes[other])
    left, right = np.where(flipped, other, one), np.where(flipped, one, other)
    a, b = ads["posterior_a"].to_numpy(), ads["posterior_b"].to_numpy()
    chance = chance_of_order(a[left], b[left], a[right], b[right])
    table = pl.DataFrame(
        {
            "pair_id": ads["product_id"].gather(left) + "-" + _hexadecimal(mixed),
            "product_id": ads["product_id"].gather(left),
            "category": ads["category"].gather(left),
            **{
                f"{s}_id": ads["creative_id"].gather(w)
                for s, w in (("left", left), ("right", right))
            },
            **{
                f"{s}_impressions": ads["n_impressions"].gather(w)
                for s, w in (("left", left), ("right", right))
            },
            **{
                f"{s}_clicks": ads["n_clicks"].gather(w)
                for s, w in (("left", left), ("right", right))
            },
            "left_ctr": ctr[left],
            "right_ctr": ctr[right],
            "p_left_better": chance,
            "filter": pl.repeat(rule, left.size, dtype=pl.String, eager=True),
            "split": ads["split"].gather(left),
        },
        schema=CREATIVE_PAIRS.schema,
    )
    is_left_better = ctr[left] > ctr[right]
    for split, number in table["split"].value_counts().iter_rows():
        tally.kept[split] += number
    tally.left_better += int(is_left_better.sum())
    tally.certainty += float(np.where(is_left_better, chance, 1 - chance).sum())
    return table


def _mixed(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 well-mixed bits of an unordered pair of hashes (finaliser of SplitMix64)."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    bits = _scrambled(low) + high  # wraps, as it should
    return _scrambled(bits + np.uint64(0x9E3779B97F4A7C15))


def _scrambled(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _hexadecimal(bits: NDArray[np.uint64]) -> pl.Series:
    """Each number as 16 hexadecimal digits."""
    digits = bits.astype(">u8").tobytes().hex().encode()
    return pl.Series(np.frombuffer(digits, dtype="S16").astype("U16"), dtype=pl.String)
