"""A world of ads whose true rates are known, as contract tables, for the tests of evaluation."""

from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import special

from caig.config import Config
from caig.contracts.creatives import (
    CREATIVE_COUNTS,
    CREATIVE_DAYS,
    CREATIVE_PAIRS,
    CREATIVES,
    PAIR_SCORES,
)
from caig.runs.store import Run, RunWriter


class World(NamedTuple):
    """Ads of a world.

    Attributes:
        ads: creative_id, product_id, category, n_impressions, n_clicks, true_logit.
        pairs: ``creative_pairs/1`` of all pairs of a product's ads.
    """

    ads: pl.DataFrame
    pairs: pl.DataFrame


def make_world(
    seed=0, *, products=60, per_product=4, ctr=0.03, impressions=5000, tau=0.25, categories=3
):
    """Logit-normal ads: spread 0.2 between products, ``tau`` between ads of one product."""
    rng = np.random.default_rng(seed)
    shape = (products, per_product)
    logit = special.logit(ctr) + 0.2 * rng.standard_normal((products, 1))
    logit = logit + tau * rng.standard_normal(shape)
    shown = np.round(impressions * np.exp(0.5 * rng.standard_normal(shape) - 0.125)) + 1
    shown = shown.astype(int)
    clicks = rng.binomial(shown, special.expit(logit))
    product = np.repeat(np.arange(products), per_product)
    ads = pl.DataFrame(
        {
            "creative_id": [f"a{i}" for i in range(product.size)],
            "product_id": [f"p{k}" for k in product],
            "category": [f"cat{k % categories}" for k in product],
            "n_impressions": shown.ravel(),
            "n_clicks": clicks.ravel(),
            "true_logit": logit.ravel(),
        }
    )
    return World(ads, all_pairs(ads, seed))


def all_pairs(ads, seed=0, filter_="any", split="test"):
    """Every two ads of a product, sides drawn at random."""
    columns = ["creative_id", "product_id", "category", "n_impressions", "n_clicks"]
    numbered = ads.select(columns).with_row_index("at")
    both = numbered.join(numbered, on=["product_id", "category"], suffix="_b").filter(
        pl.col("at") < pl.col("at_b")
    )
    both = both.sort("at", "at_b")
    turn = pl.Series(np.random.default_rng(seed).random(both.height) < 0.5)
    first = {name: pl.when(turn).then(f"{name}_b").otherwise(name) for name in columns[:1]}
    left = {n: pl.when(turn).then(f"{n}_b").otherwise(n) for n in ("n_impressions", "n_clicks")}
    right = {n: pl.when(turn).then(n).otherwise(f"{n}_b") for n in ("n_impressions", "n_clicks")}
    pairs = both.select(
        "product_id",
        "category",
        left_id=first["creative_id"],
        right_id=pl.when(turn).then("creative_id").otherwise("creative_id_b"),
        left_impressions=left["n_impressions"],
        right_impressions=right["n_impressions"],
        left_clicks=left["n_clicks"],
        right_clicks=right["n_clicks"],
    ).with_columns(
        pair_id=pl.format("{}|{}", "left_id", "right_id"),
        left_ctr=pl.col("left_clicks") / pl.col("left_impressions"),
        right_ctr=pl.col("right_clicks") / pl.col("right_impressions"),
        filter=pl.lit(filter_),
        split=pl.lit(split),
    )
    a, b = ((pairs[f"{s}_clicks"] + 1).to_numpy() for s in ("left", "right"))
    n, m = (pairs[f"{s}_impressions"].to_numpy() for s in ("left", "right"))
    z = (a / n - b / m) / np.sqrt(a / n**2 + b / m**2)
    pairs = pairs.with_columns(p_left_better=pl.Series(special.ndtr(z)))
    return pairs.select(CREATIVE_PAIRS.schema.names()).cast(dict(CREATIVE_PAIRS.schema))


def scores_of(pairs, logits, name="model", *, side=0.0):
    """Answers of a pointwise scorer that leans to the screen's left side by ``side`` (logit).

    Args:
        pairs: ``creative_pairs/1``.
        logits: Score of every creative, by id.
        name: Scorer.
        side: Added to the left one's score, whichever ad it is.
    """
    apart = np.array([logits[a] - logits[b] for a, b in pairs.select("left_id", "right_id").rows()])
    both = [
        pl.DataFrame(
            {
                "pair_id": pairs["pair_id"],
                "scorer": [name] * pairs.height,
                "presentation": [presentation] * pairs.height,
                "p_left": special.expit(apart + lean),
                "left_ctr_hat": [None] * pairs.height,
                "right_ctr_hat": [None] * pairs.height,
            },
            schema=PAIR_SCORES.schema,
        )
        for presentation, lean in (("as_is", side), ("swapped", -side))
    ]
    return pl.concat(both)


def noisy_logits(ads, sd, seed=1):
    """True logits with noise: a scorer that knows something."""
    noise = sd * np.random.default_rng(seed).standard_normal(ads.height)
    return dict(zip(ads["creative_id"], ads["true_logit"].to_numpy() + noise, strict=True))


def data_run(root, ads, days=None):
    """A run with creatives and their counts, and counts by day if there are."""
    creatives = ads.select(
        "creative_id",
        "product_id",
        image_path=pl.format("images/{}.png", "creative_id"),
        image_sha256=pl.lit("0" * 64),
        source=pl.lit("logged"),
        sample_id=pl.lit(None, pl.String),
        generator=pl.lit(None, pl.String),
        seed=pl.lit(None, pl.Int64),
        width=pl.lit(8, pl.Int32),
        height=pl.lit(8, pl.Int32),
    )
    with RunWriter(root, "ingest", Config()) as run:
        run.write_table(CREATIVES, creatives)
        run.write_table(CREATIVE_COUNTS, ads.select(CREATIVE_COUNTS.schema.names()))
        if days is not None:
            run.write_table(CREATIVE_DAYS, days)
    return Run.open(run.path)


def pairs_run(root, pairs, data=None):
    """A run with pairs."""
    inputs = {} if data is None else {"data": data}
    with RunWriter(root, "pairs", Config(), inputs=inputs) as run:
        run.write_table(CREATIVE_PAIRS, pairs)
    return Run.open(run.path)


def scores_run(root, scores, pairs=None):
    """A run with scores."""
    inputs = {} if pairs is None else {"pairs": pairs}
    with RunWriter(root, "score", Config(), inputs=inputs) as run:
        run.write_table(PAIR_SCORES, scores)
    return Run.open(run.path)
