"""What a reward model is trained on: how far its scores are from the clicks. Pure functions.

With s a score, D = s_left - s_right and sigma the logistic function, p_left = sigma(D). The three
pair losses are the cross-entropy of p_left and a target t, and differ in t alone:

    hard       t = 1 if ctr_left > ctr_right, 0 if less, 1/2 if equal       (Burges et al. 2005)
    posterior  t = P(left's CTR is higher | clicks, impressions)            (Beta posterior)
    share      t = ctr_left / (ctr_left + ctr_right)

Each is symmetric under a swap of the sides. ``share`` is least at D = log(ctr_left / ctr_right): it
teaches differences of log-CTR, not only their sign, and a score becomes a log-CTR up to a constant
of its product (the choice model of Bradley and Terry 1952 with clicks for wins). The point loss is
the mean squared error on log-CTR standardised over the training ads; raw CTR, a few hundredths,
gives no gradient. Their sum, 1 * pair + 0.5 * point, is the published form.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

PairTarget = Literal["hard", "posterior", "share"]


def hard_target(left_ctr: Tensor, right_ctr: Tensor) -> Tensor:
    """1 where the left CTR is higher, 0 where it is lower, 1/2 at a tie; any shape."""
    return (torch.sign(left_ctr - right_ctr) + 1) / 2


def share_target(left_ctr: Tensor, right_ctr: Tensor) -> Tensor:
    """Left's share of the two CTRs; 1/2 where neither was clicked."""
    total = left_ctr + right_ctr
    return torch.where(total > 0, left_ctr / torch.where(total > 0, total, 1), 0.5)


def pair_target(
    name: PairTarget, left_ctr: Tensor, right_ctr: Tensor, p_left_better: Tensor
) -> Tensor:
    """The target of a name.

    Args:
        name: Which.
        left_ctr: (P,) CTR of the left.
        right_ctr: (P,) CTR of the right.
        p_left_better: (P,) posterior.
    """
    match name:
        case "hard":
            return hard_target(left_ctr, right_ctr)
        case "posterior":
            return p_left_better
        case "share":
            return share_target(left_ctr, right_ctr)


def pair_loss(difference: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of sigma(difference) and a target, per pair (nats).

    Args:
        difference: (P,) score of the left minus score of the right.
        target: (P,) probability that the left is better.
    """
    return functional.binary_cross_entropy_with_logits(difference, target, reduction="none")


def point_loss(predicted: Tensor, log_ctr: Tensor) -> Tensor:
    """Squared error per ad; an ad that was never clicked has no log-CTR and counts 0.

    Args:
        predicted: (A,) standardised log-CTR as predicted.
        log_ctr: (A,) standardised log-CTR as observed; NaN or -inf where there is none.
    """
    known = torch.isfinite(log_ctr)
    return torch.where(known, (predicted - torch.where(known, log_ctr, predicted)) ** 2, 0.0)


def kind_loss(logits: Tensor, kind: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the product's kind, per ad (nats); a negative kind is unknown and counts 0.

    Args:
        logits: (A, K).
        kind: (A,) index of the kind.
        smoothing: Share of the target spread over all kinds (Szegedy et al. 2016).
    """
    return functional.cross_entropy(
        logits, kind, reduction="none", ignore_index=-1, label_smoothing=smoothing
    )


def caption_loss(logits: Tensor, said: Tensor) -> Tensor:
    """Cross-entropy of a caption's phrases, summed over the phrases, per ad (nats).

    Args:
        logits: (A, P).
        said: (A, P) 1 or 0; an ad whose row is NaN counts 0.
    """
    known = torch.isfinite(said)
    each = functional.binary_cross_entropy_with_logits(
        logits, torch.where(known, said, 0.0), reduction="none"
    )
    return torch.where(known, each, 0.0).sum(dim=1)


def bucket_loss(logits: Tensor, log_ctr: Tensor, edges: Tensor) -> Tensor:
    """Cross-entropy of the bucket that an ad's log-CTR falls into, per ad (nats): a warm start.

    Args:
        logits: (A, B).
        log_ctr: (A,) standardised log-CTR; one that is not finite counts 0.
        edges: (B - 1,) inner edges of the buckets, rising.
    """
    known = torch.isfinite(log_ctr)
    bucket = torch.bucketize(torch.where(known, log_ctr, 0.0), edges)
    return kind_loss(logits, torch.where(known, bucket, -1))
