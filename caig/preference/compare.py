"""Pairs of samples and which of the two the judge prefers, both presentations asked.

The published loop shows the first sample on the left and takes whatever the judge says. Here both
orders are asked and averaged, and a pair can be left out: where the order depends on the side,
where the judge is unsure, where both prompts gave one picture, or where a text has no end.
"""

from pathlib import Path

import polars as pl

from caig.contracts.creatives import CREATIVE_PAIRS, PAIR_SCORES, UNCATEGORISED
from caig.contracts.preferences import PREFERENCE_PAIRS
from caig.contracts.table import check
from caig.preference.config import CompareConfig, PairsConfig
from caig.preference.validity import known_captions, valid_prompts
from caig.reward.score import scorer_from_text
from caig.runs.store import Run, RunWriter

SCORED_AT_ONCE = 64
RULE = "rule:valid"
"""What decided a pair in which one text is valid and the other is not."""


def pairs_of_samples(samples: pl.DataFrame, creatives: pl.DataFrame) -> pl.DataFrame:
    """The two samples of every product, with their ads.

    Args:
        samples: ``prompt_samples/1`` with two samples a product, and whether each is ``valid``.
        creatives: ``creatives/1`` painted from them.

    Returns:
        product_id, epoch, and for both sides {left,right}_ sample_id, creative_id, sha, text,
        ended and valid; the first sample is on the left. Products of which an ad is missing are
        left out.
    """
    ads = samples.join(
        creatives.select("sample_id", "creative_id", sha="image_sha256"), on="sample_id"
    ).sort("product_id", "sample_id")
    columns = ["sample_id", "creative_id", "sha", "prompt_clean", "ended", "valid"]
    sides = (
        pl.col(name).get(n).alias(f"{side}_{name}")
        for n, side in enumerate(("left", "right"))
        for name in columns
    )
    whole = ads.filter(pl.len().over("product_id") == 2)
    return whole.group_by("product_id", "epoch", maintain_order=True).agg(*sides)


def judged(
    pairs: pl.DataFrame,
    products: pl.DataFrame,
    images: Path,
    scorer: str,
    *,
    runs: Path,
    options: tuple[str, ...] = (),
) -> pl.DataFrame:
    """Ask a scorer about pairs of ads that nobody has seen yet.

    Args:
        pairs: pair_id, product_id, left_creative_id and right_creative_id.
        products: ``products/1``.
        images: Folder of the run that holds the ads.
        scorer: The judge, as ``caig score`` takes it.
        runs: Folder of all runs.
        options: Settings of a judge behind an API.

    Returns:
        ``pair_scores/1``.

    Raises:
        CaigError: The judge cannot be made, or cannot score.
    """
    if not pairs.height:  # nothing to ask, and perhaps a service that is paid for
        return PAIR_SCORES.empty()
    asked = pairs.select(
        "pair_id", "product_id", left_id="left_creative_id", right_id="right_creative_id"
    ).join(products.select("product_id", "category", "split"), on="product_id", how="left")
    # They were never shown: what was counted of them is unknown.
    unknown = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in CREATIVE_PAIRS.schema.items()
        if name not in asked.columns and name != "filter"
    ]
    asked = asked.with_columns(
        *unknown, filter=pl.lit("any"), category=pl.col("category").fill_null(UNCATEGORISED)
    ).select(CREATIVE_PAIRS.schema.names())
    made = scorer_from_text(scorer, runs=runs, batch_size=SCORED_AT_ONCE, options=options)
    return check(made.score_pairs(asked, images), PAIR_SCORES, source=made.name)


def mean_scores(scores: pl.DataFrame) -> pl.DataFrame:
    """Both presentations together.

    Args:
        scores: ``pair_scores/1`` of one scorer.

    Returns:
        pair_id, p_left (mean), agrees (both prefer the same side, or both none).
    """
    side = (pl.col("p_left") - 0.5).sign()
    return scores.group_by("pair_id", maintain_order=True).agg(
        pl.col("p_left").mean(), agrees=side.n_unique() == 1
    )


def preferences_of(
    pairs: pl.DataFrame, scores: pl.DataFrame, config: PairsConfig, *, rm_run: str
) -> pl.DataFrame:
    """``preference_pairs/1``: the winner of each pair, and whether it is trained on.

    Args:
        pairs: As :func:`pairs_of_samples` gives them; product_id is the pair's identifier.
        scores: ``pair_scores/1``; pairs without a score are left out.
        config: Which pairs are trained on.
        rm_run: The judge's name.
    """
    told = pairs.join(
        mean_scores(scores).rename({"pair_id": "product_id"}),
        on="product_id",
        maintain_order="left",
    )
    by_rule = pl.lit(value=False)
    neither = pl.lit(value=False)
    if config.validity == "prefer":
        by_rule = pl.col("left_valid") != pl.col("right_valid")
        neither = ~(pl.col("left_valid") | pl.col("right_valid"))
    left_wins = pl.when(by_rule).then("left_valid").otherwise(pl.col("p_left") >= 0.5)
    same = (pl.col("left_sha") == pl.col("right_sha")) | (
        pl.col("left_prompt_clean") == pl.col("right_prompt_clean")
    )
    p_judged = pl.max_horizontal("p_left", 1 - pl.col("p_left"))
    p_chosen = pl.when(by_rule).then(1.0).otherwise(p_judged)
    unfinished = ~(pl.col("left_ended") & pl.col("right_ended"))
    disagree = ~pl.col("agrees") if config.swap_agreement else pl.lit(value=False)
    verdict = (
        pl.when(same)
        .then(pl.lit("same_picture"))
        .when(unfinished)
        .then(pl.lit("unfinished"))
        .when(neither)
        .then(pl.lit("invalid"))
        .when(by_rule)
        .then(pl.lit("used"))
        .when(disagree)
        .then(pl.lit("sides_disagree"))
        .when(pl.col("p_left") == 0.5)
        .then(pl.lit("tie"))
        .when(p_chosen < config.min_confidence)
        .then(pl.lit("unsure"))
        .otherwise(pl.lit("used"))
    )
    left, right = pl.col("left_sample_id"), pl.col("right_sample_id")
    found = told.select(
        "product_id",
        "epoch",
        chosen_id=pl.when(left_wins).then(left).otherwise(right),
        rejected_id=pl.when(left_wins).then(right).otherwise(left),
        p_chosen=p_chosen,
        swap_agrees=pl.col("agrees"),
        rm_run=pl.when(by_rule).then(pl.lit(RULE)).otherwise(pl.lit(rm_run)),
        verdict=verdict,
    )
    return check(found, PREFERENCE_PAIRS, source=rm_run)


def compare_run(ads: Run, samples: Run, data: Run, config: CompareConfig, *, runs: Path) -> Path:
    """Compare the two ads of every product, and write the run.

    Args:
        ads: Run of the ads.
        samples: Run of the prompts they were painted from.
        data: Run of the products.
        config: Judge, and which pairs are trained on.
        runs: Folder of all runs.

    Returns:
        Folder of the run: ``pair_scores`` (a pair's identifier is its product), and
        ``preference_pairs``.
    """
    texts = samples.table("prompt_samples")
    valid = valid_prompts(texts, known_captions(data))
    pairs = pairs_of_samples(
        texts.with_columns(valid=pl.Series(valid, dtype=pl.Boolean)), ads.table("creatives")
    )
    inputs = {"ads": ads, "samples": samples, "data": data}
    with RunWriter(runs, "compare", config, inputs=inputs) as run:
        scores = judged(
            pairs.with_columns(pair_id="product_id"),
            data.table("products"),
            ads.path,
            config.scorer,
            runs=runs,
            options=config.scorer_options,
        )
        name = str(scores["scorer"][0]) if scores.height else config.scorer
        found = preferences_of(pairs, scores, config.pairs, rm_run=name)
        run.write_table(PAIR_SCORES, scores)
        run.write_table(PREFERENCE_PAIRS, found)
        run.add_metric("n_pairs", found.height)
        for verdict, n in found["verdict"].value_counts().sort("verdict").iter_rows():
            run.add_metric(f"n_{verdict}", n)
    return run.path
