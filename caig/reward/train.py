"""The training loop of a reward model: one plain loop, on one process or several.

Float32 on processors (bfloat16 is emulated there, and slow), bfloat16 on GPUs. Gradients of the
parts of a step add up to those of the whole step exactly: every part divides by the counts of the
whole. So micro-batches and processes change no loss but by rounding (and where dropout is on, by
its draws). What a run draws depends on its seed and the number of the step alone: an interrupted
run that resumes from its last state ends with the same weights as one that was not.

The epoch that is kept is the one with the best accuracy on the validation pairs; no test pair is
seen here.
"""

import math
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from caig.errors import ArtifactError
from caig.reward import losses
from caig.reward.config import LossSection, RewardConfig, TrainSection
from caig.reward.dataset import Part, Products, parts_of_step, steps_an_epoch
from caig.reward.mllm_ads import MllmAds
from caig.reward.mllm_model import first_ads
from caig.reward.score import AnyAds, RewardModel, judge_model
from caig.reward.side_by_side import side_terms

STATE = "state.pt"
"""File in the run's folder that an interrupted run resumes from."""

KIND_SMOOTHING = 0.1
"""Pictures of few products are soon known by heart; a kind must not be surer than it is."""

TERMS = ("pair", "point", "kind", "caption", "bucket")


@dataclass
class Progress:
    """How far training is; all of it is saved and restored.

    Attributes:
        step: Steps done.
        sums: Sums of each term of the loss over this epoch's steps.
        best_accuracy: Best validation accuracy; -1 before the first.
        best_epoch: Its epoch, from 1.
        best: Weights of that epoch.
        history: A row an epoch.
    """

    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(TERMS))
    best_accuracy: float = -1.0
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def new_accelerator() -> Accelerator:
    """What places training on the machine: GPUs in bfloat16 where there are any."""
    precision = "bf16" if torch.cuda.is_available() else "no"
    no_buffers = DistributedDataParallelKwargs(broadcast_buffers=False)
    return Accelerator(mixed_precision=precision, kwargs_handlers=[no_buffers])


def learning_rate(step: int, total: int, config: TrainSection) -> float:
    """Step size: rises linearly from 0, then falls as half a cosine, to 0 after the last step."""
    warmup = math.ceil(config.warmup_share * total)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(total - warmup, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


class _Training(NamedTuple):
    """What a step needs, together.

    Attributes:
        model: The model itself.
        prepared: The model as it is called: wrapped where there are several processes.
        optimizer: Of its weights.
        ema: Their moving average; None for none.
        ads: Training ads.
        products: Their pairs.
        config: How.
        accelerator: Where.
    """

    model: RewardModel
    prepared: nn.Module
    optimizer: Any
    ema: AveragedModel | None
    ads: AnyAds
    products: Products
    config: RewardConfig
    accelerator: Accelerator

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return steps_an_epoch(len(self.products), self.config.train)


def train(
    model: RewardModel,
    ads: AnyAds,
    products: Products,
    validation: tuple[AnyAds, Products],
    config: RewardConfig,
    *,
    accelerator: Accelerator,
    folder: Path | None = None,
    resume: Path | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    advance: Callable[[int, int], None] = lambda step, total: None,
) -> Progress:
    """Train ``model`` in place; afterwards it holds the weights of the best epoch.

    Args:
        model: A new model.
        ads: Training ads.
        products: Their pairs.
        validation: Validation ads and pairs; without a pair, the last epoch is kept.
        config: How.
        accelerator: Where.
        folder: Folder that states are saved in; None saves none.
        resume: State of an interrupted run with the same configuration.
        report: Called with each epoch's figures.
        advance: Called with each step and the number of all steps.

    Raises:
        ArtifactError: ``resume`` is no state, or of another configuration.
        DataError: A picture cannot be read.
    """
    settings = config.train
    prepared, optimizer = accelerator.prepare(model, _optimizer(model, settings))
    ema = None
    if settings.ema_decay:
        average = get_ema_multi_avg_fn(settings.ema_decay)  # type: ignore[no-untyped-call]
        ema = AveragedModel(model, multi_avg_fn=average)
    job = _Training(model, prepared, optimizer, ema, ads, products, config, accelerator)
    progress = Progress() if resume is None else _restore(resume, job)
    total = job.per_epoch * settings.epochs
    while progress.step < total and not _is_stale(progress, settings):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress.step, total, settings)
        terms = _one_step(job, progress.step)
        if ema is not None:
            ema.update_parameters(model)
        progress.sums = [a + b for a, b in zip(progress.sums, terms.tolist(), strict=True)]
        progress.step += 1
        advance(progress.step, total)
        ends_epoch = progress.step % job.per_epoch == 0
        if ends_epoch:
            report(_close_epoch(job, progress, validation))
        is_due = ends_epoch or progress.step % settings.save_every == 0
        if is_due and folder is not None and accelerator.is_main_process:
            _save(folder / STATE, job, progress)
    if progress.best:  # not without an epoch
        model.load_state_dict(progress.best)
    return progress


def weights_of_epoch(epoch: int, config: LossSection) -> list[float]:
    """Weights of ``TERMS`` in an epoch, from 0: first captions alone, or buckets, then all."""
    if epoch < config.caption_epochs:
        return [0.0, 0.0, config.kind, config.caption, 0.0]
    if epoch < config.warm_epochs:
        return [0.0, 0.0, 0.0, 0.0, 1.0]
    return [config.pair, config.point, config.kind, config.caption, 0.0]


def _one_step(job: _Training, step: int) -> Tensor:
    """Forward, backward, update; the terms of the loss over all processes."""
    config, accelerator = job.config, job.accelerator
    processes, rank = accelerator.num_processes, accelerator.process_index
    weights = weights_of_epoch(step // job.per_epoch, config.loss)
    weight = torch.tensor(weights, device=accelerator.device)
    parts = parts_of_step(
        job.products,
        config.train,
        n_words=job.ads.n_words,
        seed=config.seed,
        step=step,
        parts=config.train.micro_batches * processes,
    )
    mine = parts[rank::processes]
    # Dropout draws from here: the same in a resumed run, another in every process.
    torch.manual_seed((config.seed << 40) + step * processes + rank)
    job.model.train()
    terms = torch.zeros(len(TERMS), device=accelerator.device)
    for i, part in enumerate(mine):
        is_last = i == len(mine) - 1
        with nullcontext() if is_last else accelerator.no_sync(job.prepared):
            found = _loss_terms(job, part)
            # Processes' gradients are averaged; the sum is wanted.
            accelerator.backward((weight * found).sum() * processes)
        terms += found.detach()
    accelerator.clip_grad_norm_(job.model.parameters(), config.train.max_grad_norm)
    job.optimizer.step()
    job.optimizer.zero_grad()
    summed: Tensor = accelerator.reduce(terms, "sum")
    return summed


def _loss_terms(job: _Training, part: Part) -> Tensor:
    """The terms of the loss, of one part of a step.

    Returns:
        (5,) sums over the part, each divided by the count of the whole step; in order of ``TERMS``.
    """
    ads, config, device = job.ads, job.config, job.accelerator.device
    if config.model.layout == "side_by_side":
        assert isinstance(ads, MllmAds)
        return side_terms(job.prepared, ads, part, config, device)
    read = ads.altered_inputs(part, shift=config.train.shift)
    out = job.prepared(**{name: tensor.to(device) for name, tensor in read.items()})
    if isinstance(ads, MllmAds):
        out = first_ads(out, len(part.rows))
    left, right = torch.from_numpy(part.left).to(device), torch.from_numpy(part.right).to(device)
    ctr = ads.ctr[part.rows].to(device)
    log_ctr, kind = ads.log_ctr[part.rows].to(device), ads.kind[part.rows].to(device)
    score, posterior = out.score.float(), torch.from_numpy(part.p_left_better).to(device)
    target = losses.pair_target(config.loss.pair_target, ctr[left], ctr[right], posterior)
    pair = losses.pair_loss(score[left] - score[right], target).sum() / part.n_pairs
    point = losses.point_loss(out.log_ctr.float(), log_ctr).sum()
    of_kind = torch.zeros_like(point)
    for logits in (out.kind_logits, out.picture_kind_logits):
        if logits is not None:
            found = losses.kind_loss(logits.float(), kind, smoothing=KIND_SMOOTHING)
            of_kind = of_kind + found.sum()
    caption, bucket = torch.zeros_like(point), torch.zeros_like(point)
    if out.phrase_logits is not None:
        said = ads.said[part.rows].to(device)
        caption = losses.caption_loss(out.phrase_logits.float(), said).sum()
    if out.bucket_logits is not None:
        n = config.loss.buckets
        edges = torch.special.ndtri(torch.arange(1, n, device=device, dtype=torch.float32) / n)
        bucket = losses.bucket_loss(out.bucket_logits.float(), log_ctr, edges).sum()
    of_ads = (point, of_kind, caption, bucket)
    return torch.stack([pair, *(term / part.n_ads for term in of_ads)])


def _optimizer(model: nn.Module, config: TrainSection) -> torch.optim.Optimizer:
    """AdamW; only matrices decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def _close_epoch(
    job: _Training, progress: Progress, validation: tuple[AnyAds, Products]
) -> dict[str, float]:
    epoch = progress.step // job.per_epoch
    model: Any = job.model
    if job.ema is not None:
        model = job.ema.module
    row: dict[str, float] = {"epoch": epoch, "step": progress.step}
    row |= {name: s / job.per_epoch for name, s in zip(TERMS, progress.sums, strict=True)}
    progress.sums = [0.0] * len(TERMS)
    ads, pairs = validation
    # Without validation pairs each epoch replaces the last; so do those of a warm start.
    learns_order = epoch > job.config.loss.warm_epochs
    accuracy = progress.best_accuracy
    if len(pairs) and learns_order:
        judged = judge_model(model, ads, pairs)
        accuracy = judged.accuracy
        row["val_accuracy"] = judged.accuracy
        if math.isfinite(judged.accuracy_ge_20):
            row["val_accuracy_ge_20"] = judged.accuracy_ge_20
    if accuracy > progress.best_accuracy or not (len(pairs) and learns_order):
        progress.best_accuracy, progress.best_epoch = accuracy, epoch
        progress.best = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
    progress.history.append(row)
    return row


def _is_stale(progress: Progress, config: TrainSection) -> bool:
    """True after ``patience`` epochs without a better one."""
    return bool(config.patience) and (
        len(progress.history) - progress.best_epoch >= config.patience > 0
    )


def _save(file: Path, job: _Training, progress: Progress) -> None:
    state = {
        "config": job.config.model_dump_json(),
        "pairs": job.products.fingerprint(),
        "model": job.model.state_dict(),
        "optimizer": job.optimizer.state_dict(),
        "ema": None if job.ema is None else job.ema.state_dict(),
        "progress": asdict(progress),
    }
    part = file.with_suffix(".part")
    torch.save(state, part)
    part.replace(file)  # whole or not at all: training may be killed while this is written


def _restore(file: Path, job: _Training) -> Progress:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ArtifactError(f"{file}: no state to resume from: {error}") from None
    if state["config"] != job.config.model_dump_json():
        raise ArtifactError(f"{file}: it was trained with another configuration; give that one")
    if state["pairs"] != job.products.fingerprint():
        raise ArtifactError(f"{file}: it was trained on other pairs; give those")
    job.model.load_state_dict(state["model"])
    job.optimizer.load_state_dict(state["optimizer"])
    if job.ema is not None:
        job.ema.load_state_dict(state["ema"])
    return Progress(**state["progress"])
