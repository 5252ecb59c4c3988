"""The last layer of a siamese reward model, solved rather than trained step by step.

Once what an ad looks like is read, which looks are clicked is a small smooth problem: a main weight
for each number of the basis, and for each kind of product what it adds (its taste). A kind of
product is in few steps of a training, so step by step its taste is learned slowly; solved, at once,
with the penalty that the validation pairs choose. The objective is that of the training, with the
squared weights added as in ridge regression (Hoerl and Kennard 1970):

    pair * mean cross-entropy + point * mean squared error + ridge * sum of squares

over the numbers of the basis in units of their spread. It is convex but for the factor between
scores and log-CTR. L-BFGS in double precision finds the minimum.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from caig.reward import losses
from caig.reward.config import LossSection
from caig.reward.dataset import Ads, Products
from caig.reward.model import SiameseRewardModel

RIDGES = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
"""Penalties that the validation pairs choose from, as shares of the sum of both losses' weights."""

DEFAULT_RIDGE = 3e-3
"""Where there are no validation pairs."""

STEPS = 200
"""Most steps of L-BFGS; it stops by itself before."""


class Seen(NamedTuple):
    """What the model reads of A ads, and what is asked of it.

    Attributes:
        basis: (A, D) what the last layer weighs.
        kind: (A, K) distribution over kinds of product.
        log_ctr: (A,) standardised; not finite where an ad was never clicked.
        left: (P,) rows of the left ads.
        right: (P,) of the right.
        target: (P,) probability that the left is better.
    """

    basis: Tensor
    kind: Tensor
    log_ctr: Tensor
    left: Tensor
    right: Tensor
    target: Tensor


class Layer(NamedTuple):
    """A last layer.

    Attributes:
        value: (D,) weight of each number.
        taste: (K, D) what a kind adds to it.
        level: (K,) of log-CTR by kind.
        scale: Of log-CTR against scores.
    """

    value: Tensor
    taste: Tensor
    level: Tensor
    scale: Tensor


def solve_last_layer(
    model: SiameseRewardModel,
    training: tuple[Ads, Products],
    validation: tuple[Ads, Products],
    config: LossSection,
) -> float:
    """Put the best last layer into a model.

    Args:
        model: A model whose other parts are trained.
        training: Training ads and pairs.
        validation: Validation ads and pairs, which choose the penalty; none may be there.
        config: Weights and targets of the losses.

    Returns:
        The penalty, as a share; see ``RIDGES``.

    Raises:
        DataError: A picture cannot be read.
    """
    seen = see(model, *training, config)
    ridges: tuple[float, ...] = (DEFAULT_RIDGE,)
    judged = None
    if len(validation[1]):
        ridges, judged = RIDGES, see(model, *validation, config)
    best, best_loss, best_ridge = None, float("inf"), DEFAULT_RIDGE
    layer = None
    for ridge in ridges:  # from strong to weak: each starts where the last one ended
        layer = solve(seen, config, ridge=ridge, start=layer)
        loss = 0.0 if judged is None else float(objective(layer, judged, config))
        if loss < best_loss:
            best, best_loss, best_ridge = layer, loss, ridge
    assert best is not None
    with torch.no_grad():
        model.value.weight.copy_(best.value)
        model.value.bias.zero_()
        model.taste.copy_(best.taste)
        model.level.copy_(best.level)
        model.scale.copy_(best.scale)
    return best_ridge


def see(model: SiameseRewardModel, ads: Ads, pairs: Products, config: LossSection) -> Seen:
    """Read ads as the model does, a batch at a time.

    Raises:
        DataError: A picture cannot be read.
    """
    model.train(mode=False)
    basis, kind = [], []
    with torch.inference_mode():
        for rows in np.array_split(np.arange(len(ads.ctr)), -(-len(ads.ctr) // 256)):
            read = ads.inputs(rows)
            out = model(**{name: tensor.to(model.device) for name, tensor in read.items()})
            basis.append(out.basis.double().cpu())
            kind.append(out.kind.double().cpu())
    left, right = torch.from_numpy(pairs.left), torch.from_numpy(pairs.right)
    posterior = torch.tensor(pairs.p_left_better)  # a copy: the table is not to be written to
    target = losses.pair_target(config.pair_target, ads.ctr[left], ads.ctr[right], posterior)
    return Seen(
        torch.cat(basis), torch.cat(kind), ads.log_ctr.double(), left, right, target.double()
    )


def solve(seen: Seen, config: LossSection, *, ridge: float, start: Layer | None = None) -> Layer:
    """The layer that minimises the objective.

    Args:
        seen: What it learns from.
        config: Weights of the losses.
        ridge: Penalty, as a share of their sum.
        start: Where to start; zero by default. The minimum does not depend on it.
    """
    spread = seen.basis.std(dim=0).clamp_min(1e-6)
    n_kinds, size = seen.kind.shape[1], seen.basis.shape[1]
    if start is None:
        zero = torch.zeros(size, dtype=torch.float64)
        none = torch.zeros(n_kinds, dtype=torch.float64)
        start = Layer(
            zero, torch.zeros(n_kinds, size, dtype=torch.float64), none, none.new_tensor(1.0)
        )
    unknown = [
        (start.value * spread).requires_grad_(),
        (start.taste * spread).requires_grad_(),
        start.level.clone().requires_grad_(),
        start.scale.clone().requires_grad_(),
    ]
    scaled = seen._replace(basis=seen.basis / spread)
    penalty = ridge * (config.pair + config.point)
    finder = torch.optim.LBFGS(
        unknown, max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        finder.zero_grad()
        squares = (unknown[0] ** 2).sum() + (unknown[1] ** 2).sum()
        loss = objective(Layer(*unknown), scaled, config) + penalty * squares
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    finder.step(closure)  # type: ignore[no-untyped-call]
    value, taste, level, scale = (tensor.detach() for tensor in unknown)
    return Layer(value / spread, taste / spread, level, scale)


def objective(layer: Layer, seen: Seen, config: LossSection) -> Tensor:
    """Both losses of a layer, weighted, without the penalty.

    Args:
        layer: The layer.
        seen: What it is judged on.
        config: Weights of the losses.
    """
    score = ((layer.value + seen.kind @ layer.taste) * seen.basis).sum(dim=1)
    pair = losses.pair_loss(score[seen.left] - score[seen.right], seen.target).mean()
    predicted = layer.scale * score + seen.kind @ layer.level
    point = losses.point_loss(predicted, seen.log_ctr).mean()
    return config.pair * pair + config.point * point
