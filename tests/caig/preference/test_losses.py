"""Losses against values worked out by hand, and what each switch does."""

import math

import pytest
import torch

from caig.preference.config import LossConfig
from caig.preference.losses import (
    LogRatios,
    dpo_loss,
    order_targets,
    pcpo_loss,
    preference_loss,
    total_loss,
)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_dpo_is_its_formula():
    found = dpo_loss(tensor(1.0, -2.0), tensor(0.5, 1.0), beta=0.5)
    expected = [-math.log(sigmoid(0.25)), -math.log(sigmoid(-1.5))]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_pcpo_sets_the_real_product_against_the_corrupted_one():
    found = pcpo_loss(tensor(1.0), tensor(-1.0), beta=0.25)
    assert found.item() == pytest.approx(-math.log(sigmoid(0.5)), abs=1e-12)


def test_equal_ratios_lose_log_2_whatever_the_target():
    for target in (1.0, 0.7, torch.tensor([0.5], dtype=torch.float64)):
        loss = preference_loss(tensor(3.0), tensor(3.0), beta=2.0, target=target)
        assert loss.item() == pytest.approx(math.log(2), abs=1e-12)


def test_a_smoothed_label_is_least_where_the_order_is_as_sure_as_it_says():
    differences = torch.linspace(-6, 6, 2401, dtype=torch.float64)
    losses = preference_loss(differences, torch.zeros_like(differences), beta=1.0, target=0.8)
    best = float(differences[losses.argmin()])
    assert sigmoid(best) == pytest.approx(0.8, abs=2e-3)


def test_extreme_ratios_keep_finite_gradients():
    chosen, rejected = tensor(-5000.0, 5000.0), tensor(5000.0, -5000.0)
    dpo_loss(chosen, rejected, beta=0.5).sum().backward()
    assert chosen.grad.tolist() == pytest.approx([-0.5, 0.0])


@pytest.mark.parametrize(
    ("changes", "targets", "weights"),
    [
        ({}, [1.0, 1.0], [1.0, 1.0]),
        ({"label_smoothing": 0.1}, [0.9, 0.9], [1.0, 1.0]),
        ({"confidence": "target"}, [0.6, 0.9], [1.0, 1.0]),
        ({"confidence": "weight"}, [1.0, 1.0], [0.2, 0.8]),
        ({"confidence": "target", "label_smoothing": 0.1}, [0.58, 0.82], [1.0, 1.0]),
    ],
)
def test_confidence_is_a_label_or_a_weight(changes, targets, weights):
    p = torch.tensor([0.6, 0.9], dtype=torch.float64)
    target, weight = order_targets(p, LossConfig(**changes))
    assert target.tolist() == pytest.approx(targets)
    assert weight.tolist() == pytest.approx(weights)


RATIOS = LogRatios(tensor(0.3, -0.1), tensor(-0.2, 0.4), tensor(0.1, 0.0))
LOGPS, TOKENS, P = tensor(-8.0, -6.0), torch.tensor([4, 3]), torch.tensor([0.7, 0.9]).double()


def total(ratios=RATIOS, **changes):
    return total_loss(ratios, LOGPS, TOKENS, P, LossConfig(**changes))


def test_the_parts_add_up_with_their_weights():
    found = total(pcpo_weight=0.4, pcpo_beta=0.3, anchor=0.2, drift=0.1)
    dpo = dpo_loss(RATIOS.chosen, RATIOS.rejected, beta=0.5).mean()
    pcpo = pcpo_loss(RATIOS.chosen, RATIOS.corrupted, beta=0.3).mean()
    assert found.dpo.item() == pytest.approx(dpo.item())
    assert found.pcpo.item() == pytest.approx(pcpo.item())
    assert found.anchor.item() == pytest.approx((8 / 4 + 6 / 3) / 2)
    assert found.drift.item() == pytest.approx((0.09 + 0.04 + 0.01 + 0.16) / 4)
    expected = dpo + 0.4 * pcpo + 0.2 * found.anchor + 0.1 * found.drift
    assert found.total.item() == pytest.approx(expected.item())


def test_without_a_third_row_it_is_dpo():
    found = total(RATIOS._replace(corrupted=None))
    assert found.total.item() == found.dpo.item()
    assert found.pcpo.item() == found.anchor.item() == found.drift.item() == 0


def test_confidence_does_not_touch_the_product_centric_part():
    plain, weighted = total(), total(confidence="weight")
    assert plain.pcpo.item() == weighted.pcpo.item()
    assert plain.dpo.item() != weighted.dpo.item()


def test_halves_of_a_batch_average_to_the_whole():
    halves = []
    for k in range(2):
        ratios = LogRatios(*(ratio[k : k + 1] for ratio in RATIOS))
        rows = slice(k, k + 1)
        config = LossConfig(anchor=0.3, confidence="weight", drift=0.2)
        halves.append(total_loss(ratios, LOGPS[rows], TOKENS[rows], P[rows], config).total.item())
    whole = total(anchor=0.3, confidence="weight", drift=0.2).total.item()
    assert sum(halves) / 2 == pytest.approx(whole, abs=1e-12)
