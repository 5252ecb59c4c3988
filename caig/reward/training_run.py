"""A run of training: from a run of pairs to a checkpoint with its card."""

import io
import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from caig.contracts.creatives import CREATIVE_PAIRS
from caig.data.sources import data_run
from caig.errors import ConfigError, DataError
from caig.reward.card import CardFacts, model_card
from caig.reward.config import RewardConfig
from caig.reward.dataset import Ads, Products
from caig.reward.model import SiameseRewardConfig, SiameseRewardModel
from caig.reward.pictures import ads_of_pairs
from caig.reward.score import CHECKPOINT, fitted_order_scale, judge_pairs, score_ads
from caig.reward.scoring_run import unfinished_run
from caig.reward.titles import learned_vocabulary
from caig.reward.towers import PatchTower
from caig.reward.train import STATE, Progress, new_accelerator, train
from caig.runs.store import Run, RunWriter

PICTURES_OF_PATCHES = 2000
"""Training pictures that a dictionary of patches is learned from."""


def train_run(
    pairs_run: Run, config: RewardConfig, *, runs: Path, resume: str | None
) -> Path | None:
    """Train a reward model and write its run.

    Args:
        pairs_run: Run of pairs.
        config: Configuration.
        runs: Folder of all runs.
        resume: Id of a run of the same configuration that was interrupted.

    Returns:
        Folder of the new run; None in processes other than the first.

    Raises:
        DataError: There is no training pair, or a picture cannot be read.
    """
    import torch
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    if config.model.layout != "siamese":
        raise ConfigError("model.layout: 'side_by_side' needs a multimodal LLM: not available here")
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    state = None if resume is None else unfinished_run(runs, resume) / STATE
    source = data_run(pairs_run)
    pairs = pairs_run.table(CREATIVE_PAIRS.name)
    table = ads_of_pairs(pairs, source.path)
    model = new_model(table, config)
    ads, products = _of_split("train", pairs, table, model.config, config)
    learn_patches(model, ads, seed=config.seed)
    validation = _of_split("val", pairs, table, model.config, config)
    if not len(products):
        raise DataError(f"{pairs_run.path}: no pair of split 'train'")
    accelerator = new_accelerator()
    with ExitStack() as stack:
        run = None
        if accelerator.is_main_process:
            inputs = {"pairs": pairs_run}
            writer = RunWriter(runs, "train-rm", config, inputs=inputs, seed=config.seed)
            run = stack.enter_context(writer)
        columns = (
            TextColumn("Training, step {task.completed}"),
            BarColumn(),
            TimeRemainingColumn(),
        )
        bar = stack.enter_context(Bar(*columns, transient=True, disable=run is None))
        task = bar.add_task("training")
        progress = train(
            model,
            ads,
            products,
            validation,
            config,
            accelerator=accelerator,
            folder=None if run is None else run.path,
            resume=state,
            report=lambda row: None if run is None else run.log("epoch", **row),
            advance=lambda step, total: bar.update(task, completed=step, total=total),
        )
        if run is None:
            return None
        metrics = _finish(model, progress, validation)
        facts = CardFacts(
            config,
            pairs_run.run_id,
            source.run_id,
            table,
            pairs,
            metrics,
            progress.best_epoch,
            sum(weight.numel() for weight in model.parameters()),
        )
        _write_checkpoint(run, model, model_card(facts))
        history = io.StringIO()
        history.writelines(json.dumps(row) + "\n" for row in progress.history)
        run.write_text(
            "training_history", "training_history.jsonl", history.getvalue(), "application/jsonl"
        )
        for name, value in metrics.items():
            run.add_metric(name, value)
        run.add_metric("best_epoch", progress.best_epoch)
        (run.path / STATE).unlink()
    return run.path


def new_model(table: pl.DataFrame, config: RewardConfig) -> SiameseRewardModel:
    """An untrained model whose kinds, words and scale of log-CTR are those of the training ads.

    Args:
        table: Ads as ``ads_of_pairs`` gives them.
        config: Configuration.
    """
    import torch

    training = table.filter(pl.col("split") == "train")
    clicked = training.filter(pl.col("n_clicks") > 0)
    log_ctr = np.log(clicked["n_clicks"].to_numpy() / clicked["n_impressions"].to_numpy())
    titles = training.unique("product_id")["title"]
    settings = config.model
    torch.manual_seed(config.seed)
    shape = SiameseRewardConfig(
        backbone=settings.backbone,
        patches=settings.patches,
        widths=settings.widths,
        look_size=settings.look_size,
        image_size=settings.image_size,
        kinds=tuple(sorted(training["category"].unique())),
        vocabulary=tuple(learned_vocabulary(titles, size=settings.vocabulary_size)),
        reads_title=settings.reads_title,
        reads_category=settings.reads_category,
        hides_product=settings.hides_product,
        log_ctr_mean=float(log_ctr.mean()) if log_ctr.size else 0.0,
        log_ctr_sd=float(log_ctr.std()) or 1.0 if log_ctr.size else 1.0,
        buckets=config.loss.buckets,
        dropout=settings.dropout,
    )
    model = SiameseRewardModel.from_scratch(shape)
    if settings.lora_rank:
        model.add_adapters(settings.lora_rank)
    return model


def learn_patches(model: SiameseRewardModel, ads: Ads, *, seed: int) -> None:
    """Learn the dictionary of a model that has one, from some of the training pictures.

    Args:
        model: A new model.
        ads: Training ads.
        seed: Seed of which pictures.
    """
    if isinstance(model.tower, PatchTower):
        n = len(ads.ctr)
        some = np.random.default_rng([seed, 2]).permutation(n)[:PICTURES_OF_PATCHES]
        model.tower.dictionary.learn(ads.pixels(some), seed=seed)


def _of_split(
    split: str,
    pairs: pl.DataFrame,
    table: pl.DataFrame,
    shape: SiameseRewardConfig,
    config: RewardConfig,
) -> tuple[Ads, Products]:
    some = table.filter(pl.col("split") == split)
    ads = Ads(some, shape, cache_mb=config.train.picture_cache_mb)
    return ads, Products(pairs.filter(pl.col("split") == split), some)


def _finish(
    model: SiameseRewardModel, progress: Progress, validation: tuple[Ads, Products]
) -> dict[str, float]:
    """Merge adapters, fit the scale of the order; figures on the validation pairs."""
    model.merge_adapters()
    ads, pairs = validation
    if not len(pairs):
        return {}
    score = score_ads(model, ads).score
    ctr = ads.ctr.numpy()
    target = (1 + np.sign(ctr[pairs.left] - ctr[pairs.right])) / 2
    model.config.order_scale = fitted_order_scale(score[pairs.left] - score[pairs.right], target)
    judged = judge_pairs(score, ads, pairs)
    found = {"val_accuracy": judged.accuracy, "val_accuracy_ge_20": judged.accuracy_ge_20}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _write_checkpoint(run: RunWriter, model: SiameseRewardModel, card: str) -> None:
    """As ``save_pretrained`` writes it, every file an artifact of the run."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    (run.path / CHECKPOINT).mkdir()
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        (Path(folder) / "README.md").write_text(card, encoding="utf-8")
        for file in sorted(Path(folder).iterdir()):
            relative = f"{CHECKPOINT}/{file.name}"
            run.write_bytes(relative, relative, file.read_bytes(), "application/octet-stream")
