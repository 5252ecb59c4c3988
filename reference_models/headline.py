"""The headline model as a run and as a ``PairScorer``: chosen on validation pairs, then fitted.

The text counterpart of VAM and CG4CTR, for ads that are words. What it is made of is in
``headline_features``, how it is fitted in ``headline_model``. Nothing in it is random: the same
data give the same scores, so there is no seed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.contracts.creatives import SPLITS
from caig.data.pairs import Tally, pair_batches
from caig.errors import DataError
from caig.reward.order_scale import fitted_order_scale
from caig.runs.store import Run
from reference_models.baseline_runs import open_baseline, weights_of
from reference_models.headline_config import HeadlineConfig
from reference_models.headline_folds import fold_of, split_by_fold
from reference_models.headline_model import Features, HeadlineModel
from reference_models.pictures import of_pairs
from reference_models.pointwise import at_pairs, pair_scores, sigmoid

Floats = NDArray[np.float64]

MODEL = "headline"


class Tried(NamedTuple):
    """One strength on the validation pairs.

    Attributes:
        strength: As of :meth:`Features.fit`.
        pair_accuracy: Share of pairs whose observed order is right; a tie is half right.
        log_loss: Mean negative log-probability of the observed order (nats).
        order_scale: Scale that makes differences of scores log-odds of the order.
    """

    strength: float
    pair_accuracy: float
    log_loss: float
    order_scale: float


class Trained(NamedTuple):
    """A model and how it was chosen.

    Attributes:
        model: Fitted with the strength kept, to validation ads too unless the configuration says
            otherwise.
        tried: Every strength, fitted on training ads alone.
        kept: The one of least log-loss.
        n_pairs: Validation pairs.
    """

    model: HeadlineModel
    tried: list[Tried]
    kept: Tried
    n_pairs: int


def headline_ads(run: Run) -> pl.DataFrame:
    """The headlines of a data run with their counts and splits.

    Returns:
        Columns of ``headlines/1`` and n_impressions, n_clicks, category, split.

    Raises:
        ArtifactError: It holds no headlines.
    """
    counts, products = run.table("creative_counts"), run.table("products")
    return (
        run.table("headlines")
        .join(counts, on="creative_id")
        .join(products.select("product_id", "category", "split"), on="product_id")
    )


def train_headline(
    ads: pl.DataFrame, config: HeadlineConfig, *, tell: Callable[[Tried], None] = lambda _: None
) -> Trained:
    """Choose a strength on the validation pairs, then fit the model to keep.

    Args:
        ads: As of :func:`headline_ads`; those of the test split are not looked at.
        config: What counts, and which strengths are tried.
        tell: Told of each.

    Raises:
        DataError: There is nothing to train on, or no pair to choose on.
    """
    shown = ads.filter(pl.col("n_impressions") > config.min_impressions)
    by_split = {split: shown.filter(pl.col("split") == split) for split in SPLITS}
    for split in ("train", "val"):
        if by_split[split].is_empty():
            raise DataError(
                f"no ad of the split '{split}' has more than {config.min_impressions:,} impressions"
            )
    left, right, left_won = _pairs(by_split["val"])
    features = Features(by_split["train"], config)
    tried = []
    for strength in config.strengths:
        score = features.fit(strength).score(by_split["val"]["headline"].to_list())
        difference = score[left] - score[right]
        scale = fitted_order_scale(difference, left_won)
        margin = scale * difference * (2 * left_won - 1)
        accuracy = float(((1 + np.sign(margin)) / 2).mean())
        tried.append(Tried(strength, accuracy, float(np.logaddexp(0, -margin).mean()), scale))
        tell(tried[-1])
    kept = min(tried, key=lambda one: one.log_loss)
    if config.learn_from_val:
        features = Features(pl.concat([by_split["train"], by_split["val"]]), config)
    return Trained(features.fit(kept.strength), tried, kept, left.size)


def train_folds(
    ads: pl.DataFrame, config: HeadlineConfig, *, tell: Callable[[Tried], None] = lambda _: None
) -> list[Trained]:
    """One model by the ads' splits, or cross-fitted one a fold, whatever the splits are.

    Args:
        ads: As of :func:`headline_ads`.
        config: What counts; folds.
        tell: Told of each strength tried.

    Raises:
        DataError: As by :func:`train_headline`.
    """
    if not config.folds:
        return [train_headline(ads, config, tell=tell)]
    return [
        train_headline(split_by_fold(ads, fold, config.folds), config, tell=tell)
        for fold in range(config.folds)
    ]


class HeadlineScorer:
    """A trained headline model as a ``PairScorer``; it predicts an order, and no CTR.

    Where it is cross-fitted, the model that answers has not seen the story that is asked about.

    Args:
        run: Folder of a run of ``caig train-baseline headline``.

    Raises:
        ArtifactError: It is no such run, or its weights are altered.
    """

    def __init__(self, run: Path | str) -> None:
        opened = open_baseline(Path(run), MODEL)
        self.name = f"ref:{MODEL}:{opened.run_id}"
        self.config = HeadlineConfig.model_validate(opened.manifest.config)
        weights = pl.read_parquet(weights_of(opened))
        history = pl.read_parquet(opened.file("training_history")).filter(pl.col("kept"))
        self.models = [
            HeadlineModel(weights.filter(pl.col("fold") == fold), self.config)
            for fold in history["fold"]
        ]
        self._scales = history["order_scale"].to_numpy()

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run the pairs were made from.

        Returns:
            ``pair_scores/1``: two rows a pair, in the order of ``pairs``.

        Raises:
            ArtifactError: ``images`` is no data run, or one without headlines.
            DataError: An ad is missing.
        """
        ads = of_pairs(pairs, Run.open(images).table("headlines"))
        fold = np.zeros(ads.height, np.int64)
        if self.config.folds:
            fold = fold_of(ads["story_id"], self.config.folds)
        scores = np.zeros(ads.height)
        for number, model in enumerate(self.models):
            scores[fold == number] = self._scales[number] * model.score(
                ads["headline"].filter(pl.Series(fold == number)).to_list()
            )
        left, right = at_pairs(pairs, ads["creative_id"], scores)
        return pair_scores(pairs, self.name, sigmoid(left - right))


def _pairs(ads: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Pairs of ads of one product with another CTR, as rows; and which was clicked more.

    Raises:
        DataError: There is none.
    """
    nothing = pl.lit(1.0)  # of a posterior, which is not asked for here
    sorted_ads = ads.with_row_index("place").sort("product_id", "creative_id")
    prepared = sorted_ads.with_columns(
        image_sha256=pl.col("creative_id"), posterior_a=nothing, posterior_b=nothing
    )
    batches = list(pair_batches(prepared, "any", Tally()))
    if not batches:
        raise DataError("no validation product has two ads with clicks, to choose a strength on")
    pairs = pl.concat(batches)
    place = dict(ads.with_row_index("place").select("creative_id", "place").iter_rows())
    left, right = (
        np.array([place[name] for name in pairs[side]], dtype=np.int64)
        for side in ("left_id", "right_id")
    )
    return left, right, (pairs["left_ctr"] > pairs["right_ctr"]).to_numpy().astype(np.float64)
