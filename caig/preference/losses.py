"""The losses of preference optimisation, as pure functions of log-ratios.

A log-ratio is r = log pi(y | x) - log pi_0(y | x): log-probabilities of an answer's tokens, summed,
under the policy and under the reference, which is the prompt model before any alignment.

Sources: DPO, Rafailov et al. 2023 (arXiv 2305.18290), equation 7; label smoothing, Mitchell 2023
("cDPO"); PCPO, arXiv 2502.06823, section 4: the same loss between the product's information x and a
corrupted one x^ with the same answer, which is the conditional term of mDPO (Wang et al. 2024,
arXiv 2406.11839). The anchor is the likelihood term of Pang et al. 2024 (arXiv 2404.19733).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from caig.preference.config import LossConfig


class LogRatios(NamedTuple):
    """Log-ratios (nats) of a batch of pairs.

    Attributes:
        chosen: (B,) r(x, y+).
        rejected: (B,) r(x, y-).
        corrupted: (B,) r(x^, y+); None where there is no product-centric loss.
    """

    chosen: Tensor
    rejected: Tensor
    corrupted: Tensor | None


class Losses(NamedTuple):
    """Parts of the loss, each the mean over the pairs before its weight; scalars.

    Attributes:
        total: Weighted sum.
        dpo: DPO's part.
        pcpo: Product-centric part; 0 where there is none.
        anchor: Likelihood part; 0 where there is none.
        drift: Squared log-ratios; 0 where there is none.
    """

    total: Tensor
    dpo: Tensor
    pcpo: Tensor
    anchor: Tensor
    drift: Tensor


def preference_loss(
    better: Tensor,
    worse: Tensor,
    *,
    beta: float,
    target: Tensor | float = 1.0,
) -> Tensor:
    """Cross-entropy of the order of two log-ratios: -log sigma(beta (better - worse)).

    Args:
        better: (B,) log-ratio that is to be the higher one (nats).
        worse: (B,) the other.
        beta: Scale.
        target: (B,) or one probability that the order is right; 1 is DPO's own loss.

    Returns:
        (B,) losses.
    """
    logits = beta * (better - worse)
    right = functional.logsigmoid(logits)
    wrong = functional.logsigmoid(-logits)
    return -(target * right + (1 - target) * wrong)


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    *,
    beta: float,
    target: Tensor | float = 1.0,
) -> Tensor:
    """DPO: -log sigma(beta (r(x, y+) - r(x, y-))).

    Args:
        chosen: (B,) r(x, y+).
        rejected: (B,) r(x, y-).
        beta: Scale of the log-ratios.
        target: Probability that y+ is the better one.

    Returns:
        (B,) losses.
    """
    return preference_loss(chosen, rejected, beta=beta, target=target)


def pcpo_loss(chosen: Tensor, corrupted: Tensor, *, beta: float) -> Tensor:
    """PCPO: -log sigma(beta (r(x, y+) - r(x^, y+))).

    The chosen prompt is to be likelier for its own product than for a corrupted one, so that what
    it says stays about the product.

    Args:
        chosen: (B,) r(x, y+).
        corrupted: (B,) r(x^, y+).
        beta: Scale of the log-ratios.

    Returns:
        (B,) losses.
    """
    return preference_loss(chosen, corrupted, beta=beta)


def order_targets(p_chosen: Tensor, config: LossConfig) -> tuple[Tensor, Tensor]:
    """What the judge's confidence makes of a pair.

    Args:
        p_chosen: (B,) its probability for the chosen one, at least 1/2.
        config: Label smoothing and use of the confidence.

    Returns:
        (B,) target probabilities and (B,) weights of DPO's loss.
    """
    sure = torch.ones_like(p_chosen)
    target = p_chosen if config.confidence == "target" else sure
    weight = 2 * p_chosen - 1 if config.confidence == "weight" else sure
    smooth = config.label_smoothing
    return (1 - smooth) * target + smooth * (1 - target), weight


def total_loss(
    ratios: LogRatios,
    chosen_logp: Tensor,
    chosen_tokens: Tensor,
    p_chosen: Tensor,
    config: LossConfig,
) -> Losses:
    """The whole loss of a batch: mean over its pairs, so that equal batches add up.

    Args:
        ratios: Log-ratios.
        chosen_logp: (B,) log pi(y+ | x) (nats).
        chosen_tokens: (B,) tokens of y+ (count).
        p_chosen: (B,) the judge's probability for the chosen one.
        config: Weights and scales.
    """
    nothing = chosen_logp.new_zeros(())
    target, weight = order_targets(p_chosen, config)
    dpo = dpo_loss(ratios.chosen, ratios.rejected, beta=config.beta, target=target)
    dpo = (weight * dpo).mean()
    pcpo = anchor = drift = nothing
    total = config.dpo_weight * dpo
    if ratios.corrupted is not None:
        pcpo = pcpo_loss(ratios.chosen, ratios.corrupted, beta=config.pcpo_beta).mean()
        total = total + config.pcpo_weight * pcpo
    if config.anchor:
        anchor = -(chosen_logp / chosen_tokens).mean()
        total = total + config.anchor * anchor
    if config.drift:
        drift = (ratios.chosen**2 + ratios.rejected**2).mean() / 2
        total = total + config.drift * drift
    return Losses(total, dpo, pcpo, anchor, drift)
