"""A trained reward model as a ``PairScorer``; and the scorers that a text names.

A siamese model scores every ad once, alone, whatever number of pairs it is in. The two
presentations of a pair therefore have the same answer; both are stored, so that the flip rate is
measured like any other's. A model that is shown both ads at once is asked in both presentations.
"""

import importlib
import json
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
from caig.reward.dataset import Ads, Ints, Products
from caig.reward.mllm_ads import MllmAds
from caig.reward.mllm_model import MllmRewardModel
from caig.reward.model import SiameseRewardModel
from caig.reward.pictures import ads_of_pairs
from caig.reward.side_by_side import Decided, decide_pairs
from caig.runs.catalog import find_run
from caig.runs.store import Run

Floats = NDArray[np.float64]

CHECKPOINT = "checkpoint"
"""Folder of the model in its run."""

PRESENTATIONS = ("as_is", "swapped")

CACHE_MB = 512
"""Decoded pictures kept in memory while pairs are scored."""


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


RewardModel = SiameseRewardModel | MllmRewardModel
AnyAds = Ads | MllmAds


def read_ads(table: pl.DataFrame, model: RewardModel, *, cache_mb: int) -> AnyAds:
    """Ads as a model reads them.

    Args:
        table: Ads as ``ads_of_pairs`` gives them.
        model: The model.
        cache_mb: Decoded pictures kept in memory (MB).
    """
    if isinstance(model, MllmRewardModel):
        return MllmAds(table, model, cache_mb=cache_mb)
    return Ads(table, model.config, cache_mb=cache_mb)


def score_ads(model: RewardModel, ads: AnyAds, *, batch_size: int = 64) -> Scored:
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
            read = ads.inputs(rows)
            out = model(**{name: tensor.to(model.device) for name, tensor in read.items()})
            found.append(torch.stack([out.score, out.log_ctr]).double().cpu().numpy())
    return Scored(*np.concatenate(found, axis=1))


def decide(
    model: RewardModel, ads: AnyAds, shown: Ints, *, batch_size: int = 64
) -> tuple[Decided, Decided]:
    """What a model says of pairs, as they are and swapped.

    Args:
        model: The model, on its device.
        ads: Ads.
        shown: (P, 2) left and right ad of each pair, as rows of ``ads``.
        batch_size: Ads, or pairs, at a time.

    Raises:
        DataError: A picture cannot be read.
    """
    if isinstance(model, MllmRewardModel) and model.config.layout == "side_by_side":
        assert isinstance(ads, MllmAds)
        as_is, swapped = (
            decide_pairs(model, ads, shown, is_swapped=swap, batch_size=batch_size)
            for swap in (False, True)
        )
        return as_is, swapped
    found = score_ads(model, ads, batch_size=batch_size)
    score = found.score[shown]
    one = Decided(score[:, 0] - score[:, 1], found.log_ctr[shown])
    return one, one


def preferences(model: RewardModel, ads: AnyAds, pairs: Products) -> Floats:
    """(P,) by how much a model prefers the left ad of each pair: mean of both presentations."""
    both = decide(model, ads, np.stack([pairs.left, pairs.right], axis=1))
    return np.asarray(np.mean([one.difference for one in both], axis=0))


def judge_pairs(preference: Floats, ads: AnyAds, pairs: Products) -> Judged:
    """Compare the sides that are preferred with the order of the observed CTRs."""
    ctr = ads.ctr.numpy()
    observed = np.sign(ctr[pairs.left] - ctr[pairs.right])
    right = (1 + observed * np.sign(preference)) / 2
    higher = np.maximum(ctr[pairs.left], ctr[pairs.right])
    is_clear = higher >= 1.2 * np.minimum(ctr[pairs.left], ctr[pairs.right])
    clear = float(right[is_clear].mean()) if is_clear.any() else float("nan")
    return Judged(float(right.mean()), clear)


def judge_model(model: RewardModel, ads: AnyAds, pairs: Products) -> Judged:
    """How often a model is right."""
    return judge_pairs(preferences(model, ads, pairs), ads, pairs)


class RewardModelScorer:
    """A reward model's answers to pairs.

    Args:
        model: A trained model.
        name: Name of the scorer in the table of scores.
        batch_size: Ads scored at once; no score depends on it.
    """

    def __init__(self, model: RewardModel, *, name: str, batch_size: int = 64) -> None:
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
        kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
        known: dict[str, Any] = {
            one.config_class.model_type: one for one in (SiameseRewardModel, MllmRewardModel)
        }
        if kind not in known:
            raise ArtifactError(f"{folder}: a model of type '{kind}' is no reward model")
        model = known[kind].from_pretrained(folder, use_safetensors=True)
        model.to("cuda" if torch.cuda.is_available() else "cpu")
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
        places = {name: row for row, name in enumerate(table["creative_id"])}
        shown = np.array(
            [[places[name] for name in row] for row in pairs.select("left_id", "right_id").rows()]
        ).reshape(-1, 2)
        ads = read_ads(table, self.model, cache_mb=CACHE_MB)
        both = decide(self.model, ads, shown, batch_size=self._batch_size)
        parts = []
        for presentation, said in zip(PRESENTATIONS, both, strict=True):
            ctr_hat = np.exp(said.log_ctr * config.log_ctr_sd + config.log_ctr_mean)
            answers = pairs.select(
                "pair_id",
                scorer=pl.lit(self.name),
                presentation=pl.lit(presentation),
                p_left=0.5 * (1 + np.tanh(said.difference * config.order_scale / 2)),
                left_ctr_hat=np.minimum(ctr_hat[:, 0], 1.0),
                right_ctr_hat=np.minimum(ctr_hat[:, 1], 1.0),
            )
            parts.append(answers.with_row_index("place"))
        scores = pl.concat(parts).sort("place", maintain_order=True)
        return check(scores.select(PAIR_SCORES.schema.names()), PAIR_SCORES, source=self.name)


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
