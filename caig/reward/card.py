"""The card of a trained reward model: data, figures, limits; written beside the weights."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from caig.reward.config import RewardConfig
from caig.text import count, percent


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
    """

    config: RewardConfig
    pairs_run: str
    data_run: str
    ads: pl.DataFrame
    pairs: pl.DataFrame
    metrics: Mapping[str, float]
    best_epoch: int
    n_parameters: int


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
    blind += ["It reads the category's name with the title."] if model.reads_category else []
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
            f"click-through rate. {facts.n_parameters:,} weights, backbone {model.backbone}, "
            f"pictures of {model.image_size} px; each ad is scored alone, and the difference of "
            "two scores decides.",
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
            f"weight {loss.point:g}; kind of product, weight {loss.kind:g}. Seed "
            f"{facts.config.seed}. Of {facts.config.train.epochs} epochs, number "
            f"{facts.best_epoch} was the best on the "
            "validation pairs and was kept.",
            "",
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
