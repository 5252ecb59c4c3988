"""The card of a trained reward model: data, figures, limits; written beside the weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from caig.reward.config import ModelSection, RewardConfig
from caig.reward.likes import Like
from caig.text import count, percent, printable


class CardFacts(NamedTuple):
    """What a card tells.

    Attributes:
        config: Configuration of the training.
        pairs_run: Run of the pairs.
        data_run: Run of the ads.
        ads: Ads of the pairs, as ``ads_of_pairs`` gives them.
        pairs: ``creative_pairs/1``.
        metrics: Figures on the validation pairs, by name.
        best_epoch: Epoch that was kept.
        n_parameters: Weights (count).
        likes: What the model likes, where it says so in words; see likes.py.
    """

    config: RewardConfig
    pairs_run: str
    data_run: str
    ads: pl.DataFrame
    pairs: pl.DataFrame
    metrics: Mapping[str, float]
    best_epoch: int
    n_parameters: int
    likes: Sequence[Like] = ()


SHOWN = 8
"""Phrases shown from either end."""

LAYOUTS = {
    "siamese": "each ad is scored alone, and the difference of two scores decides.",
    "side_by_side": "it is shown both ads at once, in both presentations, and names a side.",
}
"""How a layout decides."""


def _reader(model: ModelSection) -> str:
    if not model.mllm:
        return f"backbone {model.backbone}"
    # Of a folder the last part alone: where it lies is nobody else's business.
    name = Path(model.mllm).name if Path(model.mllm).is_dir() else model.mllm
    return f"over the multimodal language model {name}, asked in words with the product's text"


def _choice(facts: CardFacts) -> str:
    train, first = facts.config.train, facts.config.loss.caption_epochs
    said = []
    if first:
        said.append(f"The first {first} of {train.epochs} epochs learned captions and kinds alone.")
    if train.epochs > first:
        said.append(
            f"Of {train.epochs} epochs, number {facts.best_epoch} was the best on the "
            "validation pairs and was kept."
        )
    if train.solve_last_layer:
        said.append("The last layer was solved, with the penalty that validation pairs chose.")
    return " ".join(said)


def _liked(likes: Sequence[Like]) -> list[str]:
    """A section with the phrases that weigh most, for and against."""
    if not likes:
        return []
    ranked = sorted(likes, key=lambda like: like.mean, reverse=True)
    some = ranked if len(ranked) <= 2 * SHOWN else [*ranked[:SHOWN], *ranked[-SHOWN:]]
    rows = [
        f"| {printable(like.phrase)} | {like.mean:+.2f} | {like.lowest:+.2f} "
        f"({printable(like.lowest_kind)}) | {like.highest:+.2f} ({printable(like.highest_kind)}) |"
        for like in some
    ]
    return [
        "## What it likes",
        "",
        "Change of log-CTR when a phrase is true of the picture, by the model; the mean over the "
        "kinds of product, and the kinds that like it least and most.",
        "",
        "| phrase | mean | least | most |",
        "|---|--:|--:|--:|",
        *rows,
        "",
    ]


def model_card(facts: CardFacts) -> str:
    """The card as Markdown with the metadata that a model hub reads."""
    model, loss = facts.config.model, facts.config.loss
    rows = [
        f"| {split} | {count(ads['product_id'].n_unique())} | {count(ads.height)} "
        f"| {count(facts.pairs.filter(pl.col('split') == split).height)} "
        f"| {count(int(ads['n_impressions'].sum()))} | {count(int(ads['n_clicks'].sum()))} |"
        for split in ("train", "val", "test")
        for ads in [facts.ads.filter(pl.col("split") == split)]
    ]
    figures = [f"| {name} | {percent(value)} |" for name, value in sorted(facts.metrics.items())]
    rules = ", ".join(sorted(facts.pairs["filter"].unique()))
    blind = [] if model.reads_title else ["It is blind to titles, for comparison."]
    blind += ["It takes the kind of product from its category."] if model.reads_category else []
    blind += ["It is blind to the middle of every picture."] if model.hides_product else []
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            "tags: [reward-model, click-through-rate, image]",
            "---",
            "",
            "# Reward model of ad pictures",
            "",
            "Given two ads of one product, the probability that the left one has the higher "
            f"click-through rate. {facts.n_parameters:,} weights, {_reader(model)}, "
            f"pictures of {model.image_size} px; {LAYOUTS[model.layout]}",
            *blind,
            "",
            "## Data",
            "",
            f"Pairs of run {facts.pairs_run} (rule {rules}), ads of run {facts.data_run}. Splits "
            "are by product. The test split was not looked at in training or in choosing.",
            "",
            "| split | products | ads | pairs | impressions | clicks |",
            "|---|--:|--:|--:|--:|--:|",
            *rows,
            "",
            "## Training",
            "",
            f"Pair loss: {loss.pair_target}, weight {loss.pair:g}; squared error of log-CTR, "
            f"weight {loss.point:g}; kind of product, weight {loss.kind:g}; phrases of captions, "
            f"weight {loss.caption:g}. Seed {facts.config.seed}. {_choice(facts)}",
            "",
            *_liked(facts.likes),
            "## Figures on the validation pairs",
            "",
            "They chose the epoch, so they flatter. Judge on test pairs: `caig score`, "
            "`caig evaluate`.",
            "",
            "| figure | value |",
            "|---|--:|",
            *figures,
            "",
            "## Limits",
            "",
            "- It learned what the users behind its data clicked on. Other users, another shop or "
            "another season may differ.",
            "- Scores compare ads of one product. Between products they mean nothing.",
            "- Clicks are not purchases, and a model of clicks knows nothing of truth, taste or "
            "law: what it likes has to be looked at.",
            "- Labels are observed click-through rates with their noise; accuracy is to be read "
            "against the ceiling that this noise sets.",
            "- A model trained on a simulated shop shows that the machinery works. It is no "
            "evidence about any real shop.",
            "",
        ]
    )
