"""A run of training: from a run of pairs to a checkpoint with its card."""

import io
import json
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from caig.contracts.creatives import CREATIVE_PAIRS
from caig.data.sources import data_run
from caig.errors import DataError
from caig.reward.card import CardFacts, model_card
from caig.reward.config import RewardConfig
from caig.reward.dataset import Products
from caig.reward.last_layer import solve_last_layer
from caig.reward.likes import likes_of
from caig.reward.making import checkpoint_run, earlier_model, mllm_base, new_model
from caig.reward.model import SiameseRewardModel
from caig.reward.order_scale import fitted_order_scale
from caig.reward.pictures import ads_of_pairs
from caig.reward.score import (
    CHECKPOINT,
    AnyAds,
    RewardModel,
    judge_pairs,
    preferences,
    read_ads,
)
from caig.reward.scoring_run import unfinished_run
from caig.reward.train import STATE, new_accelerator, train
from caig.runs.store import Run, RunWriter


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

    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    state = None if resume is None else unfinished_run(runs, resume) / STATE
    source = data_run(pairs_run)
    pairs = pairs_run.table(CREATIVE_PAIRS.name)
    table = ads_of_pairs(pairs, source.path)
    base = mllm_base(config.model.mllm, runs)
    if config.model.start:
        earlier = checkpoint_run(config.model.start, runs, made_by="train-rm")
        model: RewardModel = earlier_model(earlier, table, config)
    else:
        model = new_model(table, config, base=base)
    ads, products = _of_split("train", pairs, table, model, config)
    chosen = validation_pairs(pairs, config.train.validation_products)
    validation = _of_split("val", chosen, table, model, config)
    if not len(products):
        raise DataError(f"{pairs_run.path}: no pair of split 'train'")
    accelerator = new_accelerator()
    with ExitStack() as stack:
        run = None
        if accelerator.is_main_process:
            inputs = {"pairs": pairs_run}
            if base is not None and base.run is not None:
                inputs["mllm"] = base.run
            if config.model.start:
                inputs["start"] = earlier
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
        metrics = _finish(model, (ads, products), validation, config)
        facts = CardFacts(
            config,
            pairs_run.run_id,
            source.run_id,
            table,
            pairs,
            metrics,
            progress.best_epoch,
            sum(weight.numel() for weight in model.parameters()),
            likes_of(model),
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
        (run.path / STATE).unlink(missing_ok=True)  # none where all steps had been done before
    return run.path


def validation_pairs(pairs: pl.DataFrame, n_products: int) -> pl.DataFrame:
    """The pairs of ``n_products`` validation products, drawn once and for all; 0 takes all."""
    some = pairs.filter(pl.col("split") == "val")
    names = some["product_id"].unique().sort()
    if not 0 < n_products < len(names):
        return some
    return some.filter(pl.col("product_id").is_in(names.sample(n_products, seed=0).implode()))


def _of_split(
    split: str,
    pairs: pl.DataFrame,
    table: pl.DataFrame,
    model: RewardModel,
    config: RewardConfig,
) -> tuple[AnyAds, Products]:
    of_split = pairs.filter(pl.col("split") == split)
    some = table.filter(
        pl.col("split") == split, pl.col("product_id").is_in(of_split["product_id"].implode())
    )
    ads = read_ads(some, model, cache_mb=config.train.picture_cache_mb)
    return ads, Products(of_split, some)


def _finish(
    model: RewardModel,
    training: tuple[Any, Products],
    validation: tuple[Any, Products],
    config: RewardConfig,
) -> dict[str, float]:
    """Merge adapters, solve what is to be solved; figures on the validation pairs."""
    model.merge_adapters()
    if config.train.solve_last_layer:
        assert isinstance(model, SiameseRewardModel)
        solve_last_layer(model, training, validation, config.loss)
    ads, pairs = validation
    if not len(pairs):
        return {}
    preference = preferences(model, ads, pairs)
    ctr = ads.ctr.numpy()
    target = (1 + np.sign(ctr[pairs.left] - ctr[pairs.right])) / 2
    scale = fitted_order_scale(preference, target, at_least=0.01)
    model.config.order_scale = scale or 1.0  # of scores that are all equal, any will do
    judged = judge_pairs(preference, ads, pairs)
    found = {"val_accuracy": judged.accuracy, "val_accuracy_ge_20": judged.accuracy_ge_20}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _write_checkpoint(run: RunWriter, model: RewardModel, card: str) -> None:
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
