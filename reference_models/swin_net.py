"""The frozen picture encoder of CG4CTR (torch): a Swin transformer trained on the shop's pictures.

The authors trained theirs by painting hidden patches and by naming the three levels of categories;
so does this. What is learnt from clicks comes later, on top of the frozen vectors.
"""

# N pictures, S side (px), D width, P patches

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_models.cg4ctr import SwinConfig
from reference_models.pictures import normalised, read_picture, resize

LEVELS = 3
"""Levels of categories that are named, from the root."""


def build_swin(config: SwinConfig, *, pretrained: bool) -> Any:
    """The encoder with its painting head, ``SwinForMaskedImageModeling``.

    Args:
        config: Its configuration.
        pretrained: Start from the named weights; else their architecture alone.
    """
    from transformers import SwinConfig as Shape
    from transformers import SwinForMaskedImageModeling

    if config.name != "scratch":
        if pretrained:
            return SwinForMaskedImageModeling.from_pretrained(config.name)
        return SwinForMaskedImageModeling(Shape.from_pretrained(config.name))
    shape = Shape(
        image_size=config.size,
        patch_size=config.patch,
        embed_dim=config.width,
        depths=list(config.depths),
        num_heads=list(config.heads),
        window_size=config.window,
        encoder_stride=config.patch * 2 ** (len(config.depths) - 1),
    )
    return SwinForMaskedImageModeling(shape)


def category_labels(paths: Sequence[str | None]) -> tuple[np.ndarray, list[int]]:
    """Numbers of the categories of each level.

    Args:
        paths: Categories from the root, joined by ' > '; None where unknown.

    Returns:
        (N, LEVELS) numbers within each level, -100 where there is no such level; and how many
        categories each level has.
    """
    levels = [(path or "").split(" > ") if path else [] for path in paths]
    labels = np.full((len(paths), LEVELS), -100)
    sizes = []
    for level in range(LEVELS):
        # A name counts with all that is above it: two departments may both have "Other".
        names = [tuple(parts[: level + 1]) if len(parts) > level else None for parts in levels]
        known = {name: number for number, name in enumerate(sorted({n for n in names if n}))}
        labels[:, level] = [-100 if name is None else known[name] for name in names]
        sizes.append(len(known))
    return labels, sizes


def pixels_of(paths: Sequence[str], size: int) -> Tensor:
    """(N, 3, S, S) pictures, resized whatever their shape was."""
    return torch.from_numpy(normalised([resize(read_picture(p), size, size) for p in paths]))


def train_on_domain(
    swin: Any,
    config: SwinConfig,
    paths: Sequence[str],
    categories: Sequence[str | None],
    *,
    seed: int,
    tell: Callable[..., None],
) -> None:
    """Train the encoder in place: paint hidden patches, name categories.

    Args:
        swin: What :func:`build_swin` gave.
        config: Its configuration.
        paths: Pictures of training products only.
        categories: Category path of each.
        seed: Seed of order and masks.
        tell: Called as ``tell("domain_epoch", epoch=..., painting=..., categories=...)``.
    """
    labels, sizes = category_labels(categories)
    device = next(swin.parameters()).device
    width = swin.config.hidden_size
    heads = nn.ModuleList([nn.Linear(width, max(size, 1)) for size in sizes]).to(device)
    optimizer = torch.optim.AdamW([*swin.parameters(), *heads.parameters()], lr=config.domain_lr)
    patches = (swin.config.image_size // swin.config.patch_size) ** 2
    rng = np.random.default_rng([seed, 1])
    swin.train()
    for epoch in range(1, config.domain_epochs + 1):
        order = rng.permutation(len(paths))
        sums = np.zeros(3)
        for first in range(0, len(order), config.domain_batch):
            some = order[first : first + config.domain_batch]
            hidden = torch.from_numpy(rng.random((len(some), patches)) < config.masked_share)
            pixels = pixels_of([paths[i] for i in some], swin.config.image_size).to(device)
            painted = swin(pixels, bool_masked_pos=hidden.to(device))
            # The categories are told from the whole picture: half a picture names them badly.
            pooled = swin.swin(pixels).last_hidden_state.mean(dim=1)
            targets = torch.from_numpy(labels[some]).to(device)
            named = _category_loss(heads, pooled, targets)
            loss = painted.loss + config.category_weight * named
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            sums += len(some) * np.array([1.0, painted.loss.item(), named.item()])
        painting, categories = (sums[1:] / sums[0]).tolist()
        tell("domain_epoch", epoch=epoch, painting=painting, categories=categories)


def _category_loss(heads: nn.ModuleList, pooled: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over the levels that the batch has; 0 if it has none."""
    losses = [
        functional.cross_entropy(head(pooled), targets[:, level], ignore_index=-100)
        for level, head in enumerate(heads)
        if bool((targets[:, level] >= 0).any())
    ]
    return torch.stack(losses).mean() if losses else pooled.sum() * 0


@torch.inference_mode()
def picture_vectors(swin: Any, paths: Sequence[str], *, batch: int) -> Tensor:
    """(N, D) mean-pooled vectors of pictures, on the CPU."""
    swin.eval()
    device = next(swin.parameters()).device
    return torch.cat(
        [
            swin.swin(pixels_of(paths[first : first + batch], swin.config.image_size).to(device))
            .last_hidden_state.mean(dim=1)
            .cpu()
            for first in range(0, len(paths), batch)
        ]
    )
