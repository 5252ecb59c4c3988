"""The run of one epoch's figures, on the held-out ads of its prompt model and of the first one."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from caig.contracts.creatives import PAIR_SCORES
from caig.contracts.preferences import ALIGNMENT_CURVES
from caig.errors import ConfigError
from caig.generation.generating import products_of
from caig.mllm.corpus import Corpus, Item
from caig.mllm.validate import Suitability, read_suitability
from caig.preference.compare import judged, mean_scores
from caig.preference.config import MeasureConfig
from caig.preference.measure import (
    Figures,
    curves,
    duel_figures,
    match_figures,
    prompt_figures,
)
from caig.preference.policy import Policy
from caig.preference.questions import ask
from caig.preference.validity import known_captions
from caig.runs.store import Run, RunWriter

SHOP_TRUTH = "reference_models.shop.oracle:true_ctrs"
"""Knows the shop world; a text, as this package imports no other."""

Truth = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


class Heldout(NamedTuple):
    """Prompts of one policy for the held-out products.

    Attributes:
        policy: The prompt model.
        samples: Run of its prompts.
    """

    policy: Policy
    samples: Run


class World(NamedTuple):
    """What is known of the data, for figures alone.

    Attributes:
        train: The shop's captions of training products; None without captions.
        suitable: Which place suits which category; None where nobody knows.
        truth: True CTRs of prompts; None where nobody knows.
    """

    train: Corpus | None
    suitable: Suitability | None
    truth: Truth | None


def read_world(data: Run, truth: str) -> World:
    """What a run of data, and the text of a configuration, tell.

    Args:
        data: Run of the products.
        truth: ``module:function``; "" for the shop world's own, where the data are of it.

    Raises:
        ConfigError: The text names no function.
    """
    has = data.manifest.artifacts
    target = truth or (SHOP_TRUTH if "creative_truth" in has else "")
    return World(
        known_captions(data), read_suitability(data), _function(target) if target else None
    )


def measure_run(
    heldout: Heldout,
    start: Heldout,
    ads: Run,
    config: MeasureConfig,
    *,
    data: Run,
    world: World,
    runs: Path,
) -> Path:
    """Measure a prompt model on held-out products, and write the run.

    Args:
        heldout: The prompt model and its prompts.
        start: The one before any alignment, and its prompts under the same noise.
        ads: Run of the ads of both.
        config: Judge and sampling.
        data: Run of the products.
        world: What is known for figures.
        runs: Folder of all runs.

    Returns:
        Folder of the run: ``alignment_curves`` of one epoch, ``pair_scores`` of its ads against the
        first model's.
    """
    inputs = {
        "policy": heldout.policy.run,
        "samples": heldout.samples,
        "start_samples": start.samples,
        "ads": ads,
        "data": data,
    }
    epoch = heldout.policy.epoch
    with RunWriter(runs, "measure", config, inputs=inputs, seed=config.seed) as run:
        samples = heldout.samples.table("prompt_samples")
        products = products_of(data)
        figures = prompt_figures(
            samples,
            dict(products.select("product_id", "category").iter_rows()),
            world.train,
            world.suitable,
        )
        if world.suitable is not None:
            figures |= _match(heldout.policy, samples, products, world.suitable, config)
        duels = duels_of(samples, start.samples.table("prompt_samples"), ads.table("creatives"))
        fought = duels.filter(pl.col("left_sha") != pl.col("right_sha"))
        scores = judged(
            fought, products, ads.path, config.scorer, runs=runs, options=config.scorer_options
        )
        run.write_table(PAIR_SCORES, scores)
        told = duels.join(
            mean_scores(scores).select("pair_id", p_rm="p_left"),
            on="pair_id",
            how="left",
            maintain_order="left",
        )
        figures |= duel_figures(_with_truth(told, ads, products, world.truth))
        run.write_table(ALIGNMENT_CURVES, curves(epoch, figures))
        for name, figure in figures.items():
            run.add_metric(name, figure.value)
        run.add_metric("epoch", epoch)
    return run.path


def duels_of(samples: pl.DataFrame, start: pl.DataFrame, creatives: pl.DataFrame) -> pl.DataFrame:
    """Every sample beside the first model's of the same product and number; left is the policy's.

    Args:
        samples: ``prompt_samples/1``.
        start: The first model's.
        creatives: ``creatives/1`` of both.

    Returns:
        pair_id, product_id, and for both sides {left,right}_ sample_id, creative_id, sha; pairs of
        which an ad is missing are left out.
    """
    ads = creatives.select("sample_id", "creative_id", sha="image_sha256")

    def side(rows: pl.DataFrame, name: str) -> pl.DataFrame:
        number = pl.int_range(pl.len()).over("product_id")
        numbered = rows.select("product_id", "sample_id", number=number)
        columns = {key: f"{name}_{key}" for key in ("sample_id", "creative_id", "sha")}
        return numbered.join(ads, on="sample_id", maintain_order="left").rename(columns)

    return (
        side(samples, "left")
        .join(side(start, "right"), on=["product_id", "number"], maintain_order="left")
        .with_columns(pair_id=pl.format("{}-{}", "product_id", "number"))
    )


def _match(
    policy: Policy,
    samples: pl.DataFrame,
    products: pl.DataFrame,
    suitable: Suitability,
    config: MeasureConfig,
) -> Figures:
    asked = products.filter(pl.col("product_id").is_in(samples["product_id"].unique().implode()))
    sampling = config.sampling
    questions = ask(asked, states_category=sampling.states_category, seed=config.seed)
    rows = {row["product_id"]: row for row in asked.iter_rows(named=True)}
    items = [
        Item(
            question.product_id,
            rows[question.product_id]["title"],
            rows[question.product_id]["category"],
            rows[question.product_id]["category_path"],
            rows[question.product_id]["split"],
            question.cutout,
            (),
        )
        for question in questions
    ]
    return match_figures(
        policy.load(config.runtime),
        questions,
        items,
        suitable,
        side=policy.side if sampling.picture_side is None else sampling.picture_side,
        batch_size=sampling.batch_size,
    )


def _with_truth(
    duels: pl.DataFrame, ads: Run, products: pl.DataFrame, truth: Truth | None
) -> pl.DataFrame:
    if truth is None:
        unknown = pl.lit(None, pl.Float64)
        return duels.with_columns(ctr=unknown, start_ctr=unknown)
    known = truth(ads.table("prompts"), products).select("prompt_id", "true_ctr")
    for side, name in (("left", "ctr"), ("right", "start_ctr")):
        told = known.rename({"prompt_id": f"{side}_sample_id", "true_ctr": name})
        duels = duels.join(told, on=f"{side}_sample_id", how="left", maintain_order="left")
    return duels


def _function(target: str) -> Truth:
    module, _, name = target.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"truth: '{target}' cannot be imported: {error}") from None
    known: Truth = found
    return known
