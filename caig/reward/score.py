"""A trained reward model as a ``PairScorer``; and the scorers that a text names.

Every ad is scored once, alone, whatever number of pairs it is in. The two presentations of a pair
therefore have the same answer; both are stored, so that the flip rate is measured like any other's.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from caig.contracts.creatives import PAIR_SCORES
from caig.contracts.protocols import PairScorer
from caig.contracts.table import check
from caig.errors import ArtifactError, CaigError, ConfigError
from caig.reward.dataset import Ads, Products
from caig.reward.model import SiameseRewardModel
from caig.reward.pictures import ads_of_pairs
from caig.runs.catalog import find_run
from caig.runs.store import Run

Floats = NDArray[np.float64]

CHECKPOINT = "checkpoint"
"""Folder of the model in its run."""

PRESENTATIONS = ("as_is", "swapped")

NEWTON_STEPS = 50


class Scored(NamedTuple):
    """What a model says of A ads.

    Attributes:
        score: (A,) only differences within a product mean anything.
        log_ctr: (A,) standardised log-CTR.
    """

    score: Floats
    log_ctr: Floats


class Judged(NamedTuple):
    """How often a model is right on pairs; a tie is half right.

    Attributes:
        accuracy: Share of all pairs.
        accuracy_ge_20: Share of the pairs whose CTRs differ by at least 20 %; NaN without one.
    """

    accuracy: float
    accuracy_ge_20: float


def score_ads(model: SiameseRewardModel, ads: Ads, *, batch_size: int = 64) -> Scored:
    """Score all ads, a batch at a time, on the device that the model is on.

    Raises:
        DataError: A picture cannot be read.
    """
    import torch

    model.train(mode=False)
    found = []
    with torch.inference_mode():
        for start in range(0, len(ads.ctr), batch_size):
            rows = range(start, min(start + batch_size, len(ads.ctr)))
            titles = ads.title_features(rows).to(model.device)
            if model.sees_once:
                seen = ads.seen(model, rows, [False] * len(rows)).to(model.device)
                out = model(title_features=titles, seen=seen)
            else:
                out = model(ads.pixels(rows).to(model.device), titles)
            found.append(torch.stack([out.score, out.log_ctr]).double().cpu().numpy())
    return Scored(*np.concatenate(found, axis=1))


def judge_pairs(score: Floats, ads: Ads, pairs: Products) -> Judged:
    """Compare the order of scores with the order of the observed CTRs."""
    ctr = ads.ctr.numpy()
    observed = np.sign(ctr[pairs.left] - ctr[pairs.right])
    said = np.sign(score[pairs.left] - score[pairs.right])
    right = (1 + observed * said) / 2
    higher = np.maximum(ctr[pairs.left], ctr[pairs.right])
    is_clear = higher >= 1.2 * np.minimum(ctr[pairs.left], ctr[pairs.right])
    clear = float(right[is_clear].mean()) if is_clear.any() else float("nan")
    return Judged(float(right.mean()), clear)


def fitted_order_scale(difference: Floats, left_is_better: Floats) -> float:
    """Scale that makes sigma(scale * difference) a probability of the order: maximum likelihood.

    Platt's scaling (1999) without a constant, which would favour a side. Scores of a model that
    learned shares of clicks differ by log-CTR ratios; how sure an order is, is another scale.

    Args:
        difference: (P,) score of the left minus that of the right.
        left_is_better: (P,) 1, 0, or 1/2 for a tie.

    Returns:
        The scale, at least 0.01; 100 at most, as orders that are all right have none.
    """
    spread = float(np.sqrt(np.mean(difference**2)))
    if not spread:
        return 1.0
    x, log_scale = difference / spread, 0.0
    for _ in range(NEWTON_STEPS):  # in log(scale), where the likelihood is well behaved
        scale = np.exp(log_scale)
        p = 0.5 * (1 + np.tanh(scale * x / 2))
        slope = np.sum((p - left_is_better) * scale * x)
        curvature = np.sum(p * (1 - p) * (scale * x) ** 2)
        log_scale = float(np.clip(log_scale - np.clip(slope / max(curvature, 1e-9), -1, 1), -5, 5))
    return float(np.clip(np.exp(log_scale) / spread, 0.01, 100.0))


class RewardModelScorer:
    """A reward model's answers to pairs.

    Args:
        model: A trained model.
        name: Name of the scorer in the table of scores.
        batch_size: Ads scored at once; no score depends on it.
    """

    def __init__(self, model: SiameseRewardModel, *, name: str, batch_size: int = 64) -> None:
        self.name = name
        self.model = model
        self._batch_size = batch_size

    @classmethod
    def from_run(cls, run: Run, *, batch_size: int = 64) -> "RewardModelScorer":
        """The model of a training run, on a GPU where there is one.

        Raises:
            ArtifactError: The run holds no reward model.
        """
        import torch

        folder = run.path / CHECKPOINT
        if not (folder / "config.json").is_file():
            raise ArtifactError(f"{run.path}: it holds no reward model; make one: caig train-rm")
        model = SiameseRewardModel.from_pretrained(folder, use_safetensors=True)
        model.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]
        return cls(model, name=f"run:{run.run_id}", batch_size=batch_size)

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run that the pairs were made from.

        Returns:
            ``pair_scores/1``: two rows a pair, in the order of ``pairs``.

        Raises:
            DataError: An ad is not in the data run, or a picture cannot be read.
        """
        config = self.model.config
        table = ads_of_pairs(pairs, images)
        found = score_ads(self.model, Ads(table, config, cache_mb=0), batch_size=self._batch_size)
        ctr_hat = np.exp(found.log_ctr * config.log_ctr_sd + config.log_ctr_mean)
        answers = table.select("creative_id", score=found.score, ctr_hat=np.minimum(ctr_hat, 1.0))
        both = pairs.select("pair_id", "left_id", "right_id")
        for side in ("left", "right"):
            named = answers.rename(
                {"creative_id": f"{side}_id", "score": side, "ctr_hat": f"{side}_ctr_hat"}
            )
            both = both.join(named, on=f"{side}_id", how="left", maintain_order="left")
        difference = (both["left"] - both["right"]).to_numpy() * config.order_scale
        p_left = 0.5 * (1 + np.tanh(difference / 2))
        shown = both.with_columns(
            scorer=pl.lit(self.name),
            p_left=p_left,
            presentation=pl.lit(list(PRESENTATIONS)),
        ).explode("presentation")
        return check(shown.select(PAIR_SCORES.schema.names()), PAIR_SCORES, source=self.name)


REGISTRY = "reference_models.registry"
"""Knows the scorers ``ref:...`` and ``api:...``; a text, as this package imports no other."""


def scorer_from_text(
    text: str, *, runs: Path, batch_size: int, options: Sequence[str] = ()
) -> PairScorer:
    """The scorer that a text names.

    Args:
        text: ``run:ID``, a reward model of ``caig train-rm``; ``ref:NAME``, a ruler, or
            ``ref:vam:ID``, ``ref:cg4ctr:ID``; ``api:PROVIDER:MODEL``; or ``module:Class`` or
            ``module:Class:argument``, any class that is a ``PairScorer``.
        runs: Folder of all runs.
        batch_size: Ads scored at once by a reward model.
        options: Settings of a model behind an API, each ``key=value``.

    Raises:
        ConfigError: The text names nothing that scores pairs.
        ArtifactError: No such run, or it holds no reward model.
    """
    kind, _, rest = text.partition(":")
    if not rest:
        raise ConfigError(
            f"--scorer {text}: write run:ID, ref:NAME[:ID], api:PROVIDER:MODEL or "
            "module:Class[:argument]"
        )
    if kind == "run":
        return RewardModelScorer.from_run(find_run(runs, rest), batch_size=batch_size)
    if kind in ("ref", "api"):
        loaded: PairScorer = importlib.import_module(REGISTRY).load_scorer(
            text, runs=runs, overrides=options
        )
        return loaded
    if options:
        raise ConfigError(f"--scorer {text}: options are for models behind an API; leave them out")
    class_name, _, argument = rest.partition(":")
    try:
        made: Any = getattr(importlib.import_module(kind), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"--scorer {text}: {error}") from None
    arguments: Sequence[str] = (argument,) if argument else ()
    try:
        scorer: PairScorer = made(*arguments)
    except TypeError as error:
        raise CaigError(f"--scorer {text}: {error}") from None
    if not callable(getattr(scorer, "score_pairs", None)):
        raise ConfigError(f"--scorer {text}: it has no score_pairs")
    return scorer
