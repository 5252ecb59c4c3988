"""The published layout: both ads of a pair are shown at once, and the last token names a side.

    loss = pair * cross-entropy(softmax(logits), side)  +  point * MSE(log-CTRs, standardised)

as published but for the scale of CTR (raw CTR, a few hundredths, gives no gradient) and for what
else ``loss.pair_target`` allows. Such a model comes to prefer sides. So the sides of a training
pair are settled by chance in every step, every pair is judged in both presentations, and its answer
is their mean.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caig.reward import losses
from caig.reward.config import RewardConfig
from caig.reward.dataset import Ints, Part
from caig.reward.mllm_ads import MllmAds
from caig.reward.mllm_model import MllmRewardModel

Floats = NDArray[np.float64]


class Decided(NamedTuple):
    """What a model says of P pairs, in one presentation; left and right are the table's.

    Attributes:
        difference: (P,) log-odds that the left is better, before ``order_scale``.
        log_ctr: (P, 2) standardised log-CTR of left and right.
    """

    difference: Floats
    log_ctr: Floats


def side_terms(
    prepared: Any, ads: MllmAds, part: Part, config: RewardConfig, device: torch.device
) -> Tensor:
    """The terms of the loss, of one part of a step.

    Args:
        prepared: The model as it is called.
        ads: Training ads.
        part: Which, and how they are altered.
        config: How.
        device: Where.

    Returns:
        (5,) pair, point, kind, caption, bucket: sums over the part, each divided by the count of
        the whole step; kind and bucket are 0.
    """
    swap = part.is_swapped
    shown = np.stack([part.left, part.right], axis=1)
    shown[swap] = shown[swap][:, ::-1]
    read = ads.altered_pairs(part, shown, shift=config.train.shift)
    out = prepared(**{name: tensor.to(device) for name, tensor in read.items()})
    n = len(shown)  # of no pair at all, one blank is read
    rows = torch.from_numpy(part.rows[shown])
    ctr, log_ctr = ads.ctr[rows].to(device), ads.log_ctr[rows].to(device)
    posterior = np.where(swap, 1 - part.p_left_better, part.p_left_better)
    target = losses.pair_target(
        config.loss.pair_target, ctr[:, 0], ctr[:, 1], torch.from_numpy(posterior).to(device)
    )
    logits = out.score[:n].float()
    pair = losses.pair_loss(logits[:, 0] - logits[:, 1], target).sum()
    point = losses.point_loss(out.log_ctr[:n].float(), log_ctr).mean(dim=1).sum()
    caption = torch.zeros_like(point)
    if out.phrase_logits is not None:
        said = ads.said[rows].to(device).flatten(0, 1)
        caption = losses.caption_loss(out.phrase_logits[:n].float().flatten(0, 1), said).sum() / 2
    none = torch.zeros_like(point)
    return torch.stack([pair, point, none, caption, none]) / part.n_pairs


def decide_pairs(
    model: MllmRewardModel, ads: MllmAds, shown: Ints, *, is_swapped: bool, batch_size: int = 32
) -> Decided:
    """Ask a model about pairs.

    Args:
        model: The model, on its device.
        ads: Ads.
        shown: (P, 2) left and right ad of each pair, as rows of ``ads``.
        is_swapped: Show the right ad first.
        batch_size: Pairs at a time.

    Raises:
        DataError: A picture cannot be read.
    """
    model.train(mode=False)
    logits, log_ctr = [], []
    order = [1, 0] if is_swapped else [0, 1]
    with torch.inference_mode():
        for start in range(0, len(shown), batch_size):
            read = ads.pairs(shown[start : start + batch_size][:, order])
            out = model(**{name: tensor.to(model.device) for name, tensor in read.items()})
            logits.append(out.score[:, order].double().cpu().numpy())
            log_ctr.append(out.log_ctr[:, order].double().cpu().numpy())
    both = np.concatenate(logits) if logits else np.zeros((0, 2))
    return Decided(
        both[:, 0] - both[:, 1], np.concatenate(log_ctr) if log_ctr else np.zeros((0, 2))
    )
