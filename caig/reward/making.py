"""A model that is to be trained: new, over a multimodal language model, or an earlier one.

What it keeps of the data - kinds, words, phrases, the scale of log-CTR - is of the training ads.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.errors import ArtifactError, DataError
from caig.reward.captions import learned_phrases
from caig.reward.config import RewardConfig
from caig.reward.mllm_model import MllmRewardConfig, MllmRewardModel
from caig.reward.model import SiameseRewardConfig, SiameseRewardModel
from caig.reward.score import CHECKPOINT, RewardModel
from caig.reward.titles import learned_vocabulary
from caig.runs.catalog import find_run
from caig.runs.store import Run


class Base(NamedTuple):
    """The multimodal language model that a reward model is made over.

    Attributes:
        checkpoint: Folder or hub name.
        run: Run that it is of; None for any other.
    """

    checkpoint: str
    run: Run | None


def mllm_base(name: str, runs: Path) -> Base | None:
    """What ``model.mllm`` names; None where it names nothing.

    Raises:
        ArtifactError: No such run, or it holds no checkpoint.
    """
    if not name:
        return None
    if not name.startswith("run:"):
        return Base(name, None)
    run = checkpoint_run(name, runs, made_by="pretrain")
    return Base(str(run.path / CHECKPOINT), run)


def checkpoint_run(name: str, runs: Path, *, made_by: str) -> Run:
    """The run that ``run:ID`` names.

    Raises:
        ArtifactError: No such run, or it holds no checkpoint.
    """
    run = find_run(runs, name.removeprefix("run:"))
    if not (run.path / CHECKPOINT / "config.json").is_file():
        raise ArtifactError(f"{run.path}: it holds no checkpoint; make one: caig {made_by}")
    return run


def earlier_model(run: Run, table: pl.DataFrame, config: RewardConfig) -> SiameseRewardModel:
    """The model of an earlier run, to be trained on other ads.

    Args:
        run: The earlier run.
        table: Ads as ``ads_of_pairs`` gives them.
        config: Configuration; of its model, what is read and hidden counts.
    """
    model = SiameseRewardModel.from_pretrained(run.path / CHECKPOINT, use_safetensors=True)
    for name in ("reads_title", "reads_category", "hides_product"):
        setattr(model.config, name, getattr(config.model, name))
    model.config.log_ctr_mean, model.config.log_ctr_sd = _log_ctr_scale(table)
    return model


def _log_ctr_scale(table: pl.DataFrame) -> tuple[float, float]:
    """Mean and spread of log-CTR over the training ads that were clicked."""
    clicked = table.filter(pl.col("split") == "train", pl.col("n_clicks") > 0)
    log_ctr = np.log(clicked["n_clicks"].to_numpy() / clicked["n_impressions"].to_numpy())
    if not log_ctr.size:
        return 0.0, 1.0
    return float(log_ctr.mean()), float(log_ctr.std()) or 1.0


def new_model(
    table: pl.DataFrame, config: RewardConfig, *, base: Base | None = None
) -> RewardModel:
    """An untrained model whose kinds, words and scale of log-CTR are those of the training ads.

    Args:
        table: Ads as ``ads_of_pairs`` gives them.
        config: Configuration.
        base: Multimodal language model that it is made over; None for a small net or a tower.
    """
    import torch

    training = table.filter(pl.col("split") == "train")
    titles = training.unique("product_id")["title"]
    phrases = learned_phrases(training["caption"]) if config.loss.caption else []
    if config.loss.caption_epochs and not phrases:
        raise DataError("loss.caption_epochs: the data run has no captions; set it to 0")
    settings = config.model
    torch.manual_seed(config.seed)
    log_ctr_mean, log_ctr_sd = _log_ctr_scale(table)
    if base is not None:
        over = MllmRewardConfig(
            layout=settings.layout,
            image_size=settings.image_size,
            joins_pictures=settings.joins_pictures,
            phrases=tuple(phrases),
            reads_title=settings.reads_title,
            reads_category=settings.reads_category,
            hides_product=settings.hides_product,
            log_ctr_mean=log_ctr_mean,
            log_ctr_sd=log_ctr_sd,
        )
        # Weights that stay as they are need no more precision than they have.
        is_half = bool(settings.lora_rank) and torch.cuda.is_available()
        dtype = torch.bfloat16 if is_half else torch.float32
        mllm = MllmRewardModel.from_base(base.checkpoint, over, dtype=dtype)
        if settings.lora_rank:
            mllm.add_adapters(settings.lora_rank)
        if not settings.trains_tower:
            mllm.freeze_tower()
        return mllm
    shape = SiameseRewardConfig(
        backbone=settings.backbone,
        widths=settings.widths,
        look_size=settings.look_size,
        image_size=settings.image_size,
        kinds=tuple(sorted(training["category"].unique())),
        vocabulary=tuple(learned_vocabulary(titles, size=settings.vocabulary_size)),
        phrases=tuple(phrases),
        reads_title=settings.reads_title,
        reads_category=settings.reads_category,
        hides_product=settings.hides_product,
        log_ctr_mean=log_ctr_mean,
        log_ctr_sd=log_ctr_sd,
        buckets=config.loss.buckets,
        dropout=settings.dropout,
    )
    model = SiameseRewardModel.from_scratch(shape)
    if settings.lora_rank:
        model.add_adapters(settings.lora_rank)
    return model
