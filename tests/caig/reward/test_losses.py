"""The losses against values by hand, finite differences, and a swap of the sides."""

import math

import pytest
import torch

from caig.reward import losses

LEFT = torch.tensor([0.04, 0.01, 0.02, 0.0])
RIGHT = torch.tensor([0.02, 0.03, 0.02, 0.0])


def test_hard_target_by_hand():
    assert losses.hard_target(LEFT, RIGHT).tolist() == [1.0, 0.0, 0.5, 0.5]


def test_share_target_by_hand():
    assert losses.share_target(LEFT, RIGHT).tolist() == pytest.approx([2 / 3, 0.25, 0.5, 0.5])


@pytest.mark.parametrize("target", [losses.hard_target, losses.share_target])
def test_pair_loss_does_not_change_when_sides_are_swapped(target):
    difference = torch.tensor([0.3, -1.2, 2.0, 0.0])
    as_is = losses.pair_loss(difference, target(LEFT, RIGHT))
    swapped = losses.pair_loss(-difference, target(RIGHT, LEFT))
    torch.testing.assert_close(as_is, swapped)


def test_pair_loss_by_hand():
    found = losses.pair_loss(torch.tensor([math.log(3.0)]), torch.tensor([0.25]))
    by_hand = -(0.25 * math.log(0.75) + 0.75 * math.log(0.25))
    assert found.item() == pytest.approx(by_hand)


def test_share_loss_is_least_at_the_ratio_of_the_ctrs():
    difference = torch.log(LEFT[:2] / RIGHT[:2]).requires_grad_()
    losses.pair_loss(difference, losses.share_target(LEFT[:2], RIGHT[:2])).sum().backward()
    assert difference.grad.abs().max() < 1e-6


def test_gradients_agree_with_finite_differences():
    difference = torch.tensor([0.3, -1.2, 2.0], dtype=torch.double, requires_grad=True)
    target = torch.tensor([1.0, 0.25, 0.5], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda d: losses.pair_loss(d, target), difference)
    observed = torch.tensor([0.1, -math.inf, 0.4], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda p: losses.point_loss(p, observed), difference)
    logits = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    kind = torch.tensor([0, -1, 3])
    assert torch.autograd.gradcheck(lambda x: losses.kind_loss(x, kind), logits)
    edges = torch.tensor([-0.5, 0.0, 0.2], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: losses.bucket_loss(x, observed, edges), logits)


def test_point_loss_leaves_out_what_was_never_clicked():
    found = losses.point_loss(torch.tensor([1.0, 5.0]), torch.tensor([3.0, -math.inf]))
    assert found.tolist() == [4.0, 0.0]


def test_unknown_kind_counts_nothing():
    logits = torch.zeros(2, 4)
    assert losses.kind_loss(logits, torch.tensor([2, -1])).tolist() == pytest.approx(
        [math.log(4), 0.0]
    )


def test_bucket_is_the_one_between_the_edges():
    edges = torch.tensor([-1.0, 1.0])
    confident = torch.tensor([[20.0, 0, 0], [0, 20.0, 0], [0, 0, 20.0]])
    observed = torch.tensor([-2.0, 0.0, 3.0])
    assert losses.bucket_loss(confident, observed, edges).max() < 1e-6
